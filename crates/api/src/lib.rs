//! Custom resources of the group `trustbridge.io`, version `v1alpha1`.
//!
//! Schema, CEL rules, printer columns, condition types and reasons; no client, no tokio.
//! One module for each kind; [`crds`] lists them all for the generator and the drift test.

pub mod buyer_org;
pub mod change_order;
pub mod condition;
pub mod incident;
pub mod invoice;
pub mod labels;
pub mod model_asset;
pub mod offer;
pub mod order;
pub mod quote;
pub mod readiness;
pub mod reference;
pub mod seller_profile;
pub mod support_ticket;
pub mod tunepod;
pub mod usage_record;
pub mod use_case;
pub mod wipe_evidence;

#[cfg(test)]
mod judged;

pub use buyer_org::{BuyerOrg, BuyerOrgSpec, BuyerOrgStatus};
pub use change_order::{ChangeOrder, ChangeOrderSpec, ChangeOrderStatus};
pub use condition::{ConditionType, Reason};
pub use incident::{Incident, IncidentSpec, IncidentStatus};
pub use invoice::{Invoice, InvoiceSpec, InvoiceStatus, InvoiceType};
pub use model_asset::{ModelAsset, ModelAssetSpec, ModelAssetStatus};
pub use offer::{Offer, OfferSpec, OfferStatus};
pub use order::{Order, OrderSpec, OrderStatus};
pub use quote::{Quote, QuoteSpec, QuoteStatus};
pub use readiness::{Met, Probe, ReadinessLine, ReadinessState};
pub use reference::{Access, KeyRef, Mode, NameRef, RuntimeSpec};
pub use seller_profile::{SellerProfile, SellerProfileSpec, SellerProfileStatus};
pub use support_ticket::{SupportTicket, SupportTicketSpec, SupportTicketStatus};
pub use tunepod::{TunePod, TunePodSpec, TunePodStatus};
pub use usage_record::{UsageRecord, UsageRecordSpec, UsageRecordStatus};
pub use wipe_evidence::{WipeEvidence, WipeEvidenceSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

/// API group of every kind.
pub const GROUP: &str = "trustbridge.io";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Every custom resource definition, in the order in which they should be applied.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        SellerProfile::crd(),
        BuyerOrg::crd(),
        Offer::crd(),
        ModelAsset::crd(),
        Quote::crd(),
        Order::crd(),
        ChangeOrder::crd(),
        TunePod::crd(),
        UsageRecord::crd(),
        Invoice::crd(),
        WipeEvidence::crd(),
        SupportTicket::crd(),
        Incident::crd(),
    ];
    for version in all.iter_mut().flat_map(|crd| crd.spec.versions.iter_mut()) {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        {
            adapt(schema);
        }
    }
    all
}

/// Plural names of every kind, as they stand in the API's paths, in the order of [`crds`]. Whoever needs names alone does not
/// carry every schema in its program.
#[must_use]
pub fn plurals() -> Vec<std::borrow::Cow<'static, str>> {
    use kube::Resource;
    vec![
        SellerProfile::plural(&()),
        BuyerOrg::plural(&()),
        Offer::plural(&()),
        ModelAsset::plural(&()),
        Quote::plural(&()),
        Order::plural(&()),
        ChangeOrder::plural(&()),
        TunePod::plural(&()),
        UsageRecord::plural(&()),
        Invoice::plural(&()),
        WipeEvidence::plural(&()),
        SupportTicket::plural(&()),
        Incident::plural(&()),
    ]
}

/// Kubernetes knows no unsigned integer formats and warns of them; the lower bound already says the same. Nor does it know
/// decimals: documents of ACP write them as numbers, people also as text, and both are read exactly.
fn adapt(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref() == Some("decimal") {
        (schema.type_, schema.format) = (None, None);
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
    }
    if schema.format.as_deref().is_some_and(|f| f.starts_with("uint")) {
        schema.format = None;
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|p| p.values_mut())
        .for_each(adapt);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        adapt(items);
    }
}
