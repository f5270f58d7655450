//! Who sells, and what was decided once for every quote and invoice.

mod service;

pub use service::{IncidentTerms, SupportTarget, SupportTerms};

use crate::use_case::UseCaseTerms;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::invoice::Policy;
use trustbridge_domain::quote::VramModel;
use trustbridge_domain::rating::Cadence;

/// Name of the SellerProfile that counts; one of another name is not Ready and changes nothing.
pub const NAME: &str = "seller";
/// The Secret that holds the signing key unless the profile names another.
pub const SIGNING_KEY_SECRET: &str = "trustbridge-seller-key";

/// The seller of this cluster.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "SellerProfile",
    plural = "sellerprofiles",
    shortname = "tbseller",
    category = "trustbridge",
    status = "SellerProfileStatus",
    doc = "The seller: what was decided once for every quote and invoice, prices of add-ons, and the key that signs. The one named `seller` counts.",
    validation = Rule::new("self.spec.orgId == oldSelf.spec.orgId && self.spec.currency == oldSelf.spec.currency").message("`spec.orgId` and `spec.currency` must not change: quotes and invoices were issued with them").field_path(".spec"),
    validation = Rule::new("self.spec.signingKeyRef.generation >= oldSelf.spec.signingKeyRef.generation").message("`spec.signingKeyRef.generation` must not go down: a key that was retired signs nothing more").field_path(".spec.signingKeyRef"),
    printcolumn(name = "Org", type_ = "string", json_path = ".spec.orgId"),
    printcolumn(name = "Currency", type_ = "string", json_path = ".spec.currency"),
    printcolumn(name = "Key", type_ = "string", json_path = ".status.signingKeyId"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SellerProfileSpec {
    /// The seller's id in ACP messages. Must not change. Example: `gpu-house`.
    #[schemars(length(min = 1, max = 128))]
    pub org_id: String,
    /// Name for people. Example: `GPU House GmbH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub display_name: Option<String>,
    /// ISO 4217 code of all prices. Must not change. `USD`, which is also the default.
    #[serde(default = "usd")]
    #[schemars(regex(pattern = r"^USD$"))]
    pub currency: String,
    /// How a line is rounded to minor units. Default `halfUp`.
    #[serde(default)]
    pub rounding: Rounding,
    /// Days after a period's end before its invoice is issued; late usage arrives meanwhile. Default 4.
    #[serde(default = "four")]
    #[schemars(range(min = 0, max = 60))]
    pub finalize_after_days: u32,
    /// Days from an invoice's issue to its due date. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 365))]
    pub net_days: u32,
    /// How often metered lines are billed: `daily`, `weekly` or `monthly`. Default `daily`.
    #[serde(default)]
    pub metered_cadence: Cadence,
    /// Weeks that a month has in estimates. Default 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 5))]
    pub weeks_per_month: u32,
    /// Sums above which a person of the seller decides.
    #[serde(default)]
    pub approval_limits: ApprovalLimits,
    /// Days that a quote by the month is valid, counted from midnight (UTC) of the day of issue. Default 7.
    #[serde(default = "seven")]
    #[schemars(range(min = 1, max = 365))]
    pub monthly_valid_days: u32,
    /// Days that a quote by the hour is valid, counted likewise. Default 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 365))]
    pub hourly_valid_days: u32,
    /// Percent of a month below which its use is called low. Default 25.
    #[serde(default = "twenty_five")]
    #[schemars(range(min = 0, max = 100))]
    pub low_utilisation_percent: u32,
    /// How much GPU memory tuning takes.
    #[serde(default = "default_vram")]
    pub vram: VramModel,
    /// The key that signs quotes and invoices.
    #[serde(default)]
    pub signing_key_ref: SigningKeyRef,
    /// How support is given, and what was promised of it. Default: no time is promised.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub support: SupportTerms,
    /// When the operator declares an Incident by itself; unset: it declares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<IncidentTerms>,
    /// What is sold for which use: words, rules, and the prices of add-ons. The key is `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub use_cases: Vec<UseCaseTerms>,
}

/// How amounts are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Rounding {
    /// Once for each line, halves away from zero.
    #[default]
    HalfUp,
}

