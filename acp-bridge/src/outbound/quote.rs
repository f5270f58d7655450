//! A Quote as `quote.issue`.

use crate::identity::id_of;
use crate::outbound::number;
use crate::spelling::Spelling;
use trustbridge_acp::amount::Usd;
use trustbridge_acp::messages::quote as wire;
use trustbridge_api::Quote;
use trustbridge_api::quote::QuoteDocument;
use trustbridge_api::reference::Mode;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::quote::{Alternative, AlternativeKind, Estimates, Terms, Warning, WarningCode};

/// The event of a quote; `None` until it is issued.
#[must_use]
pub fn issue(quote: &Quote) -> Option<wire::QuoteIssue> {
    let status = quote.status.as_ref()?;
    let (document, digest) = (status.document.as_ref()?, status.digest.as_ref()?);
    let said = &document.quote;
    let spelling = Spelling::of(&said.use_case);
    let lines: Vec<wire::LineItem> = said.lines.iter().map(line).collect();
    let signature = status.signature.as_ref();
    Some(wire::QuoteIssue {
        quote_id: id_of(quote),
        rfq_id: said.rfq_id.clone(),
        valid_until: said.valid_until.clone(),
        line_items: spelling.tuning(lines.clone()).unwrap_or_default(),
        total_usd_per_month: spelling.tuning(Usd::from_minor(said.totals.monthly_minor)),
        pricing: Some(wire::Pricing {
            model: Some(word(said.model).to_owned()),
            line_items: lines,
            estimates: said.estimates.as_ref().map(estimates),
            total_usd_per_month: Some(Usd::from_minor(said.totals.monthly_minor)),
            total_usd_per_hour: Some(Usd::from_minor(said.totals.hourly_minor)),
        }),
        assumptions: said.assumptions.clone(),
        sla: Some(wire::ServiceLevels {
            provision_target: Some(said.sla.provision_target.clone()),
            support_response: Some(said.sla.support_response.clone()),
        }),
        terms: Some(terms(&said.terms, spelling, document)),
        contract_refs: said.contract_refs.as_ref().map(|refs| wire::ContractRefs {
            msa: Some(refs.msa.clone()),
            dpa: Some(refs.dpa.clone()),
            sow: Some(refs.sow.clone()),
        }),
        currency: Some(said.currency.clone()),
        warnings: said.warnings.iter().map(warning).collect(),
        alternatives: said.alternatives.iter().map(alternative).collect(),
        metered_not_charged: said.metered_not_charged.clone(),
        digest: Some(digest.clone()),
        signature: signature.map(|signature| wire::Signature {
            key_id: signature.key_id.clone(),
            value: signature.value.clone(),
        }),
    })
}

/// The word of a way to bill.
pub(crate) const fn word(model: BillingModel) -> &'static str {
    match model {
        BillingModel::Hourly => "hourly",
        BillingModel::Monthly => "monthly",
    }
}

fn line(line: &QuoteLine) -> wire::LineItem {
    let usd = Some(Usd::from_minor(line.unit_price_minor));
    let hourly = line.model == BillingModel::Hourly;
    wire::LineItem {
        sku: line.sku.clone(),
        qty: line.quantity,
        price_usd_per_hour: usd.filter(|_| hourly),
        price_usd_per_month: usd.filter(|_| !hourly),
        min_hours: number(&line.min_hours.to_string()).filter(|_| hourly && line.min_hours > 0),
        price_minor: Some(line.unit_price_minor),
    }
}

fn estimates(estimates: &Estimates) -> wire::Estimates {
    let usd = |minor| Some(Usd::from_minor(minor));
    wire::Estimates {
        hours_per_month: number(&estimates.hours_per_month),
        estimated_total_usd: usd(estimates.estimated_total_minor),
        hours_per_month_calendar: number(&estimates.hours_per_month_calendar),
        recurring_total_usd: usd(estimates.recurring_total_minor),
        estimated_grand_total_usd: usd(estimates.estimated_grand_total_minor),
        estimated_grand_total_calendar_usd: usd(estimates.estimated_grand_total_calendar_minor),
        basis: Some(estimates.basis.clone()),
    }
}

fn terms(terms: &Terms, spelling: Spelling, document: &QuoteDocument) -> wire::Terms {
    wire::Terms {
        single_tenant: Some(terms.single_tenant),
        data_residency: spelling.tuning(terms.region.clone()).flatten(),
        wipe_on_termination: Some(terms.wipe_on_termination),
        outbound_policy: spelling.tuning(terms.outbound_policy.clone()),
        log_policy: spelling.tuning(terms.logging_policy.clone()),
        logging_policy: Some(terms.logging_policy.clone()),
        audit_events: terms.audit_events.clone(),
        ip_policy: terms.ip_policy.clone(),
        retention_days: terms.retention_days,
        region: terms.region.clone(),
        outbound_mode: Some(terms.outbound_mode.clone()),
        dpa_required: Some(terms.dpa_required),
        telemetry_boundary: Some(terms.telemetry_boundary.clone()),
        artifact_export: Some(document.mode == Mode::ByoWorkspace),
    }
}

fn warning(warning: &Warning) -> wire::Warning {
    wire::Warning {
        code: code(warning.code).to_owned(),
        text: Some(warning.text.clone()),
        over_usd: warning.amount_minor.map(Usd::from_minor),
    }
}

/// The word of a warning.
const fn code(code: WarningCode) -> &'static str {
    match code {
        WarningCode::BudgetExceeded => "BUDGET_EXCEEDED",
        WarningCode::RequirementNotMet => "REQUIREMENT_NOT_MET",
        WarningCode::HourlyCheaper => "HOURLY_CHEAPER",
        WarningCode::LowUtilisation => "LOW_UTILISATION",
        WarningCode::HoursExceedMonth => "HOURS_EXCEED_MONTH",
        WarningCode::ThroughputUnverified => "THROUGHPUT_UNVERIFIED",
        WarningCode::VramTight => "VRAM_TIGHT",
        WarningCode::ModelSizeUnknown => "MODEL_SIZE_UNKNOWN",
        WarningCode::PiiOpenEgress => "PII_OPEN_EGRESS",
        WarningCode::AllowlistUnenforceable => "ALLOWLIST_UNENFORCEABLE",
        WarningCode::AnyOfResolved => "ANY_OF_RESOLVED",
        WarningCode::CapacityWait => "CAPACITY_WAIT",
        WarningCode::UnknownField => "UNKNOWN_FIELD",
    }
}

fn alternative(other: &Alternative) -> wire::Alternative {
    wire::Alternative {
        kind: match other.kind {
            AlternativeKind::Cheaper => "cheaper",
            AlternativeKind::BillingModel => "billing_model",
            AlternativeKind::Region => "region",
        }
        .to_owned(),
        offer_id: other.offer_id.clone(),
        region: other.region.clone(),
        line_items: other.lines.iter().map(line).collect(),
        estimated_total_usd: Some(Usd::from_minor(other.month_minor)),
        in_budget: other.in_budget,
    }
}
