//! What is not quoted: refused with a reason for each offer, or handed to a person.

use crate::quote_rules::{now, quoted, run, with};
use serde_json::{Value, json};
use trustbridge_domain::quote::{Outcome, PersonsPrice, SellerProfile, documents, quote, quote_approved};

#[test]
fn a_model_too_large_for_every_bundle_is_refused_offer_by_offer() {
    let Outcome::Rejected { offers, trace, .. } =
        run(&with("tune", &[("workload.base_model.size", json!("180B"))]))
    else {
        panic!("180B lora takes 438 GB")
    };
    assert_eq!(offers.len(), 7);
    let four = offers
        .iter()
        .find(|o| o.offer_id == "offer_tunepod_4gpu")
        .unwrap();
    assert_eq!(four.reasons, ["has 4 GPUs, 6 are needed"]);
    assert!(trace.iter().any(|t| t.rule == "rejected"));
}

#[test]
fn every_hard_limit_refuses_with_its_reason() {
    let reasons = |path: &str, field: &str, value: Value| match run(&with(path, &[(field, value)])) {
        Outcome::Rejected { reason, offers, .. } => {
            let all: Vec<String> = offers.into_iter().flat_map(|o| o.reasons).collect();
            format!("{reason} {}", all.join(" "))
        }
        other => panic!("{field}: {other:#?}"),
    };
    let table = [
        (
            "tune",
            "requirements.data_residency",
            json!("mars"),
            "is not sold in 'mars'",
        ),
        (
            "tune",
            "requirements.network.outbound.mode",
            json!("psychic"),
            "no outbound mode 'psychic'",
        ),
        (
            "tune",
            "commercial.billing_model",
            json!("hourly"),
            "is not billed hourly but [monthly]",
        ),
        (
            "tune",
            "commercial.billing_model",
            json!("yearly"),
            "must be hourly or monthly",
        ),
        (
            "tune",
            "use_case",
            json!("chess"),
            "`use_case` 'chess' is not served",
        ),
        (
            "studio",
            "requirements.region",
            json!("mars"),
            "is not sold in 'mars'",
        ),
    ];
    for (path, field, value, expected) in table {
        let said = reasons(path, field, value);
        assert!(said.contains(expected), "{field}: {said}");
    }
}

#[test]
fn hours_that_are_none_are_refused() {
    for hours in [json!(0), json!("-0.5"), json!("0.00")] {
        let asked = with("tune", &[("commercial.expected_hours_per_week", hours)]);
        let Outcome::Rejected { reason, .. } = run(&asked) else {
            panic!("a week has more than that")
        };
        assert!(
            reason.contains("`commercial.expected_hours_per_week`") && reason.contains("must be above 0"),
            "{reason}"
        );
    }
}

#[test]
fn a_shared_machine_is_refused_to_those_who_want_their_own() {
    let mut catalog = documents().unwrap();
    for offer in &mut catalog.offers {
        offer.single_tenant = false;
    }
    let outcome = quote(&with("tune", &[]), &catalog, &SellerProfile::default(), now());
    let Outcome::Rejected { offers, .. } = outcome else {
        panic!("single_tenant was asked for")
    };
    assert!(
        offers
            .iter()
            .all(|o| o.reasons.iter().any(|r| r.contains("shares")))
    );
}

#[test]
fn a_person_decides_what_the_engine_must_not() {
    let reasons = |path: &str, field: &str, value: Value| match run(&with(path, &[(field, value)])) {
        Outcome::NeedsHuman { reasons, .. } => reasons.join("; "),
        other => panic!("{field}: {other:#?}"),
    };
    let add_on = json!([{"sku": "Extra-Public-IP", "qty": 1}]);
    let table = [
        (
            "tune",
            "workload.base_model.name",
            json!("custom|qwen"),
            "base_model.name` custom",
        ),
        (
            "studio",
            "workload.model_family",
            json!("custom"),
            "model_family` custom",
        ),
        (
            "tune",
            "workload.base_model.source",
            json!("airgapped_media"),
            "airgapped_media",
        ),
        ("tune", "requirements.kind", json!("bare_metal"), "bare_metal"),
        (
            "tune",
            "requirements.support.onboarding_hours",
            json!(9),
            "'Onboarding-Hour' has no list price",
        ),
        (
            "studio",
            "requirements.add_ons",
            add_on,
            "'Extra-Public-IP' has no list price",
        ),
        (
            "studio",
            "requirements.support.tier",
            json!("platinum"),
            "platinum",
        ),
    ];
    for (path, field, value, expected) in table {
        let said = reasons(path, field, value);
        assert!(said.contains(expected), "{field}: {said}");
    }
}