/// Sums above which a person decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalLimits {
    /// Minor units a month above which a quote waits for the seller; unset: no limit. Example: `1000000` is 10000.00 USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_000_i64))]
    pub month_minor: Option<i64>,
}

/// The Secret that holds the Ed25519 key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyRef {
    /// Name of the Secret in the operator's namespace. The operator makes one that is missing, and may read no other
    /// Secret than the default. Default `trustbridge-seller-key`.
    #[serde(default = "signing_key_secret")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Which key of the Secret signs: its entry `key-<generation>`, 32 bytes. Raise it by one to rotate: the new key is
    /// made and published before it signs, and the public halves of the old ones stay published. Default 1.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 1000))]
    pub generation: u32,
}

/// Observed state of the SellerProfile.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SellerProfileStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id of the key that signs now. Example: `9f86d081884c7d65`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key_id: Option<String>,
    /// Every key that ever signed, oldest first: what was signed stays checkable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["keyId".into()]))]
    #[schemars(length(max = 128))]
    pub keys: Vec<PublishedKey>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// The public half of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedKey {
    /// First 16 hex digits of SHA-256 of the public key. Example: `9f86d081884c7d65`.
    pub key_id: String,
    /// Generation of `signingKeyRef` that it is.
    pub generation: u32,
    /// The Ed25519 public key (RFC 8032), 32 bytes as lower-case hex.
    pub public_key: String,
    /// When it was published.
    pub since: Time,
    /// When it was replaced; unset: it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A signature of the seller over `trustbridge/<kind>/v1`, a space, and the document's digest in hex
/// (`trustbridge_domain::canonical::signed_text`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// The key, among `status.keys` of the SellerProfile.
    pub key_id: String,
    /// `Ed25519` (RFC 8032).
    pub algorithm: String,
    /// 64 bytes as lower-case hex.
    pub value: String,
}

/// How an order is invoiced, frozen with its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invoicing {
    /// When an invoice is issued and due.
    #[serde(flatten)]
    pub policy: Policy,
    /// How often metered lines are billed.
    pub metered_cadence: Cadence,
}

impl SellerProfileSpec {
    /// The profile as the quote engine takes it.
    #[must_use]
    pub fn engine(&self) -> trustbridge_domain::quote::SellerProfile {
        trustbridge_domain::quote::SellerProfile {
            currency: self.currency.clone(),
            weeks_per_month: self.weeks_per_month,
            approval_limit_minor: self.approval_limits.month_minor,
            monthly_valid_days: self.monthly_valid_days,
            hourly_valid_days: self.hourly_valid_days,
            low_utilisation_percent: self.low_utilisation_percent,
            vram: self.vram,
        }
    }

    /// What an order freezes of it.
    #[must_use]
    pub const fn invoicing(&self) -> Invoicing {
        Invoicing {
            policy: Policy {
                finalize_after_days: self.finalize_after_days,
                net_days: self.net_days,
            },
            metered_cadence: self.metered_cadence,
        }
    }
}

impl Default for SigningKeyRef {
    fn default() -> Self {
        Self {
            name: signing_key_secret(),
            generation: first(),
        }
    }
}

impl Default for SellerProfileSpec {
    fn default() -> Self {
        Self {
            org_id: "seller".to_owned(),
            display_name: None,
            currency: usd(),
            rounding: Rounding::default(),
            finalize_after_days: four(),
            net_days: 0,
            metered_cadence: Cadence::default(),
            weeks_per_month: four(),
            approval_limits: ApprovalLimits::default(),
            monthly_valid_days: seven(),
            hourly_valid_days: three(),
            low_utilisation_percent: twenty_five(),
            vram: default_vram(),
            signing_key_ref: SigningKeyRef::default(),
            support: SupportTerms::default(),
            incidents: None,
            use_cases: Vec::new(),
        }
    }
}

fn is_plain(support: &SupportTerms) -> bool {
    *support == SupportTerms::default()
}

fn usd() -> String {
    "USD".to_owned()
}

fn signing_key_secret() -> String {
    SIGNING_KEY_SECRET.to_owned()
}

fn default_vram() -> VramModel {
    trustbridge_domain::quote::SellerProfile::default().vram
}

const fn first() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

const fn four() -> u32 {
    4
}

const fn seven() -> u32 {
    7
}

const fn twenty_five() -> u32 {
    25
}
