//! What a change of a running order costs: lines that begin, lines that end, and the difference.

use super::PersonsPrice;
use super::catalog::{Catalog, CatalogOffer, UseCase};
use super::outcome::UnpricedLine;
use crate::money::sum;
use crate::pricing::{BillingModel, QuoteLine};
use serde::{Deserialize, Serialize};

/// How long a priced change can be accepted, in milliseconds: 72 hours.
pub const CHANGE_VALID_MS: i64 = 72 * 3_600_000;

/// A SKU and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SkuQuantity {
    /// The SKU. Example: `StudioGen-1GPU`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub sku: String,
    /// How many, at least 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub qty: u32,
}

/// What is asked for (`change_order.create`, field `request`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeRequest {
    /// More bundles or add-ons, each SKU once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub add: Vec<SkuQuantity>,
    /// More local disk for each instance that there is, in GB (10^9 bytes). Example: `2000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub add_nvme_gb: Option<u32>,
    /// GPUs of the bundle from then on. Example: `4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub upgrade_gpu_count: Option<u32>,
    /// Days that are promised on top. Example: `30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3650)))]
    pub extend_term_days: Option<u32>,
    /// `standard` or `premium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub support_tier: Option<String>,
}

/// One reason for a difference in price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltaLine {
    /// The SKU that begins.
    pub sku: String,
    /// The SKU that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Unit of time that the difference is for.
    pub model: BillingModel,
    /// The difference in minor units.
    pub delta_minor: i64,
}

/// A priced change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeQuote {
    /// Lines that begin, at full price.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub added_lines: Vec<QuoteLine>,
    /// Lines that end.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub removed_lines: Vec<QuoteLine>,
    /// Lines that a person must price; not empty: a person decides about the change.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub unpriced: Vec<UnpricedLine>,
    /// The difference, reason by reason.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub delta_lines: Vec<DeltaLine>,
    /// Minor units more for each month.
    pub net_monthly_delta_minor: i64,
    /// Minor units more for each hour.
    pub net_hourly_delta_minor: i64,
    /// Days that are promised on top.
    pub extend_term_days: u32,
    /// Local disk more for each instance that there is, in GB (10^9 bytes): whole add-ons.
    #[serde(default)]
    pub add_nvme_gb: u32,
    /// Hours within which it is made.
    pub eta_hours: u32,
    /// Whether the instance restarts.
    pub requires_reboot: bool,
}

/// A change cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    /// Nothing is asked for.
    #[error("`request` asks for nothing; name at least one change")]
    Nothing,
    /// An unknown SKU, tier or use case.
    #[error("`{field}` '{value}' is not sold for use case '{use_case}'; it is one of [{known}]")]
    Unknown {
        /// Name of the field.
        field: &'static str,
        /// What was given.
        value: String,
        /// The order's use case.
        use_case: String,
        /// What there is.
        known: String,
    },
    /// No larger bundle of that kind.
    #[error(
        "`upgrade_gpu_count` {wanted}: the order has {has} GPUs, and the bundles of its kind have [{sizes}]; choose a larger one of these"
    )]
    NoLargerBundle {
        /// What was asked for.
        wanted: u32,
        /// What it has.
        has: u32,
        /// What there is.
        sizes: String,
    },
    /// A count of zero, or a sum that does not fit 64 bits.
    #[error("`{0}` is 0 or too large; give a number that makes sense")]
    Count(&'static str),
}

/// Prices a change of an order whose lines are `lines`; the first is the bundle.
pub fn quote_change(
    lines: &[QuoteLine],
    use_case: &str,
    catalog: &Catalog,
    request: &ChangeRequest,
) -> Result<ChangeQuote, ChangeRefusal> {
    quote_change_approved(lines, use_case, catalog, request, &[])
}

/// Prices a change that a person looked at: `prices` stand in where there is no list price.
pub fn quote_change_approved(
    lines: &[QuoteLine],
    use_case: &str,
    catalog: &Catalog,
    request: &ChangeRequest,
    prices: &[PersonsPrice],
) -> Result<ChangeQuote, ChangeRefusal> {
    if *request == ChangeRequest::default() {
        return Err(ChangeRefusal::Nothing);
    }
    let known = || catalog.use_cases.iter().map(|u| u.use_case.as_str());
    let words = catalog.use_cases.iter().find(|u| u.use_case == use_case);
    let words: &UseCase = words.ok_or_else(|| unknown("use_case", use_case, use_case, known()))?;
    let mut change = Draft {
        catalog,
        use_case,
        lines,
        prices,
        quote: ChangeQuote {
            eta_hours: words.change_eta_hours,
            extend_term_days: request.extend_term_days.unwrap_or(0),
            ..ChangeQuote::default()
        },
    };
    change.upgrade(request)?;
    change.add(request)?;
    change.disk(request)?;
    change.support(request)?;
    change.totals()
}

