use super::*;
use crate::calendar::{DAY_MS, Period};
use crate::invoice::{Basis, BilledInstance, Policy};
use crate::pricing::BillingModel;
use crate::quote::{SkuQuantity, documents, quote_change};
use crate::rating::terms::Charge;

const DAY: i64 = DAY_MS;
/// 2026-02-01T00:00:00Z.
const FEBRUARY: i64 = 1_769_904_000_000;

fn line(sku: &str, model: BillingModel, minor: i64) -> QuoteLine {
    QuoteLine {
        sku: sku.to_owned(),
        quantity: 1,
        model,
        unit_price_minor: minor,
        min_hours: 0,
    }
}

fn tune() -> Vec<QuoteLine> {
    vec![
        line("TunePod-2GPU", BillingModel::Monthly, 580_000),
        line("Support-Standard", BillingModel::Monthly, 60_000),
    ]
}

fn sold(lines: &[QuoteLine]) -> Sold<'_> {
    Sold {
        lines,
        base_sku: "TunePod-2GPU",
        min_term_days: 30,
    }
}

fn priced(lines: &[KeyedLine], request: &ChangeRequest) -> ChangeQuote {
    let lines: Vec<QuoteLine> = lines.iter().map(|l| l.line.clone()).collect();
    quote_change(&lines, "private_llm_finetuning", &documents().unwrap(), request).unwrap()
}

fn tier(name: &str) -> ChangeRequest {
    ChangeRequest {
        support_tier: Some(name.to_owned()),
        ..ChangeRequest::default()
    }
}

#[test]
fn a_tier_that_comes_back_is_another_line() {
    let lines = tune();
    let sold = sold(&lines);
    let mut swaps: Vec<Swap> = Vec::new();
    for name in ["premium", "standard", "premium"] {
        let open = sold.lines_after(swaps.iter()).unwrap();
        let taken: Vec<String> = swaps.iter().flat_map(|s| &s.ends).cloned().collect();
        swaps.push(swap(&open, &taken, &priced(&open, &tier(name))).unwrap());
    }
    let keys = |swap: &Swap| (swap.ends.clone(), swap.adds[0].key.clone());
    let said: Vec<(Vec<String>, String)> = swaps.iter().map(keys).collect();
    let pair = |end: &str, add: &str| (vec![end.to_owned()], add.to_owned());
    assert_eq!(
        said,
        [
            pair("Support-Standard", "Support-Premium"),
            pair("Support-Premium", "Support-Standard-2"),
            pair("Support-Standard-2", "Support-Premium-2"),
        ]
    );
    let applied: Vec<Applied> = swaps
        .into_iter()
        .zip(1..)
        .map(|(swap, day)| Applied {
            id: format!("c{day}"),
            at_ms: FEBRUARY + day * DAY,
            swap,
            extend_term_days: 0,
        })
        .collect();
    let terms = sold.terms(FEBRUARY, &applied).unwrap();
    assert_eq!(terms.len(), 5);
    assert_eq!(terms.iter().filter(|t| t.until_ms.is_none()).count(), 2);
}

#[test]
fn what_a_change_replaces_must_be_there() {
    let lines = tune();
    let open = sold(&lines).lines_after(std::iter::empty()).unwrap();
    let quote = priced(&open, &tier("premium"));
    assert!(swap(&open[..1], &[], &quote).is_none(), "the tier went since");
    assert_eq!(
        swap(&open, &["Support-Premium".to_owned()], &quote).unwrap().adds[0].key,
        "Support-Premium-2"
    );
}

