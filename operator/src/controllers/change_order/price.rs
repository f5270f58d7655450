//! What a change of an order costs, what a person must price, and what cannot be had. Pure.

use crate::controllers::order::changes;
use crate::controllers::quote::plain;
use crate::seller::Seller;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use trustbridge_api::change_order::ChangeDocument;
use trustbridge_api::order::{FrozenTerms, PricingSnapshot};
use trustbridge_api::use_case::UseCaseTerms;
use trustbridge_api::{Order, OrderStatus, TunePod};
use trustbridge_domain::change::KeyedLine;
use trustbridge_domain::money::Money;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::quote::{
    CHANGE_VALID_MS, Catalog, ChangeQuote, ChangeRequest, PersonsPrice, quote_change_approved,
};
use trustbridge_domain::vm_size::SIZES;

/// Hours of the longest month.
const LONGEST_MONTH_H: i64 = 744;

/// What pricing came to.
pub(super) enum Price {
    /// The price, and why a person must look at it; no reasons: nobody must.
    Is(Box<ChangeDocument>, Vec<String>),
    /// It cannot be had: in words why not.
    Never(String),
}

/// Prices `request` against the order and its TunePods as they are now. `prices` are a person's; `None`: no person looked.
pub(super) fn price(
    (order, tunepods): (&Order, &[TunePod]),
    request: &ChangeRequest,
    seller: &Seller,
    prices: Option<&[PersonsPrice]>,
    now: Timestamp,
) -> Price {
    match tried((order, tunepods), request, seller, prices, now) {
        Ok((document, reasons)) => Price::Is(Box::new(document), reasons),
        Err(why) => Price::Never(why),
    }
}

fn tried(
    (order, tunepods): (&Order, &[TunePod]),
    request: &ChangeRequest,
    seller: &Seller,
    answer: Option<&[PersonsPrice]>,
    now: Timestamp,
) -> Result<(ChangeDocument, Vec<String>), String> {
    let status = order.status.clone().unwrap_or_default();
    let frozen = status
        .pricing_snapshot
        .as_ref()
        .and_then(|s| Some((s, s.terms.as_ref()?)));
    let (snapshot, terms) = frozen.ok_or(
        "the order was confirmed by a version that did not freeze its terms; end it and order again",
    )?;
    let open = changes::lines(&status).map_err(|doubt| format!("the order's lines are in doubt: {doubt}"))?;
    let catalog = catalog(terms, seller);
    is_served(request, snapshot, &open)?;
    has_no_other_field(request, &catalog, &terms.use_case)?;
    has_a_term(request, &status, tunepods, now)?;
    let lines: Vec<QuoteLine> = open.into_iter().map(|keyed| keyed.line).collect();
    let given = answer.unwrap_or_default();
    let priced = quote_change_approved(&lines, &terms.use_case, &catalog, request, given);
    let priced = priced.map_err(|refusal| refusal.to_string())?;
    if priced.added_lines.is_empty() && priced.unpriced.is_empty() && priced.extend_term_days == 0 {
        return Err("the order has all of that already".to_owned());
    }
    let mut reasons: Vec<String> = priced
        .unpriced
        .iter()
        .map(|line| format!("{} x {} has no list price", line.quantity, line.sku))
        .collect();
    reasons.extend(above_limit(&priced, seller).filter(|_| answer.is_none()));
    let disk = disk(&priced, changes::disk_wanted(&status).unwrap_or_default(), terms)?;
    reasons.extend(disk.filter(|_| answer.is_none()));
    let valid = SignedDuration::from_millis(CHANGE_VALID_MS);
    let until = now.checked_add(valid);
    let until = until.and_then(|until| Timestamp::from_second(until.as_second()));
    let until = until.map_err(|_| "the clock is out of range".to_owned())?;
    let document = ChangeDocument {
        priced,
        order_uid: order.uid().unwrap_or_default(),
        revision: revision(order),
        currency: snapshot.currency.clone(),
        valid_until: until.to_string(),
    };
    Ok((document, reasons))
}

/// Why a person approves what is added in a month; an hour counts as often as the longest month has hours.
fn above_limit(priced: &ChangeQuote, seller: &Seller) -> Option<String> {
    let limit = seller.profile.engine().approval_limit_minor?;
    let hours = priced.net_hourly_delta_minor.saturating_mul(LONGEST_MONTH_H);
    let month = priced.net_monthly_delta_minor.saturating_add(hours);
    (month > limit)
        .then(|| format!("{month} minor units more a month is above the approval limit of {limit}"))
}

/// Changes of the order that were applied so far.
pub(super) fn revision(order: &Order) -> u32 {
    let applied = order.status.as_ref().map(changes::applied).unwrap_or_default();
    u32::try_from(applied.len()).unwrap_or(u32::MAX)
}

