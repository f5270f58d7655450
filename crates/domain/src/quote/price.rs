//! Lines, totals and estimates of a bundle.

use super::Case;
use super::need::Wanted;
use super::notes::Notes;
use super::outcome::{Estimates, Totals, UnpricedLine};
use super::select::Fit;
use crate::money::{Rate, minor_to_decimal, sum};
use crate::pricing::{BillingModel, QuoteLine};
use crate::rational::Ratio;

/// A priced bundle.
pub(super) struct Bundle {
    pub(super) lines: Vec<QuoteLine>,
    pub(super) unpriced: Vec<UnpricedLine>,
    pub(super) metered_not_charged: Vec<String>,
    pub(super) totals: Totals,
    pub(super) estimates: Option<Estimates>,
    /// A month of it, metered part estimated by the calendar; `None`: hours are not known.
    pub(super) month_minor: Option<i64>,
    /// A sum does not fit 64 bits.
    pub(super) is_out_of_range: bool,
    /// SKUs whose price a person gave.
    by_a_person: Vec<String>,
}

/// A line before it has its price.
struct Item<'a> {
    sku: &'a str,
    quantity: u32,
    model: BillingModel,
    /// Minor units for one.
    list: Option<i64>,
    min_hours: u32,
}

impl<'a> Item<'a> {
    /// Something by the month.
    const fn monthly(sku: &'a str, quantity: u32, list: Option<i64>) -> Self {
        Self {
            sku,
            quantity,
            model: BillingModel::Monthly,
            list,
            min_hours: 0,
        }
    }
}

impl<'a> Case<'a> {
    /// The lines of an offer with its add-ons, billed by `model`.
    pub(super) fn bundle(&self, fit: &Fit<'a>, wanted: &Wanted, model: BillingModel) -> Bundle {
        let mut bundle = Bundle {
            lines: Vec::new(),
            unpriced: Vec::new(),
            metered_not_charged: Vec::new(),
            totals: Totals::default(),
            estimates: None,
            month_minor: None,
            is_out_of_range: false,
            by_a_person: Vec::new(),
        };
        let price = fit.offer.price(model);
        let min_hours = price.map_or(0, |p| p.min_hours);
        let unit = price.and_then(|p| p.price_minor);
        let item = Item {
            sku: &fit.offer.sku,
            quantity: wanted.instances,
            model,
            list: unit,
            min_hours,
        };
        self.line(&mut bundle, &item);
        self.add_ons(fit, wanted, &mut bundle);
        self.sums(&mut bundle);
        bundle
    }

    fn add_ons(&self, fit: &Fit<'a>, wanted: &Wanted, bundle: &mut Bundle) {
        let use_case = &self.words.use_case;
        if let Some(nvme) = self
            .catalog
            .nvme_add_on(use_case)
            .filter(|_| fit.nvme_add_ons > 0)
        {
            let quantity = fit.nvme_add_ons.saturating_mul(wanted.instances);
            self.line(bundle, &Item::monthly(&nvme.sku, quantity, nvme.price_minor));
        }
        if let Some(tier) = &wanted.support_tier {
            match self.catalog.support(tier, use_case) {
                Some(support) => self.line(bundle, &Item::monthly(&support.sku, 1, support.price_minor)),
                None => self.line(bundle, &Item::monthly(&format!("Support ({tier})"), 1, None)),
            }
        }
        for wish in &wanted.add_ons {
            let priced = self
                .catalog
                .add_on(&wish.sku, use_case)
                .filter(|a| a.unit == "month");
            let list = priced.and_then(|a| a.price_minor);
            self.line(bundle, &Item::monthly(&wish.sku, wish.qty.max(1), list));
        }
        if wanted.onboarding_extra > 0 {
            self.onboarding(bundle, wanted.onboarding_extra);
        }
        if self.words.quotes_egress {
            bundle.metered_not_charged.push("Egress-GB".to_owned());
        }
    }

    /// Help at the beginning is paid once, and a quote has no such line: a person includes it, at the price 0, or does not.
    fn onboarding(&self, bundle: &mut Bundle, quantity: u32) {
        let sku = "Onboarding-Hour";
        if self.answered(sku) == Some(0) {
            self.line(bundle, &Item::monthly(sku, quantity, None));
        } else {
            let sku = sku.to_owned();
            bundle.unpriced.push(UnpricedLine { sku, quantity });
        }
    }

