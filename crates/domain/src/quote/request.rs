//! The request for a quote, as the ACP documents write it (`rfq.create`), both use cases in one.
//!
//! `a|b` in a text means any of; the first one counts. Decimals are exact. Fields that the documents lack are marked
//! as added; readers of version 0.1 that do not know them lose nothing.

mod workload;

use crate::decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use workload::{BaseModel, Dataset, Evaluation, Finetune, Generation, Training, Workload};

/// A request for a quote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rfq {
    /// The buyer's id of it. Example: `rfq_tune_001`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub rfq_id: String,
    /// What it is for. Example: `private_llm_finetuning`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub use_case: String,
    /// What is going to run.
    #[serde(default)]
    pub workload: Workload,
    /// What it needs.
    #[serde(default)]
    pub requirements: Requirements,
    /// How it is paid.
    #[serde(default)]
    pub commercial: Commercial,
    /// Paths of fields that were sent and that nobody reads; filled by [`Rfq::from_json`].
    #[serde(skip)]
    pub unknown_fields: Vec<String>,
}

/// What is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Requirements {
    /// Who shares the machine.
    pub tenancy: Tenancy,
    /// Where data must stay (fine-tuning). Example: `eu-central`.
    pub data_residency: Option<String>,
    /// Where it should run (studio). Example: `us-east`.
    pub region: Option<String>,
    /// Ways in and out.
    pub network: Network,
    /// Disk and what happens to it.
    pub storage: Storage,
    /// What the law asks for.
    pub compliance: Compliance,
    /// What runs on the machine.
    pub environment: Environment,
    /// Help.
    pub support: Support,
    /// Added: GPUs of one instance, at least. Example: `2`.
    pub gpus: Option<u32>,
    /// Added: instances. Default 1.
    pub instances: Option<u32>,
    /// Added: `vm` or `bare_metal`. Default `vm`.
    pub kind: Option<String>,
    /// Added: add-ons by SKU.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub add_ons: Vec<AddOnWish>,
}

/// An add-on that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AddOnWish {
    /// Its SKU. Example: `Extra-Public-IP`.
    pub sku: String,
    /// How many, at least 1.
    pub qty: u32,
}

/// Who shares the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tenancy {
    /// Nobody else.
    pub single_tenant: bool,
}

/// Ways in and out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// Ways in.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub inbound: Vec<Inbound>,
    /// Ways out.
    pub outbound: Outbound,
}

/// A way in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inbound {
    /// Port. Example: `22`.
    pub port: u16,
    /// Protocol. Example: `tcp`.
    pub proto: String,
    /// From where; `buyer_ip_ranges` is filled in by the order.
    pub source: String,
}

/// Ways out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outbound {
    /// `open`, `restricted` or `blocked`.
    pub mode: Option<String>,
    /// `host:port` that may be reached when restricted.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub allowlist: Vec<String>,
}

/// Disk and what happens to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Storage {
    /// Fast local disk in GB (10^9 bytes). Example: `3000`.
    pub scratch_nvme_gb: Option<u32>,
    /// Where artefacts go.
    pub artifact_bucket: Option<String>,
    /// Where outputs go.
    pub output_delivery: Option<OutputDelivery>,
    /// Days that data is kept after the end. Example: `30`.
    pub retention_days: Option<u32>,
}

/// Where outputs go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutputDelivery {
    /// `s3`, `gcs`, `sftp` or `http`.
    pub mode: Option<String>,
    /// Where to.
    pub target_uri: Option<String>,
}

/// What the law asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Compliance {
    /// A data processing agreement.
    pub dpa_required: Option<bool>,
    /// What logs may hold. Example: `no_training_data_in_logs`.
    pub logging_policy: Option<String>,
    /// An audit log.
    pub audit_required: Option<bool>,
}

/// What runs on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Environment {
    /// `BYO`: the buyer's own.
    pub stack: Option<String>,
    /// What the seller installs.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub seller_baseline: Vec<String>,
    /// CUDA version. Example: `12.x`.
    pub cuda: Option<String>,
    /// Frameworks. Example: `pytorch`.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub frameworks: Vec<String>,
    /// A web interface (studio).
    pub ui: Option<String>,
}

/// Help.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Support {
    /// `standard` or `premium`.
    pub tier: Option<String>,
    /// Hours of help at the beginning.
    pub onboarding_hours: Option<Decimal>,
}

/// How it is paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Commercial {
    /// `hourly` or `monthly`.
    pub billing_model: Option<String>,
    /// Days that are promised. Example: `30`.
    pub term_days: Option<u32>,
    /// USD a month, at most.
    pub budget_usd_per_month: Option<Decimal>,
    /// Hours a week that it will run (hourly).
    pub expected_hours_per_week: Option<Decimal>,
}

impl Rfq {
    /// Reads the payload of `rfq.create`; fields that nobody reads are kept by name and warned of.
    pub fn from_json(payload: &Value) -> Result<Self, serde_json::Error> {
        let mut rfq: Self = serde_json::from_value(payload.clone())?;
        let read = serde_json::to_value(&rfq)?;
        unknown(payload, &read, "", &mut rfq.unknown_fields);
        Ok(rfq)
    }

    /// Where it must run, whatever the use case calls it.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        let requirements = &self.requirements;
        requirements
            .data_residency
            .as_deref()
            .or(requirements.region.as_deref())
    }
}

fn unknown(sent: &Value, read: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, read) {
        (Value::Object(sent), Value::Object(read)) => {
            for (key, value) in sent {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match read.get(key) {
                    Some(read) => unknown(value, read, &path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(sent), Value::Array(read)) => {
            for (sent, read) in sent.iter().zip(read) {
                unknown(sent, read, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

/// The choice in a text that may list several.
pub(super) fn first_choice(text: Option<&String>) -> Option<String> {
    let first = text?.split('|').next().unwrap_or_default();
    Some(first.trim().to_owned())
}

/// Every text of a request that lists several choices, and which one counts.
pub(super) fn choices(rfq: &Rfq) -> Result<Vec<(String, String, String)>, serde_json::Error> {
    let mut found = Vec::new();
    listed(&serde_json::to_value(rfq)?, "", &mut found);
    Ok(found)
}

fn listed(value: &Value, path: &str, found: &mut Vec<(String, String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                listed(value, &path, found);
            }
        }
        Value::String(text) if text.contains('|') => {
            let first = first_choice(Some(text)).unwrap_or_default();
            found.push((path.to_owned(), text.clone(), first));
        }
        // Lists hold addresses and names, not choices.
        _ => {}
    }
}