/// Refuses what no running order can get.
fn is_served(request: &ChangeRequest, snapshot: &PricingSnapshot, open: &[KeyedLine]) -> Result<(), String> {
    let base = changes::base_sku(snapshot);
    if request.upgrade_gpu_count.is_some() {
        return Err(
            "`request.upgrade_gpu_count`: the GPUs of a running order are not exchanged by this version; order the larger bundle, then end this order"
                .to_owned(),
        );
    }
    if request.add.iter().any(|wish| wish.sku == base) {
        return Err(format!(
            "`request.add[].sku` '{base}': instances are not added to a running order by this version; order them by another Order"
        ));
    }
    let is_hourly = open
        .iter()
        .any(|keyed| keyed.line.sku == base && keyed.line.model == BillingModel::Hourly);
    if request.extend_term_days.is_some() && is_hourly {
        return Err("`request.extend_term_days`: an order by the hour has no term; leave it out".to_owned());
    }
    Ok(())
}

/// Refuses in `add` what another field asks for: that one sees to the disk of the machines, and ends the tier before.
fn has_no_other_field(request: &ChangeRequest, catalog: &Catalog, use_case: &str) -> Result<(), String> {
    let wishes = request.add.iter();
    for add_on in wishes.filter_map(|wish| catalog.add_on(&wish.sku, use_case)) {
        let sku = &add_on.sku;
        if let Some(tier) = &add_on.support_tier {
            return Err(format!(
                "`request.add[].sku` '{sku}' is a tier of support, and an order has one; ask for it by `request.support_tier` '{tier}'"
            ));
        }
        if add_on.nvme_gb > 0 {
            return Err(format!(
                "`request.add[].sku` '{sku}' is local disk, and that is had for each instance; ask for it by `request.add_nvme_gb`, {} for one of it",
                add_on.nvme_gb
            ));
        }
    }
    Ok(())
}

/// Refuses to extend a term that is over: its days were served, and there is none left to add to.
fn has_a_term(
    request: &ChangeRequest,
    status: &OrderStatus,
    tunepods: &[TunePod],
    now: Timestamp,
) -> Result<(), String> {
    if request.extend_term_days.is_none() {
        return Ok(());
    }
    if changes::promised_days(status) == 0 {
        return Err(
            "`request.extend_term_days`: the order was sold without a term; leave it out, and the order runs on until you end it"
                .to_owned(),
        );
    }
    match changes::promised_until(status, tunepods).filter(|until| now >= *until) {
        Some(until) => Err(format!(
            "`request.extend_term_days`: the term was over at {until}; leave it out, and the order runs on until you end it, or order anew for another term"
        )),
        None => Ok(()),
    }
}

/// Add-ons of the order's use case, at the list prices of today.
fn catalog(terms: &FrozenTerms, seller: &Seller) -> Catalog {
    let known = seller.profile.use_cases.iter().find(|u| u.name == terms.use_case);
    Catalog {
        currency: seller.profile.currency.clone(),
        offers: Vec::new(),
        add_ons: known.into_iter().flat_map(UseCaseTerms::engine_add_ons).collect(),
        use_cases: vec![known.map_or_else(|| plain(&terms.use_case), UseCaseTerms::engine)],
    }
}

/// Whether the machines that run have the disk that is asked for: a disk is not changed under a model that serves.
/// `Some`: nobody here knows, and a person does.
fn disk(priced: &ChangeQuote, has_gb: i64, terms: &FrozenTerms) -> Result<Option<String>, String> {
    if priced.add_nvme_gb == 0 {
        return Ok(None);
    }
    let wanted = has_gb.saturating_add(priced.add_nvme_gb.into());
    let size = SIZES.iter().find(|size| size.name == terms.vm_size);
    let Some(mb) = size.and_then(|size| size.nvme_mb) else {
        return Ok(Some(format!(
            "nobody here knows whether {} has {wanted} GB of local disk",
            terms.vm_size
        )));
    };
    let has = i64::try_from(mb / 1000).unwrap_or(i64::MAX);
    if wanted > has {
        return Err(format!(
            "`request.add_nvme_gb`: {} has {has} GB of local disk, and with what the order has that makes {wanted}; ask for less, or order a larger bundle",
            terms.vm_size
        ));
    }
    Ok(None)
}

/// The difference for people.
pub(super) fn summary(document: &ChangeDocument) -> String {
    let money = |minor: i64| {
        let sign = if minor < 0 { "" } else { "+" };
        let amount = Money {
            currency: document.currency.clone(),
            minor,
        };
        format!("{sign}{amount}")
    };
    let priced = &document.priced;
    let month = format!("{}/month", money(priced.net_monthly_delta_minor));
    match (priced.net_hourly_delta_minor, priced.extend_term_days) {
        (0, 0) => month,
        (0, days) => format!("{month}, {days} days longer"),
        (hour, 0) => format!("{}/h, {month}", money(hour)),
        (hour, days) => format!("{}/h, {month}, {days} days longer", money(hour)),
    }
}