fn unknown<'a>(
    field: &'static str,
    value: &str,
    use_case: &str,
    known: impl Iterator<Item = &'a str>,
) -> ChangeRefusal {
    ChangeRefusal::Unknown {
        field,
        value: value.to_owned(),
        use_case: use_case.to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

struct Draft<'a> {
    catalog: &'a Catalog,
    use_case: &'a str,
    lines: &'a [QuoteLine],
    prices: &'a [PersonsPrice],
    quote: ChangeQuote,
}

impl Draft<'_> {
    fn offers(&self) -> impl Iterator<Item = &CatalogOffer> {
        self.catalog.offers.iter().filter(|o| o.use_case == self.use_case)
    }

    /// The bundle becomes the smallest of its kind with enough GPUs.
    fn upgrade(&mut self, request: &ChangeRequest) -> Result<(), ChangeRefusal> {
        let Some(wanted) = request.upgrade_gpu_count else {
            return Ok(());
        };
        let base = self
            .lines
            .iter()
            .find_map(|l| Some((l, self.offers().find(|o| o.sku == l.sku)?)));
        let Some((line, offer)) = base else {
            let known = self.offers().map(|o| o.sku.as_str());
            return Err(unknown("order.lines[].sku", "", self.use_case, known));
        };
        let family: Vec<&CatalogOffer> = self.offers().filter(|o| o.family == offer.family).collect();
        let larger = family
            .iter()
            .filter(|o| o.gpus >= wanted && wanted > offer.gpus)
            .min_by_key(|o| o.gpus);
        let Some(larger) = larger else {
            let sizes: Vec<String> = family.iter().map(|o| o.gpus.to_string()).collect();
            return Err(ChangeRefusal::NoLargerBundle {
                wanted,
                has: offer.gpus,
                sizes: sizes.join(", "),
            });
        };
        let (price, line, sku) = (
            larger.price(line.model).cloned(),
            line.clone(),
            larger.sku.clone(),
        );
        let unit = price.as_ref().and_then(|p| p.price_minor);
        let min_hours = price.map_or(0, |p| p.min_hours);
        self.quote.requires_reboot = true;
        self.begin(&sku, line.quantity, line.model, unit, min_hours, Some(line))
    }

    fn add(&mut self, request: &ChangeRequest) -> Result<(), ChangeRefusal> {
        for wish in &request.add {
            if wish.qty == 0 {
                return Err(ChangeRefusal::Count("request.add[].qty"));
            }
            // Bundles are added as the order is billed; add-ons by the month.
            let billed = self
                .lines
                .iter()
                .find(|l| self.offers().any(|o| o.sku == l.sku))
                .map_or(BillingModel::Monthly, |l| l.model);
            let offer = self.offers().find(|o| o.sku == wish.sku);
            let add_on = self.catalog.add_on(&wish.sku, self.use_case);
            let (model, unit, min_hours) = match (offer, add_on) {
                (Some(offer), _) => {
                    let price = offer.price(billed);
                    (
                        billed,
                        price.and_then(|p| p.price_minor),
                        price.map_or(0, |p| p.min_hours),
                    )
                }
                (None, Some(add_on)) => {
                    let by_month = add_on.price_minor.filter(|_| add_on.unit == "month");
                    (BillingModel::Monthly, by_month, 0)
                }
                (None, None) => {
                    let add_ons = self
                        .catalog
                        .add_ons
                        .iter()
                        .filter(|a| a.use_case == self.use_case);
                    let known = self.offers().map(|o| o.sku.as_str());
                    let known = known.chain(add_ons.map(|a| a.sku.as_str()));
                    return Err(unknown("request.add[].sku", &wish.sku, self.use_case, known));
                }
            };
            self.begin(&wish.sku, wish.qty, model, unit, min_hours, None)?;
        }
        Ok(())
    }

    /// Instances that there are: as many as bundles of the order's own SKU.
    fn instances(&self) -> u32 {
        let bundle = self.lines.first().map(|line| line.sku.as_str());
        let all = self.lines.iter().filter(|line| Some(line.sku.as_str()) == bundle);
        all.fold(0_u32, |sum, line| sum.saturating_add(line.quantity))
            .max(1)
    }

    fn disk(&mut self, request: &ChangeRequest) -> Result<(), ChangeRefusal> {
        let Some(wanted) = request.add_nvme_gb else {
            return Ok(());
        };
        let Some(nvme) = self.catalog.nvme_add_on(self.use_case) else {
            let none = std::iter::empty();
            return Err(unknown(
                "request.add_nvme_gb",
                &wanted.to_string(),
                self.use_case,
                none,
            ));
        };
        let out_of_range = || ChangeRefusal::Count("request.add_nvme_gb");
        let each = wanted.div_ceil(nvme.nvme_gb.max(1));
        let quantity = each.checked_mul(self.instances()).filter(|all| *all > 0);
        let quantity = quantity.ok_or_else(out_of_range)?;
        let (sku, price) = (nvme.sku.clone(), nvme.price_minor);
        self.quote.add_nvme_gb = each.checked_mul(nvme.nvme_gb).ok_or_else(out_of_range)?;
        self.begin(&sku, quantity, BillingModel::Monthly, price, 0, None)
    }

    /// The new tier begins and the old one ends; the tier that is there already changes nothing.
    fn support(&mut self, request: &ChangeRequest) -> Result<(), ChangeRefusal> {
        let Some(tier) = &request.support_tier else {
            return Ok(());
        };
        let tiers = || {
            let of_it = self
                .catalog
                .add_ons
                .iter()
                .filter(|a| a.use_case == self.use_case);
            of_it.filter_map(|a| Some((a.support_tier.as_deref()?, a)))
        };
        let Some((_, new)) = tiers().find(|(name, _)| name == tier) else {
            let known = tiers().map(|(name, _)| name);
            return Err(unknown("request.support_tier", tier, self.use_case, known));
        };
        let is_support = |l: &&QuoteLine| tiers().any(|(_, a)| a.sku == l.sku);
        let old = self.lines.iter().find(is_support).cloned();
        if old.as_ref().is_some_and(|old| old.sku == new.sku) {
            return Ok(());
        }
        let (sku, price) = (new.sku.clone(), new.price_minor);
        self.begin(&sku, 1, BillingModel::Monthly, price, 0, old)
    }

    fn begin(
        &mut self,
        sku: &str,
        quantity: u32,
        model: BillingModel,
        unit: Option<i64>,
        min_hours: u32,
        replaces: Option<QuoteLine>,
    ) -> Result<(), ChangeRefusal> {
        let given = || {
            self.prices
                .iter()
                .find(|p| p.sku == sku)
                .map(|p| p.unit_price_minor)
        };
        let Some(unit_price_minor) = unit.or_else(given) else {
            self.quote.unpriced.push(UnpricedLine {
                sku: sku.to_owned(),
                quantity,
            });
            return Ok(());
        };
        let line = QuoteLine {
            sku: sku.to_owned(),
            quantity,
            model,
            unit_price_minor,
            min_hours,
        };
        let out_of_range = || ChangeRefusal::Count("request");
        let before = replaces.as_ref().map_or(Some(0), cost).ok_or_else(out_of_range)?;
        let after = cost(&line).ok_or_else(out_of_range)?;
        self.quote.delta_lines.push(DeltaLine {
            sku: sku.to_owned(),
            replaces: replaces.as_ref().map(|l| l.sku.clone()),
            model,
            delta_minor: after.checked_sub(before).ok_or_else(out_of_range)?,
        });
        self.quote.removed_lines.extend(replaces);
        self.quote.added_lines.push(line);
        Ok(())
    }

    fn totals(mut self) -> Result<ChangeQuote, ChangeRefusal> {
        let of = |model| {
            let lines = self.quote.delta_lines.iter().filter(|l| l.model == model);
            sum(lines.map(|l| l.delta_minor)).ok_or(ChangeRefusal::Count("request"))
        };
        let (hourly, monthly) = (of(BillingModel::Hourly)?, of(BillingModel::Monthly)?);
        self.quote.net_hourly_delta_minor = hourly;
        self.quote.net_monthly_delta_minor = monthly;
        Ok(self.quote)
    }
}

fn cost(line: &QuoteLine) -> Option<i64> {
    line.unit_price_minor.checked_mul(i64::from(line.quantity))
}
