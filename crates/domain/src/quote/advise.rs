//! Warnings, alternatives, and when a person must look.

use super::Case;
use super::need::Wanted;
use super::notes::Notes;
use super::outcome::{Alternative, AlternativeKind, WarningCode};
use super::price::Bundle;
use super::select::{Chosen, Fit};
use crate::decimal::Decimal;
use crate::money::{decimal_to_minor, minor_to_decimal};
use crate::pricing::BillingModel;
use crate::rational::Ratio;

/// Hours of a mean month, for utilisation.
const MEAN_MONTH_HOURS: i128 = 730;
/// Hours of a week.
const WEEK_HOURS: i64 = 168;
/// Hours of the longest month.
const LONGEST_MONTH_HOURS: i128 = 744;

impl<'a> Case<'a> {
    pub(super) fn warn(&self, chosen: &Chosen<'a>, wanted: &Wanted, bundle: &Bundle, notes: &mut Notes) {
        self.warn_of_money(chosen, bundle, notes);
        Self::warn_of_size(chosen, wanted, notes);
        self.warn_of_use(notes);
        self.warn_of_ways_out(wanted, notes);
    }

    fn budget_minor(&self) -> Option<i64> {
        self.rfq
            .commercial
            .budget_usd_per_month
            .and_then(decimal_to_minor)
    }

    fn warn_of_money(&self, chosen: &Chosen<'a>, bundle: &Bundle, notes: &mut Notes) {
        let over = self
            .budget_minor()
            .zip(bundle.month_minor)
            .map(|(budget, cost)| cost.saturating_sub(budget));
        if let Some(over) = over.filter(|over| *over > 0) {
            let text = format!("a month costs {} more than the budget", minor_to_decimal(over));
            notes.warn(WarningCode::BudgetExceeded, text, Some(over));
        }
        if self.model != BillingModel::Monthly {
            return;
        }
        let price = |model| chosen.fit.offer.price(model).and_then(|p| p.price_minor);
        let calendar = self.hours_per_month().map(|(_, calendar)| calendar);
        let hours = calendar.unwrap_or(Ratio::whole(LONGEST_MONTH_HOURS));
        let by_the_hour = price(BillingModel::Hourly).and_then(|hourly| {
            let cost = hours.times(Ratio::whole(i128::from(hourly)))?;
            cost.rounded()
        });
        let both = by_the_hour.zip(price(BillingModel::Monthly));
        if let Some((hourly, monthly)) = both.filter(|(hourly, monthly)| hourly < monthly) {
            let text = format!(
                "by the hour the bundle would cost {} a month instead of {}",
                minor_to_decimal(hourly),
                minor_to_decimal(monthly)
            );
            notes.warn(
                WarningCode::HourlyCheaper,
                text,
                Some(monthly.saturating_sub(hourly)),
            );
        }
    }

    fn warn_of_size(chosen: &Chosen<'a>, wanted: &Wanted, notes: &mut Notes) {
        let fit = &chosen.fit;
        if fit.short_gb > 0 {
            let text = format!(
                "`requirements.storage.scratch_nvme_gb` {} is not met: {} GB are missing",
                wanted.nvme_gb, fit.short_gb
            );
            notes.warn(WarningCode::RequirementNotMet, text, None);
        }
        let has = i64::from(fit.offer.gpus) * i64::from(fit.offer.vram_gb) * 1000;
        if let Some(need) = wanted.vram_milli_gb.filter(|need| (has - need) * 10 < has) {
            let text = format!("{need} of {has} MB of GPU memory are needed");
            notes.warn(WarningCode::VramTight, text, None);
        }
        if wanted.images_per_hour.is_some() && fit.offer.images_per_gpu_hour.is_none() {
            let text = format!("nobody measured how many pictures {} makes", fit.offer.sku);
            notes.warn(WarningCode::ThroughputUnverified, text, None);
        }
        if let Some(left) = fit.offer.available.filter(|left| *left < wanted.instances) {
            let text = format!(
                "{left} of {} instances can be had now; the rest waits",
                wanted.instances
            );
            notes.warn(WarningCode::CapacityWait, text, None);
        }
    }

    fn warn_of_use(&self, notes: &mut Notes) {
        let week = self.rfq.commercial.expected_hours_per_week;
        if let Some(hours) = week.filter(|h| Some(*h) > Decimal::whole(WEEK_HOURS)) {
            let text = format!("`commercial.expected_hours_per_week` {hours} is more than a week has");
            notes.warn(WarningCode::HoursExceedMonth, text, None);
        }
        if self.model != BillingModel::Monthly {
            return;
        }
        let busy = self
            .busy_hours()
            .or_else(|| self.hours_per_month().map(|(_, calendar)| calendar));
        let limit = Ratio::new(
            MEAN_MONTH_HOURS * i128::from(self.profile.low_utilisation_percent),
            100,
        );
        let below = busy
            .zip(limit)
            .and_then(|(busy, limit)| limit.minus(busy)?.ceil());
        if let Some((busy, _)) = busy.zip(below.filter(|below| *below > 0)) {
            let text = format!(
                "about {} of {MEAN_MONTH_HOURS} hours of a month are used",
                busy.to_decimal(0).unwrap_or_default()
            );
            notes.warn(WarningCode::LowUtilisation, text, None);
        }
    }

