//! Custom resources of the group `trustbridge.io`, version `v1alpha1`.
//!
//! Schema, CEL rules, printer columns, condition types and reasons; no client, no tokio.
//! One module for each kind; [`crds`] lists them all for the generator and the drift test.

pub mod buyer_org;
pub mod condition;
pub mod labels;
pub mod model_asset;
pub mod offer;
pub mod order;
pub mod quote;
pub mod reference;
pub mod tunepod;

pub use buyer_org::{BuyerOrg, BuyerOrgSpec, BuyerOrgStatus};
pub use condition::{ConditionType, Reason};
pub use model_asset::{ModelAsset, ModelAssetSpec, ModelAssetStatus};
pub use offer::{Offer, OfferSpec, OfferStatus};
pub use order::{Order, OrderSpec, OrderStatus};
pub use quote::{Quote, QuoteSpec, QuoteStatus};
pub use reference::{Mode, NameRef, RuntimeSpec};
pub use tunepod::{TunePod, TunePodSpec, TunePodStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// API group of every kind.
pub const GROUP: &str = "trustbridge.io";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Every custom resource definition, in the order in which they should be applied.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        BuyerOrg::crd(),
        Offer::crd(),
        ModelAsset::crd(),
        Quote::crd(),
        Order::crd(),
        TunePod::crd(),
    ]
}
