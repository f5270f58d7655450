//! The numbers of both ACP documents, from their own JSON examples: requests in, quotes and changes out.

use serde_json::Value;
use trustbridge_domain::calendar::parse_instant;
use trustbridge_domain::decimal::Decimal;
use trustbridge_domain::money::decimal_to_minor;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::quote::{
    AlternativeKind, Lint, Outcome, Quote, Rfq, SellerProfile, StorageFit, WarningCode, documents, lint,
    quote,
};

macro_rules! document {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("documents/", $path))).unwrap()
    };
}

/// Minor units of a JSON amount.
pub fn minor(value: &Value) -> i64 {
    let amount: Decimal = serde_json::from_value(value.clone()).unwrap();
    decimal_to_minor(amount).unwrap()
}

fn now() -> i64 {
    parse_instant("ts", "2026-01-15T10:00:00Z").unwrap()
}

fn quoted(outcome: Outcome) -> Quote {
    match outcome {
        Outcome::Quote(quote) => *quote,
        other => panic!("{other:#?}"),
    }
}

/// The quote of the fine-tuning document.
pub fn tune() -> Quote {
    let rfq = Rfq::from_json(&document!("tune/rfq.create.json")).unwrap();
    assert_eq!(rfq.unknown_fields, Vec::<String>::new());
    quoted(quote(
        &rfq,
        &documents().unwrap(),
        &SellerProfile::default(),
        now(),
    ))
}

/// The quote of the studio document.
pub fn studio(fit: StorageFit) -> Quote {
    let rfq = Rfq::from_json(&document!("studio/rfq.create.json")).unwrap();
    assert_eq!(rfq.unknown_fields, Vec::<String>::new());
    let mut catalog = documents().unwrap();
    for offer in &mut catalog.offers {
        offer.storage_fit = fit;
    }
    quoted(quote(&rfq, &catalog, &SellerProfile::default(), now()))
}

/// (sku, quantity, unit price) of the lines.
pub fn lines(lines: &[QuoteLine]) -> Vec<(&str, u32, i64)> {
    lines
        .iter()
        .map(|l| (l.sku.as_str(), l.quantity, l.unit_price_minor))
        .collect()
}

fn amount_of(quote: &Quote, code: WarningCode) -> Option<i64> {
    quote.warnings.iter().find(|w| w.code == code)?.amount_minor
}

fn warns(quote: &Quote, code: WarningCode) -> bool {
    quote.warnings.iter().any(|w| w.code == code)
}

#[test]
fn tune_quote_is_6400_a_month_as_the_document_has_it() {
    let (quote, seed) = (tune(), document!("tune/quote.issue.json"));
    let expected: Vec<(String, u32, i64)> = seed["line_items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            let quantity = u32::try_from(l["qty"].as_u64().unwrap()).unwrap();
            (
                l["sku"].as_str().unwrap().to_owned(),
                quantity,
                minor(&l["price_usd_per_month"]),
            )
        })
        .collect();
    let ours: Vec<(String, u32, i64)> = lines(&quote.lines)
        .into_iter()
        .map(|(sku, quantity, price)| (sku.to_owned(), quantity, price))
        .collect();
    assert_eq!(ours, expected);
    assert_eq!(quote.totals.monthly_minor, 640_000);
    assert_eq!(quote.totals.monthly_minor, minor(&seed["total_usd_per_month"]));
    assert_eq!(quote.totals.hourly_minor, 0);
}

#[test]
fn tune_words_terms_and_validity_are_those_of_the_document() {
    let (quote, seed) = (tune(), document!("tune/quote.issue.json"));
    assert_eq!(quote.valid_until, seed["valid_until"].as_str().unwrap());
    assert_eq!(
        serde_json::to_value(&quote.assumptions).unwrap(),
        seed["assumptions"]
    );
    assert_eq!(quote.sla.provision_target, seed["sla"]["provision_target"]);
    assert_eq!(quote.sla.support_response, seed["sla"]["support_response"]);
    let terms = &seed["terms"];
    assert_eq!(quote.terms.single_tenant, terms["single_tenant"]);
    assert_eq!(quote.terms.region.as_deref(), terms["data_residency"].as_str());
    assert_eq!(quote.terms.outbound_policy, terms["outbound_policy"]);
    assert_eq!(quote.terms.logging_policy, terms["log_policy"]);
    assert_eq!(quote.terms.wipe_on_termination, terms["wipe_on_termination"]);
    assert_eq!(
        serde_json::to_value(&quote.terms.audit_events).unwrap(),
        terms["audit_events"]
    );
    assert_eq!(
        serde_json::to_value(&quote.contract_refs).unwrap(),
        seed["contract_refs"]
    );
    assert!(quote.terms.dpa_required, "data about people");
}