    /// Hours of a month that runs and their judging take.
    fn busy_hours(&self) -> Option<Ratio> {
        let training = self.rfq.workload.training.as_ref()?;
        let judged = self.rfq.workload.evaluation.as_ref();
        let judging = judged
            .and_then(|e| e.expected_eval_hours_per_run)
            .unwrap_or_default();
        let run = training.typical_run_hours?.ratio().plus(judging.ratio())?;
        training.expected_runs_per_month?.ratio().times(run)
    }

    fn warn_of_ways_out(&self, wanted: &Wanted, notes: &mut Notes) {
        if wanted.pii && wanted.outbound == "open" {
            let text = "the data is about people and the ways out are open; ask for `restricted`".to_owned();
            notes.warn(WarningCode::PiiOpenEgress, text, None);
        }
        if wanted.outbound != "restricted" {
            return;
        }
        for entry in &self.rfq.requirements.network.outbound.allowlist {
            if !is_enforceable(entry) {
                let text =
                    format!("allow-list entry '{entry}' is no host name with a port; it cannot be enforced");
                notes.warn(WarningCode::AllowlistUnenforceable, text, None);
            }
        }
    }

    /// Why a person must look at it.
    pub(super) fn reasons_for_a_person(&self, wanted: &Wanted, bundle: &Bundle) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.answer.is_none() {
            reasons.extend(wanted.for_a_person.iter().cloned());
            reasons.extend(self.above_the_limit(bundle));
        }
        let unpriced = bundle.unpriced.iter();
        reasons.extend(unpriced.map(|l| format!("sku '{}' has no list price", l.sku)));
        if bundle.is_out_of_range {
            reasons.push("a sum does not fit 64 bits of minor units".to_owned());
        }
        reasons
    }

    /// Why a person must approve the sum.
    fn above_the_limit(&self, bundle: &Bundle) -> Option<String> {
        let limit = self.profile.approval_limit_minor?;
        // What it can come to, and not what the buyer expects: nobody stops an order at the hours that were named.
        let longest = i64::try_from(LONGEST_MONTH_HOURS).ok()?;
        let metered = bundle.totals.hourly_minor.checked_mul(longest);
        let cost = metered.and_then(|metered| metered.checked_add(bundle.totals.monthly_minor));
        let cost = cost.unwrap_or(i64::MAX);
        (cost > limit).then(|| {
            format!(
                "a month of {} is above the approval limit of {}",
                minor_to_decimal(cost),
                minor_to_decimal(limit)
            )
        })
    }

    /// What else would do: bundles that cost less, the other billing model, the next region when there is none left.
    pub(super) fn alternatives(
        &self,
        chosen: &Chosen<'a>,
        wanted: &Wanted,
        bundle: &Bundle,
    ) -> Vec<Alternative> {
        let cost = bundle.month_minor.unwrap_or(i64::MAX);
        let mut all = Vec::new();
        for fit in &chosen.others {
            let other = self.alternative(AlternativeKind::Cheaper, fit, wanted, self.model);
            all.extend(other.filter(|a| a.month_minor < cost));
        }
        let other_model = match self.model {
            BillingModel::Hourly => BillingModel::Monthly,
            BillingModel::Monthly => BillingModel::Hourly,
        };
        if chosen.fit.offer.price(other_model).is_some() {
            all.extend(self.alternative(AlternativeKind::BillingModel, &chosen.fit, wanted, other_model));
        }
        let none_left = chosen
            .fit
            .offer
            .available
            .is_some_and(|left| left < wanted.instances);
        let elsewhere = chosen
            .fit
            .offer
            .regions
            .iter()
            .find(|r| Some(r.as_str()) != self.rfq.place());
        if let Some(region) = elsewhere.filter(|_| none_left) {
            let same = self.alternative(AlternativeKind::Region, &chosen.fit, wanted, self.model);
            all.extend(same.map(|a| Alternative {
                region: Some(region.clone()),
                ..a
            }));
        }
        all.sort_by_key(|a| a.month_minor);
        all
    }

    /// `None` when a part of it has no price, or its month is not known.
    fn alternative(
        &self,
        kind: AlternativeKind,
        fit: &Fit<'a>,
        wanted: &Wanted,
        model: BillingModel,
    ) -> Option<Alternative> {
        let bundle = self.bundle(fit, wanted, model);
        let month_minor = bundle.month_minor.filter(|_| bundle.unpriced.is_empty())?;
        Some(Alternative {
            kind,
            offer_id: fit.offer.offer_id.clone(),
            region: None,
            lines: bundle.lines,
            month_minor,
            in_budget: self.budget_minor().map(|budget| month_minor <= budget),
        })
    }
}

/// A host name of at least two labels, not an address or a pattern, and a port.
fn is_enforceable(entry: &str) -> bool {
    let Some((host, port)) = entry.rsplit_once(':') else {
        return false;
    };
    let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_name = host.contains('.') && host.split('.').all(label);
    let is_address = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_name && !is_address && port.parse::<u16>().is_ok_and(|port| port > 0)
}
