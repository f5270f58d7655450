//! What the engine says: a quote, a question to a person, or a refusal, each with its trace.

use super::catalog::ContractRefs;
use crate::canonical::{CanonicalError, canonical_json, digest};
use crate::pricing::{BillingModel, QuoteLine};
use serde::{Deserialize, Serialize};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is quoted.
    Quote(Box<Quote>),
    /// A person of the seller decides.
    NeedsHuman {
        /// Why.
        reasons: Vec<String>,
        /// What is known so far; lines without a price are in `unpriced`.
        draft: Box<Quote>,
    },
    /// It cannot be had.
    Rejected {
        /// Why.
        reason: String,
        /// What speaks against each offer.
        offers: Vec<OfferRefusal>,
        /// The rules that fired.
        trace: Vec<TraceEntry>,
    },
}

/// What speaks against an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferRefusal {
    /// The offer.
    pub offer_id: String,
    /// Every reason.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub reasons: Vec<String>,
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceEntry {
    /// Its name. Example: `bundle`.
    pub rule: String,
    /// What it found.
    pub detail: String,
}

/// What a buyer should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WarningCode {
    /// It costs more than the budget.
    BudgetExceeded,
    /// Something that was asked for is not met in full.
    RequirementNotMet,
    /// By the hour it would cost less.
    HourlyCheaper,
    /// It would stand still most of the month.
    LowUtilisation,
    /// More hours than a month has.
    HoursExceedMonth,
    /// Nobody measured whether it is fast enough.
    ThroughputUnverified,
    /// The model barely fits into the GPUs' memory.
    VramTight,
    /// The size of the model is not understood.
    ModelSizeUnknown,
    /// Data about people and open ways out.
    PiiOpenEgress,
    /// An entry of the allow-list cannot be enforced.
    AllowlistUnenforceable,
    /// One of several was taken.
    AnyOfResolved,
    /// There is none left at present.
    CapacityWait,
    /// A field that nobody reads.
    UnknownField,
}

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// Which.
    pub code: WarningCode,
    /// What about.
    pub text: String,
    /// By how much, in minor units, where it is about money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
}

/// A line that nobody has a price for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnpricedLine {
    /// Its SKU.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

/// Sums of unit prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// Minor units for each hour.
    pub hourly_minor: i64,
    /// Minor units for each month.
    pub monthly_minor: i64,
}

/// What a month is likely to cost when it is billed by the hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Estimates {
    /// Hours of a month of the seller's number of weeks, decimal text. Example: `480`.
    pub hours_per_month: String,
    /// Hours of a calendar month of 52/12 weeks, decimal text. Example: `520`.
    pub hours_per_month_calendar: String,
    /// The metered part for `hoursPerMonth`, in minor units.
    pub estimated_total_minor: i64,
    /// The metered part for `hoursPerMonthCalendar`, in minor units.
    pub estimated_total_calendar_minor: i64,
    /// The monthly part, in minor units.
    pub recurring_total_minor: i64,
    /// Both parts for `hoursPerMonth`, in minor units.
    pub estimated_grand_total_minor: i64,
    /// Both parts for `hoursPerMonthCalendar`, in minor units; budgets are compared with it.
    pub estimated_grand_total_calendar_minor: i64,
    /// What it is reckoned from, in words.
    pub basis: String,
}

/// What one instance has, add-ons included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resources {
    /// GPUs.
    pub gpus: u32,
    /// Virtual CPU cores.
    pub vcpus: u32,
    /// Memory in GB (10^9 bytes).
    pub ram_gb: u32,
    /// Local disk in GB.
    pub nvme_gb: u32,
}

/// Why an alternative is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AlternativeKind {
    /// Another bundle costs less.
    Cheaper,
    /// The same bundle billed otherwise.
    BillingModel,
    /// The same bundle elsewhere.
    Region,
}

/// Something else that would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alternative {
    /// Why it is told.
    pub kind: AlternativeKind,
    /// The offer.
    pub offer_id: String,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its lines.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub lines: Vec<QuoteLine>,
    /// Minor units of a calendar month, metered part estimated.
    pub month_minor: i64,
    /// Whether that is within the budget; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_budget: Option<bool>,
}

/// What is promised about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceLevels {
    /// How fast it is ready. Example: `p90<=24h`.
    pub provision_target: String,
    /// How fast support answers.
    pub support_response: String,
}

/// What is agreed besides the price. Both spellings of the ACP documents are filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Terms {
    /// Nobody else is on the machine.
    pub single_tenant: bool,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Always: the offers promise it.
    pub wipe_on_termination: bool,
    /// `open`, `restricted` or `blocked`.
    pub outbound_mode: String,
    /// The same in the words of the fine-tuning document: `restricted_allowlist`.
    pub outbound_policy: String,
    /// What logs may hold.
    pub logging_policy: String,
    /// Who owns what comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_policy: Option<String>,
    /// Days that data is kept after the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Whether a data processing agreement is part of it.
    pub dpa_required: bool,
    /// Events that are recorded for the buyer.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub audit_events: Vec<String>,
    /// What is metered, so that "no telemetry" and a bill do not contradict each other.
    pub telemetry_boundary: String,
}

/// A quote. Lines, totals, terms and time are frozen under its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quote {
    /// The buyer's id of the request.
    pub rfq_id: String,
    /// What it is for.
    pub use_case: String,
    /// The offer that was chosen.
    pub offer_id: String,
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// How the bundle is billed.
    pub model: BillingModel,
    /// Days that are billed at least; 0 for none.
    pub min_term_days: u32,
    /// Priced lines.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub lines: Vec<QuoteLine>,
    /// Lines that a person must price.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub unpriced: Vec<UnpricedLine>,
    /// SKUs that are metered and not charged.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub metered_not_charged: Vec<String>,
    /// Sums of unit prices.
    pub totals: Totals,
    /// What a month is likely to cost; absent for a monthly bundle or unknown hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<Estimates>,
    /// What one instance has.
    pub resources: Resources,
    /// Assumptions, in words.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub assumptions: Vec<String>,
    /// What is promised about time.
    pub sla: ServiceLevels,
    /// What is agreed besides the price.
    pub terms: Terms,
    /// Contracts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_refs: Option<ContractRefs>,
    /// What the buyer should know.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub warnings: Vec<Warning>,
    /// What else would do.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub alternatives: Vec<Alternative>,
    /// First moment at which it can no longer be accepted, RFC 3339.
    pub valid_until: String,
    /// The rules that fired, in order.
    #[cfg_attr(feature = "schema", schemars(length(max = 512)))]
    pub trace: Vec<TraceEntry>,
}

impl Quote {
    /// The text that digest and signature are made over: the canonical JSON of the whole quote.
    pub fn digest_input(&self) -> Result<String, CanonicalError> {
        canonical_json(self)
    }

    /// SHA-256 of [`Quote::digest_input`], lower-case hex.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        digest(self)
    }
}