#[test]
fn tune_is_400_over_budget_and_4050_would_do() {
    let quote = tune();
    assert_eq!(amount_of(&quote, WarningCode::BudgetExceeded), Some(40_000));
    let [cheaper] = &quote.alternatives[..] else {
        panic!("{:#?}", quote.alternatives)
    };
    assert_eq!(
        (cheaper.kind, cheaper.month_minor),
        (AlternativeKind::Cheaper, 405_000)
    );
    assert_eq!(cheaper.in_budget, Some(true));
    assert_eq!(
        lines(&cheaper.lines),
        [
            ("TunePod-1GPU", 1, 320_000),
            ("NVMe-AddOn-2TB", 1, 25_000),
            ("Support-Standard", 1, 60_000)
        ]
    );
}

#[test]
fn tune_uses_60_of_730_hours_and_resolves_its_choices() {
    let quote = tune();
    let low = quote
        .warnings
        .iter()
        .find(|w| w.code == WarningCode::LowUtilisation)
        .unwrap();
    assert!(low.text.contains("60 of 730"), "{}", low.text);
    let resolved = quote
        .warnings
        .iter()
        .filter(|w| w.code == WarningCode::AnyOfResolved);
    assert_eq!(
        resolved.count(),
        6,
        "method, name, size, source, data type, support tier"
    );
}

#[test]
fn studio_quote_is_1_75_an_hour_with_250_and_200_a_month() {
    let (quote, seed) = (
        studio(StorageFit::BestEffort),
        document!("studio/quote.issue.json"),
    );
    let pricing = &seed["pricing"];
    for (line, seed) in quote.lines.iter().zip(pricing["line_items"].as_array().unwrap()) {
        assert_eq!(line.sku, seed["sku"]);
        assert_eq!(u64::from(line.quantity), seed["qty"].as_u64().unwrap());
        let (price, min_hours) = match line.model {
            BillingModel::Hourly => (&seed["price_usd_per_hour"], seed["min_hours"].as_u64().unwrap()),
            BillingModel::Monthly => (&seed["price_usd_per_month"], 0),
        };
        assert_eq!(
            (line.unit_price_minor, u64::from(line.min_hours)),
            (minor(price), min_hours)
        );
    }
    assert_eq!(quote.lines.len(), 3);
    assert_eq!(quote.valid_until, seed["valid_until"].as_str().unwrap());
    assert_eq!(
        serde_json::to_value(&quote.assumptions).unwrap(),
        seed["assumptions"]
    );
    assert_eq!(quote.sla.provision_target, seed["sla"]["provision_target"]);
    assert_eq!(quote.sla.support_response, seed["sla"]["support_response"]);
    assert_eq!(
        quote.terms.ip_policy.as_deref(),
        seed["terms"]["ip_policy"].as_str()
    );
    assert_eq!(quote.terms.logging_policy, seed["terms"]["logging_policy"]);
    assert_eq!(quote.terms.retention_days, Some(14));
    assert_eq!(quote.metered_not_charged, ["Egress-GB"]);
}

#[test]
fn studio_estimates_are_840_1290_910_1360() {
    let (quote, seed) = (
        studio(StorageFit::BestEffort),
        document!("studio/quote.issue.json"),
    );
    let estimates = quote.estimates.as_ref().unwrap();
    let seed = &seed["pricing"]["estimates"];
    assert_eq!(estimates.hours_per_month, "480");
    assert_eq!(estimates.hours_per_month, seed["hours_per_month"].to_string());
    assert_eq!(
        estimates.estimated_total_minor,
        minor(&seed["estimated_total_usd"])
    );
    assert_eq!(estimates.estimated_total_minor, 84_000);
    assert_eq!(estimates.recurring_total_minor, 45_000);
    assert_eq!(estimates.estimated_grand_total_minor, 129_000);
    assert_eq!(estimates.hours_per_month_calendar, "520");
    assert_eq!(estimates.estimated_total_calendar_minor, 91_000);
    assert_eq!(estimates.estimated_grand_total_calendar_minor, 136_000);
    assert!(!warns(&quote, WarningCode::BudgetExceeded), "1360 of 2500");
}