    /// The price that a person gave.
    fn answered(&self, sku: &str) -> Option<i64> {
        let price = self.answer?.iter().find(|price| price.sku == sku)?;
        Some(price.unit_price_minor)
    }

    /// A list price counts before a person's.
    fn line(&self, bundle: &mut Bundle, item: &Item<'_>) {
        let given = self.answered(item.sku).filter(|_| item.list.is_none());
        if given.is_some() {
            bundle.by_a_person.push(item.sku.to_owned());
        }
        match item.list.or(given) {
            Some(unit_price_minor) => bundle.lines.push(QuoteLine {
                sku: item.sku.to_owned(),
                quantity: item.quantity,
                model: item.model,
                unit_price_minor,
                min_hours: item.min_hours,
            }),
            None => bundle.unpriced.push(UnpricedLine {
                sku: item.sku.to_owned(),
                quantity: item.quantity,
            }),
        }
    }

    fn sums(&self, bundle: &mut Bundle) {
        let (Some(hourly), Some(monthly)) = (
            total(&bundle.lines, BillingModel::Hourly),
            total(&bundle.lines, BillingModel::Monthly),
        ) else {
            bundle.is_out_of_range = true;
            return;
        };
        bundle.totals = Totals {
            hourly_minor: hourly,
            monthly_minor: monthly,
        };
        if hourly == 0 {
            bundle.month_minor = Some(monthly);
            return;
        }
        bundle.estimates = self.estimates(hourly, monthly);
        let estimates = bundle.estimates.as_ref();
        // The larger of the two months, so that a budget is never met on paper alone.
        bundle.month_minor = estimates.map(|e| {
            e.estimated_grand_total_calendar_minor
                .max(e.estimated_grand_total_minor)
        });
    }

    /// The hours of a month: the seller's number of weeks, and the calendar's 52/12.
    pub(super) fn hours_per_month(&self) -> Option<(Ratio, Ratio)> {
        let week = self.rfq.commercial.expected_hours_per_week?.ratio();
        let weeks = Ratio::whole(i128::from(self.profile.weeks_per_month));
        Some((week.times(weeks)?, week.times(Ratio::new(52, 12)?)?))
    }

    fn estimates(&self, hourly_minor: i64, monthly_minor: i64) -> Option<Estimates> {
        let (hours, calendar) = self.hours_per_month()?;
        let rate = Rate::from_minor(hourly_minor)?;
        let metered = rate.cost(hours)?.rounded()?;
        let metered_calendar = rate.cost(calendar)?.rounded()?;
        Some(Estimates {
            hours_per_month: plain(hours)?,
            hours_per_month_calendar: plain(calendar)?,
            estimated_total_minor: metered,
            estimated_total_calendar_minor: metered_calendar,
            recurring_total_minor: monthly_minor,
            estimated_grand_total_minor: metered.checked_add(monthly_minor)?,
            estimated_grand_total_calendar_minor: metered_calendar.checked_add(monthly_minor)?,
            basis: format!(
                "expected hours a week times {} weeks; by the calendar times 52/12",
                self.profile.weeks_per_month
            ),
        })
    }
}

impl Bundle {
    /// One entry of the trace for each line.
    pub(super) fn explain(&self, notes: &mut Notes) {
        for line in &self.lines {
            let unit = match line.model {
                BillingModel::Hourly => "hour",
                BillingModel::Monthly => "month",
            };
            let price = minor_to_decimal(line.unit_price_minor);
            let source = if self.by_a_person.contains(&line.sku) {
                "price given by the seller"
            } else {
                "list price"
            };
            notes.fired(
                "price",
                format!("{} x {} at {price} a {unit}, {source}", line.quantity, line.sku),
            );
        }
        for line in &self.unpriced {
            notes.fired(
                "price",
                format!("{} x {} has no list price", line.quantity, line.sku),
            );
        }
        for sku in &self.metered_not_charged {
            notes.fired("price", format!("{sku} is metered and not charged"));
        }
    }
}

fn total(lines: &[QuoteLine], model: BillingModel) -> Option<i64> {
    let of_model = lines.iter().filter(|l| l.model == model);
    let costs: Option<Vec<i64>> = of_model
        .map(|l| l.unit_price_minor.checked_mul(i64::from(l.quantity)))
        .collect();
    sum(costs?)
}

/// Decimal text without zeros at the end.
fn plain(number: Ratio) -> Option<String> {
    let text = number.to_decimal(4)?;
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}
