//! The rules of the quote engine, one by one, and that the same input gives the same bytes.

use proptest::prelude::*;
use serde_json::{Value, json};
use trustbridge_domain::calendar::parse_instant;
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::quote::{
    AlternativeKind, Outcome, Quote, Rfq, SellerProfile, WarningCode, documents, quote,
};

fn base(path: &str) -> Value {
    let text = match path {
        "tune" => include_str!("documents/tune/rfq.create.json"),
        _ => include_str!("documents/studio/rfq.create.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// The document's request with some fields changed, `a.b.c` each.
pub fn with(path: &str, changes: &[(&str, Value)]) -> Rfq {
    let mut body = base(path);
    for (field, value) in changes {
        let pointer = format!("/{}", field.replace('.', "/"));
        if let Some(slot) = body.pointer_mut(&pointer) {
            *slot = value.clone();
        } else {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[key] = value.clone();
        }
    }
    Rfq::from_json(&body).unwrap()
}

/// The moment of the documents.
pub fn now() -> i64 {
    parse_instant("ts", "2026-01-15T10:00:00Z").unwrap()
}

/// What the documents' catalog and a usual seller say.
pub fn run(rfq: &Rfq) -> Outcome {
    quote(rfq, &documents().unwrap(), &SellerProfile::default(), now())
}

/// The same, when it is a quote.
pub fn quoted(rfq: &Rfq) -> Quote {
    match run(rfq) {
        Outcome::Quote(quote) => *quote,
        other => panic!("{other:#?}"),
    }
}

fn warns(quote: &Quote, code: WarningCode) -> bool {
    quote.warnings.iter().any(|w| w.code == code)
}

fn bundle(quote: &Quote) -> &str {
    &quote.lines[0].sku
}

#[test]
fn gpus_follow_from_size_and_method() {
    let of = |size: &str, method: &str| {
        let rfq = with(
            "tune",
            &[
                ("workload.base_model.size", json!(size)),
                ("workload.method", json!(method)),
                ("requirements.storage.scratch_nvme_gb", json!(1000)),
            ],
        );
        let quote = quoted(&rfq);
        (bundle(&quote).to_owned(), warns(&quote, WarningCode::VramTight))
    };
    let table = [
        ("7B", "lora", "TunePod-1GPU", false),
        ("13B", "lora", "TunePod-1GPU", false),
        ("34B", "lora", "TunePod-2GPU", false),
        ("70B", "lora", "TunePod-4GPU", false),
        ("70B", "qlora", "TunePod-1GPU", false),
        ("30B", "lora", "TunePod-1GPU", true),
        ("30.9B", "lora", "TunePod-2GPU", false),
    ];
    for (size, method, sku, tight) in table {
        assert_eq!(of(size, method), (sku.to_owned(), tight), "{size} {method}");
    }
}

#[test]
fn a_size_nobody_understands_is_told_and_never_guessed() {
    let quote = quoted(&with("tune", &[("workload.base_model.size", json!("huge"))]));
    assert!(warns(&quote, WarningCode::ModelSizeUnknown));
}

#[test]
fn the_job_mix_chooses_the_family() {
    let of = |jobs: Value| bundle(&quoted(&with("studio", &[("workload.job_types", jobs)]))).to_owned();
    assert_eq!(of(json!(["lora_finetune"])), "StudioTune-2GPU");
    assert_eq!(of(json!(["batch_generation"])), "StudioGen-1GPU");
    assert_eq!(of(json!(["lora_finetune", "batch_generation"])), "StudioGen-1GPU");
}

#[test]
fn throughput_that_was_measured_counts_and_none_left_is_told() {
    let mut catalog = documents().unwrap();
    for offer in &mut catalog.offers {
        // 25,000 a day on 120 hours a week are 1,458.3 an hour.
        offer.images_per_gpu_hour = Some("1458".parse().unwrap());
        offer.available = Some(0);
    }
    let Outcome::Quote(quote) = quote(&with("studio", &[]), &catalog, &SellerProfile::default(), now())
    else {
        panic!("two GPUs do")
    };
    assert_eq!(bundle(&quote), "StudioGen-2GPU");
    assert!(!warns(&quote, WarningCode::ThroughputUnverified));
    assert!(warns(&quote, WarningCode::CapacityWait));
    let elsewhere = quote
        .alternatives
        .iter()
        .find(|a| a.kind == AlternativeKind::Region)
        .unwrap();
    assert_eq!(elsewhere.region.as_deref(), Some("eu-central"));
}

#[test]
fn privacy_forces_terms_and_warns_of_open_ways_out() {
    let open = quoted(&with(
        "tune",
        &[
            ("requirements.network.outbound.mode", json!("open")),
            ("requirements.compliance.logging_policy", json!("everything")),
            ("requirements.compliance.dpa_required", json!(false)),
        ],
    ));
    assert!(warns(&open, WarningCode::PiiOpenEgress));
    assert!(open.terms.dpa_required);
    assert_eq!(open.terms.logging_policy, "no_training_data_in_logs");
    let restricted = quoted(&with(
        "tune",
        &[(
            "requirements.network.outbound.allowlist",
            json!([
                "huggingface.co:443",
                "10.0.0.1:443",
                "*.example.org:443",
                "example.org",
                "a.example:0"
            ]),
        )],
    ));
    let bad = restricted
        .warnings
        .iter()
        .filter(|w| w.code == WarningCode::AllowlistUnenforceable);
    assert_eq!(bad.count(), 4);
}

#[test]
fn hours_beyond_a_week_and_unknown_fields_are_told() {
    let quote = quoted(&with(
        "studio",
        &[("commercial.expected_hours_per_week", json!("168.5"))],
    ));
    assert!(warns(&quote, WarningCode::HoursExceedMonth));
    let rfq = with("tune", &[("workload.training.colour", json!("blue"))]);
    assert_eq!(rfq.unknown_fields, ["workload.training.colour"]);
    assert!(warns(&quoted(&rfq), WarningCode::UnknownField));
}

#[test]
fn every_line_is_explained_by_the_trace() {
    for rfq in [with("tune", &[]), with("studio", &[])] {
        let quote = quoted(&rfq);
        for line in &quote.lines {
            let explained = quote
                .trace
                .iter()
                .any(|t| t.rule == "price" && t.detail.contains(&line.sku));
            assert!(explained, "{}", line.sku);
        }
        for rule in ["job-mix", "filter", "bundle", "validity"] {
            assert!(quote.trace.iter().any(|t| t.rule == rule), "{rule}");
        }
    }
}

#[test]
fn the_switch_of_the_billing_model_is_told() {
    let quote = quoted(&with("studio", &[]));
    let other = quote
        .alternatives
        .iter()
        .find(|a| a.kind == AlternativeKind::BillingModel)
        .unwrap();
    assert_eq!(other.lines[0].model, BillingModel::Monthly);
    assert_eq!(other.month_minor, 230_000 + 2 * 25_000 + 20_000);
}

#[test]
fn any_byte_of_a_quote_changes_its_digest() {
    let quote = quoted(&with("tune", &[]));
    let digest = quote.digest().unwrap();
    assert_eq!(digest, quoted(&with("tune", &[])).digest().unwrap());
    let mut other = quote.clone();
    other.lines[0].unit_price_minor += 1;
    assert_ne!(digest, other.digest().unwrap());
    let mut other = quote.clone();
    other.valid_until.push(' ');
    assert_ne!(digest, other.digest().unwrap());
    let read: Quote = serde_json::from_str(&quote.digest_input().unwrap()).unwrap();
    assert_eq!(read, quote);
}

fn texts(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(values).prop_map(|text| json!(text))
}

fn cases() -> ProptestConfig {
    let cases = if std::env::var_os("TB_CAMPAIGN").is_some() {
        10_000
    } else {
        200
    };
    ProptestConfig::with_cases(cases)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_same_request_gives_the_same_bytes_and_every_sum_is_its_lines(
        path in proptest::sample::select(&["tune", "studio"][..]),
        size in texts(&["7B", "34B|7B", "70B", "1.5B", "x"]),
        method in texts(&["lora", "qlora", "lora|qlora"]),
        model in texts(&["hourly", "monthly", "monthly|hourly"]),
        mode in texts(&["open", "restricted", "blocked"]),
        tier in texts(&["standard", "premium", "premium|standard"]),
        nvme in 0u32..40_000,
        hours in 0u32..200,
        budget in 0u32..20_000,
        at in 0i64..4_000_000_000_000,
    ) {
        let rfq = with(path, &[
            ("workload.base_model", json!({"size": size})),
            ("workload.method", method),
            ("commercial.billing_model", model),
            ("requirements.network.outbound.mode", mode),
            ("requirements.support.tier", tier),
            ("requirements.storage.scratch_nvme_gb", json!(nvme)),
            ("commercial.expected_hours_per_week", json!(hours)),
            ("commercial.budget_usd_per_month", json!(budget)),
        ]);
        let run = || quote(&rfq, &documents().unwrap(), &SellerProfile::default(), at);
        let (first, second) = (run(), run());
        prop_assert_eq!(&first, &second);
        if let (Outcome::Quote(first), Outcome::Quote(second)) = (first, second) {
            prop_assert_eq!(first.digest_input().unwrap(), second.digest_input().unwrap());
            let sum = |model| first.lines.iter().filter(|l| l.model == model)
                .map(|l| l.unit_price_minor * i64::from(l.quantity)).sum::<i64>();
            prop_assert_eq!(first.totals.monthly_minor, sum(BillingModel::Monthly));
            prop_assert_eq!(first.totals.hourly_minor, sum(BillingModel::Hourly));
            prop_assert!(first.resources.nvme_gb >= nvme);
        }
    }
}