#[test]
fn studio_budgets_are_held_against_the_larger_month() {
    let mut body = document!("studio/rfq.create.json");
    body["commercial"]["budget_usd_per_month"] = 1300.into();
    let mut catalog = documents().unwrap();
    for offer in &mut catalog.offers {
        offer.storage_fit = StorageFit::BestEffort;
    }
    let rfq = Rfq::from_json(&body).unwrap();
    let quote = quoted(quote(&rfq, &catalog, &SellerProfile::default(), now()));
    assert_eq!(amount_of(&quote, WarningCode::BudgetExceeded), Some(6_000));
}

#[test]
fn studio_disk_is_3000_best_effort_and_5000_strict() {
    let best = studio(StorageFit::BestEffort);
    assert_eq!(best.resources.nvme_gb, 3000);
    assert!(warns(&best, WarningCode::RequirementNotMet));
    assert!(warns(&best, WarningCode::ThroughputUnverified));
    let strict = studio(StorageFit::Strict);
    assert_eq!(strict.resources.nvme_gb, 5000);
    assert!(!warns(&strict, WarningCode::RequirementNotMet));
    assert!(lines(&strict.lines).contains(&("NVMe-AddOn-2TB", 2, 25_000)));
}

#[test]
fn studio_monthly_is_never_cheaper_1302_and_1599_60() {
    let found = lint(&documents().unwrap());
    let hours_of = |wanted: &str| {
        found.iter().find_map(|l| match l {
            Lint::MonthlyNeverCheaper {
                sku,
                longest_month_minor,
                ..
            } if sku == wanted => Some(*longest_month_minor),
            _ => None,
        })
    };
    assert_eq!(hours_of("StudioGen-1GPU"), Some(130_200));
    assert_eq!(hours_of("StudioTune-1GPU"), Some(159_960));
    let unpriced = found
        .iter()
        .filter(|l| matches!(l, Lint::Unpriced { .. }))
        .count();
    assert_eq!(unpriced, 12, "six SKUs without a price, in both use cases");
    let mut body = document!("studio/rfq.create.json");
    body["commercial"]["billing_model"] = "monthly".into();
    let rfq = Rfq::from_json(&body).unwrap();
    let quote = quoted(quote(
        &rfq,
        &documents().unwrap(),
        &SellerProfile::default(),
        now(),
    ));
    assert_eq!(
        amount_of(&quote, WarningCode::HourlyCheaper),
        Some(230_000 - 91_000)
    );
}

#[test]
fn the_catalog_has_every_sku_of_both_documents() {
    let catalog = documents().unwrap();
    let skus: Vec<&str> = catalog.offers.iter().map(|o| o.sku.as_str()).collect();
    assert_eq!(
        skus,
        [
            "TunePod-1GPU",
            "TunePod-2GPU",
            "TunePod-4GPU",
            "StudioGen-1GPU",
            "StudioGen-2GPU",
            "StudioTune-1GPU",
            "StudioTune-2GPU"
        ]
    );
    for use_case in ["private_llm_finetuning", "image_studio_sd"] {
        for sku in [
            "Egress-GB",
            "Artifact-Storage-GB",
            "Extra-Public-IP",
            "Eval-Worker-CPU",
            "Eval-GPU-Hour",
            "Onboarding-Hour",
        ] {
            assert_eq!(catalog.add_on(sku, use_case).unwrap().price_minor, None, "{sku}");
        }
        assert_eq!(catalog.nvme_add_on(use_case).unwrap().price_minor, Some(25_000));
        assert_eq!(
            catalog
                .add_on("Outbound-Restricted", use_case)
                .unwrap()
                .price_minor,
            Some(0)
        );
    }
    let support = |tier, use_case| catalog.support(tier, use_case).unwrap().price_minor;
    assert_eq!(support("standard", "private_llm_finetuning"), Some(60_000));
    assert_eq!(support("standard", "image_studio_sd"), Some(20_000));
    assert_eq!(support("premium", "image_studio_sd"), Some(60_000));
}
