//! What is agreed besides the price, and how long a quote is valid.

use super::Case;
use super::need::Wanted;
use super::notes::Notes;
use super::outcome::{Alternative, Quote, Resources, ServiceLevels, Terms};
use super::price::Bundle;
use super::select::Chosen;
use crate::calendar::{DAY_MS, date_of_ms, format_instant, midnight_ms};
use crate::pricing::BillingModel;

/// What logs may hold when data is about people, whatever else was asked for.
const NO_TRAINING_DATA: &str = "no_training_data_in_logs";
/// What "no telemetry" leaves to a bill.
const TELEMETRY_BOUNDARY: &str =
    "metered are start and stop, GPU count and byte counters; no content, prompts or process names";

impl<'a> Case<'a> {
    pub(super) fn draft(
        &self,
        chosen: &Chosen<'a>,
        wanted: &Wanted,
        bundle: Bundle,
        alternatives: Vec<Alternative>,
        notes: &mut Notes,
    ) -> Quote {
        let offer = chosen.fit.offer;
        let added = self.catalog.nvme_add_on(&self.words.use_case);
        let added_gb = added.map_or(0, |a| a.nvme_gb.saturating_mul(chosen.fit.nvme_add_ons));
        let min_term = offer.price(self.model).map_or(0, |p| p.min_term_days);
        let asked = self.rfq.commercial.term_days.unwrap_or(0);
        Quote {
            rfq_id: self.rfq.rfq_id.clone(),
            use_case: self.words.use_case.clone(),
            offer_id: offer.offer_id.clone(),
            currency: self.profile.currency.clone(),
            model: self.model,
            // A longer promise of the buyer is kept; a shorter one does not lower the offer's minimum.
            min_term_days: if min_term == 0 { 0 } else { min_term.max(asked) },
            lines: bundle.lines,
            unpriced: bundle.unpriced,
            metered_not_charged: bundle.metered_not_charged,
            totals: bundle.totals,
            estimates: bundle.estimates,
            resources: Resources {
                gpus: offer.gpus,
                vcpus: offer.vcpus,
                ram_gb: offer.ram_gb,
                nvme_gb: offer.nvme_gb.saturating_add(added_gb),
            },
            assumptions: self.words.assumptions.clone(),
            sla: ServiceLevels {
                provision_target: format!("p90<={}h", offer.provision_p90_hours),
                support_response: self.words.support_response.clone(),
            },
            terms: self.terms(wanted, notes),
            contract_refs: self.words.contract_refs.clone(),
            warnings: Vec::new(),
            alternatives,
            valid_until: self.valid_until(notes),
            trace: Vec::new(),
        }
    }

    fn terms(&self, wanted: &Wanted, notes: &mut Notes) -> Terms {
        let requirements = &self.rfq.requirements;
        if wanted.pii {
            notes.fired(
                "pii",
                format!("data about people: a data processing agreement and {NO_TRAINING_DATA}"),
            );
        }
        let asked = requirements.compliance.logging_policy.clone();
        let usual = || self.words.logging_policy.clone();
        let outbound_policy = match wanted.outbound.as_str() {
            "restricted" => "restricted_allowlist".to_owned(),
            other => other.to_owned(),
        };
        Terms {
            single_tenant: requirements.tenancy.single_tenant,
            region: self.rfq.place().map(ToOwned::to_owned),
            wipe_on_termination: true,
            outbound_mode: wanted.outbound.clone(),
            outbound_policy,
            logging_policy: if wanted.pii {
                NO_TRAINING_DATA.to_owned()
            } else {
                asked.unwrap_or_else(usual)
            },
            ip_policy: self.words.ip_policy.clone(),
            retention_days: requirements.storage.retention_days,
            dpa_required: wanted.pii || requirements.compliance.dpa_required == Some(true),
            audit_events: self.words.audit_events.clone(),
            telemetry_boundary: TELEMETRY_BOUNDARY.to_owned(),
        }
    }

    /// Midnight of the day of issue, and some days; empty only beyond the calendar's end.
    fn valid_until(&self, notes: &mut Notes) -> String {
        let days = match self.model {
            BillingModel::Hourly => self.profile.hourly_valid_days,
            BillingModel::Monthly => self.profile.monthly_valid_days,
        };
        notes.fired("validity", format!("{days} days from the day of issue"));
        let midnight = date_of_ms(self.now_ms).and_then(midnight_ms);
        let until = midnight.and_then(|at| at.checked_add(DAY_MS.saturating_mul(i64::from(days))));
        until.and_then(format_instant).unwrap_or_default()
    }
}