#[test]
fn what_a_person_approves_is_quoted_and_what_has_no_price_is_not() {
    let price = |sku: &str, minor| PersonsPrice {
        sku: sku.to_owned(),
        unit_price_minor: minor,
    };
    let profile = SellerProfile {
        approval_limit_minor: Some(1),
        ..SellerProfile::default()
    };
    let catalog = documents().unwrap();
    let run = |rfq, prices: &[PersonsPrice]| quote_approved(rfq, &catalog, &profile, prices, now());
    let custom = with("tune", &[("workload.base_model.name", json!("custom"))]);
    let Outcome::Quote(approved) = run(&custom, &[]) else {
        panic!("custom and above the limit, and approved")
    };
    assert_eq!(approved.totals.monthly_minor, 640_000);

    let wish = json!([{"sku": "Extra-Public-IP", "qty": 2}]);
    let wished = with("studio", &[("requirements.add_ons", wish)]);
    assert!(matches!(
        run(&wished, &[price("Other", 5)]),
        Outcome::NeedsHuman { .. }
    ));
    let Outcome::Quote(priced) = run(&wished, &[price("Extra-Public-IP", 500)]) else {
        panic!("its price was given")
    };
    let line = priced.lines.iter().find(|l| l.sku == "Extra-Public-IP").unwrap();
    assert_eq!((line.quantity, line.unit_price_minor), (2, 500));
    assert!(
        priced
            .trace
            .iter()
            .any(|t| t.detail.contains("price given by the seller"))
    );

    // A list price counts before a person's, and help at the beginning can only be included.
    let help = with("tune", &[("requirements.support.onboarding_hours", json!(9))]);
    assert!(matches!(
        run(&help, &[price("Onboarding-Hour", 1)]),
        Outcome::NeedsHuman { .. }
    ));
    let Outcome::Quote(included) = run(&help, &[price("Onboarding-Hour", 0), price("TunePod-2GPU", 1)])
    else {
        panic!("the hour is included")
    };
    assert_eq!(included.totals.monthly_minor, 640_000);
}

#[test]
fn included_onboarding_costs_nothing_and_a_limit_asks_a_person() {
    assert!(
        quoted(&with("tune", &[])).unpriced.is_empty(),
        "8 hours are included"
    );
    let limit = |minor| SellerProfile {
        approval_limit_minor: Some(minor),
        ..SellerProfile::default()
    };
    let catalog = documents().unwrap();
    let rfq = with("tune", &[]);
    assert!(matches!(
        quote(&rfq, &catalog, &limit(640_000), now()),
        Outcome::Quote(_)
    ));
    let Outcome::NeedsHuman { reasons, draft } = quote(&rfq, &catalog, &limit(639_999), now()) else {
        panic!("6400.00 is above 6399.99")
    };
    assert!(reasons[0].contains("6400.00"), "{reasons:?}");
    assert_eq!(draft.totals.monthly_minor, 640_000, "the person sees the draft");
}

#[test]
fn a_bundle_without_a_price_is_a_draft_for_a_person() {
    let mut catalog = documents().unwrap();
    for price in catalog.offers.iter_mut().flat_map(|o| &mut o.prices) {
        price.price_minor = None;
    }
    let Outcome::NeedsHuman { reasons, draft } =
        quote(&with("tune", &[]), &catalog, &SellerProfile::default(), now())
    else {
        panic!("no price")
    };
    assert!(
        reasons[0].contains("'TunePod-2GPU' has no list price"),
        "{reasons:?}"
    );
    assert_eq!(draft.unpriced[0].sku, "TunePod-2GPU");
}