#[test]
fn a_month_splits_where_the_change_was_applied() {
    let lines = tune();
    let sold = sold(&lines);
    let open = sold.lines_after(std::iter::empty()).unwrap();
    let request = ChangeRequest {
        add_nvme_gb: Some(2000),
        ..tier("premium")
    };
    let quote = priced(&open, &request);
    let applied = Applied {
        id: "more".to_owned(),
        at_ms: FEBRUARY + 14 * DAY,
        swap: swap(&open, &[], &quote).unwrap(),
        extend_term_days: 0,
    };
    let basis = |applied: &[Applied]| Basis {
        org: "acme".to_owned(),
        order: "o".to_owned(),
        order_uid: "u".to_owned(),
        quote_digest: String::new(),
        currency: "USD".to_owned(),
        schedule: "recurring".to_owned(),
        period: Period::new(FEBRUARY, FEBRUARY + 28 * DAY).unwrap(),
        ended_ms: None,
        policy: Policy::default(),
        lines: sold.terms(FEBRUARY, applied).unwrap(),
        instances: Vec::<BilledInstance>::new(),
        records: vec![],
        doubts: vec![],
    };
    let day = "2026-03-05".parse().unwrap();
    let before = basis(&[]).bill(day).unwrap();
    let after = basis(&[applied]).bill(day).unwrap();
    assert_eq!(before.total_minor, 640_000);
    // Half of February each: 600 of support become 300 + 500, and 125 of disk come on top.
    assert_eq!(after.total_minor, 580_000 + 30_000 + 50_000 + 12_500);
}

#[test]
fn a_term_is_extended_from_its_end_whenever_that_is_applied() {
    let lines = tune();
    let sold = sold(&lines);
    assert_eq!(sold.promised_days([0, 30, 7].into_iter()), 67);
    assert_eq!(sold.promised_days([u32::MAX].into_iter()), u32::MAX);
    // The term ended while the change was on its way: days that were served are not promised again.
    for day in [1, 29, 33, 90] {
        let applied = Applied {
            id: "longer".to_owned(),
            at_ms: FEBRUARY + day * DAY,
            swap: Swap::default(),
            extend_term_days: 30,
        };
        let terms = sold.terms(FEBRUARY, &[applied]).unwrap();
        assert_eq!(terms[0].commitment.as_ref().unwrap().days, 60, "day {day}");
    }
}

#[test]
fn what_passes_unasked_is_bounded_by_the_month() {
    let lines = tune();
    let open = sold(&lines).lines_after(std::iter::empty()).unwrap();
    let request = tier("premium");
    let quote = priced(&open, &request);
    for (limit, passes) in [(Some(40_000), true), (Some(39_999), false), (None, false)] {
        assert_eq!(passes_unasked(&quote, &request, limit), passes, "{limit:?}");
    }
    let longer = ChangeRequest {
        extend_term_days: Some(1),
        ..request.clone()
    };
    assert!(!passes_unasked(&quote, &longer, Some(i64::MAX)));
    let hourly = ChangeQuote {
        net_hourly_delta_minor: 100,
        net_monthly_delta_minor: -400,
        ..ChangeQuote::default()
    };
    assert!(passes_unasked(&hourly, &request, Some(74_000)));
    assert!(!passes_unasked(&hourly, &request, Some(73_999)));
}

#[test]
fn disk_is_priced_for_each_instance_that_there_is() {
    let mut lines = tune();
    lines[0].quantity = 3;
    let request = ChangeRequest {
        add_nvme_gb: Some(2001),
        ..ChangeRequest::default()
    };
    let quote = quote_change(&lines, "private_llm_finetuning", &documents().unwrap(), &request).unwrap();
    assert_eq!((quote.add_nvme_gb, quote.added_lines[0].quantity), (4000, 6));
    let more = ChangeRequest {
        add: vec![SkuQuantity {
            sku: "TunePod-2GPU".to_owned(),
            qty: 2,
        }],
        ..ChangeRequest::default()
    };
    let quote = quote_change(&lines, "private_llm_finetuning", &documents().unwrap(), &more).unwrap();
    let done = swap(
        &sold(&lines).lines_after(std::iter::empty()).unwrap(),
        &[],
        &quote,
    )
    .unwrap();
    assert_eq!(done.adds[0].key, "TunePod-2GPU");
    let applied = Applied {
        id: "more".to_owned(),
        at_ms: FEBRUARY,
        swap: done,
        extend_term_days: 0,
    };
    let terms = sold(&lines).terms(FEBRUARY, &[applied]).unwrap();
    assert!(matches!(
        terms[2].charge,
        Charge::Monthly { price_minor: 580_000 }
    ));
}
