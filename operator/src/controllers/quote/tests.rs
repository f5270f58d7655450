use super::decide::decide;
use super::*;
use crate::controllers::execute::status_write;
use crate::controllers::offer::tests::looked_at;
use crate::seller::tests::seller;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trustbridge_api::quote::{Decision, PersonsPrice, Resolution};
use trustbridge_api::{Mode, NameRef, QuoteSpec, QuoteStatus};
use trustbridge_domain::canonical::{digest, signed_text};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::pricing::BillingModel;

fn offer(change: &Value) -> Offer {
    let mut spec = json!({
        "sku": "StudioGen-1GPU", "modes": ["protectedModel"], "useCases": ["image_studio_sd"], "regions": ["us-east"],
        "resources": {"gpus": 1, "vcpus": 24, "ramGb": 96, "nvmeGb": 1000},
        "gpu": {"model": "any", "vramGb": 80},
        "billing": {"currency": "USD", "models": [{"model": "hourly", "priceMinor": 175, "minHours": 2}]},
    });
    json_patch(&mut spec, change);
    let mut offer = Offer::new("studio", serde_json::from_value(spec).unwrap());
    offer.metadata.generation = Some(1);
    looked_at(offer)
}

/// RFC 7396, as far as these tests need it.
fn json_patch(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                json_patch(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

fn priced(models: &Value) -> Offer {
    offer(&json!({"billing": {"models": models}}))
}

fn seen_spec(offers: Vec<Offer>, spec: QuoteSpec) -> Observed {
    let mut quote = Quote::new("q", spec);
    quote.metadata.namespace = Some("tb-acme".to_owned());
    quote.metadata.generation = Some(1);
    Observed {
        quote,
        offers,
        seller: Ok(seller()),
    }
}

fn seen(offer: Option<Offer>) -> Observed {
    let spec = QuoteSpec {
        offer_ref: Some(NameRef::new("studio")),
        instances: 2,
        ..QuoteSpec::default()
    };
    seen_spec(offer.into_iter().collect(), spec)
}

fn asked(offers: Vec<Offer>, change: &Value) -> Observed {
    let mut rfq = json!({
        "rfq_id": "rfq_1", "use_case": "image_studio_sd",
        "workload": {"job_types": ["batch_generation"]},
        "requirements": {"region": "us-east", "storage": {"scratch_nvme_gb": 1000}},
        "commercial": {"billing_model": "hourly", "expected_hours_per_week": 120},
    });
    json_patch(&mut rfq, change);
    let spec = QuoteSpec {
        rfq: Some(serde_json::from_value(rfq).unwrap()),
        instances: 1,
        ..QuoteSpec::default()
    };
    let mut seen = seen_spec(offers, spec);
    if let Ok(seller) = &mut seen.seller {
        let terms = json!({"name": "image_studio_sd", "family": "StudioGen", "addOns": [
            {"sku": "Support-Standard", "priceMinor": 20_000, "supportTier": "standard"}, {"sku": "Extra-Public-IP"},
        ]});
        seller.profile.use_cases = vec![serde_json::from_value(terms).unwrap()];
    }
    seen
}

/// 2026-11-18T12:26:40Z.
fn now() -> Timestamp {
    Timestamp::from_second(1_795_004_800).unwrap()
}

fn said(status: &QuoteStatus) -> (QuotePhase, &str) {
    (status.phase, &status.conditions[0].reason)
}

#[test]
fn every_request_has_its_phase_and_reason() {
    let mut monthly = seen(Some(offer(&json!({}))));
    monthly.quote.spec.billing_model = Some(BillingModel::Monthly);
    let mut nobody = seen(Some(offer(&json!({}))));
    nobody.seller = Err("no SellerProfile".to_owned());
    let mut fresh = offer(&json!({}));
    fresh.metadata.generation = Some(2);
    let unready = offer(&json!({"resources": {"gpus": 4, "nvmeGb": 8000}}));
    let unpriced = priced(&json!([{"model": "hourly"}]));
    let huge = priced(&json!([{"model": "hourly", "priceMinor": i64::MAX}]));
    let workspace = offer(&json!({"modes": ["byoWorkspace"]}));
    let euros = offer(&json!({"billing": {"currency": "EUR"}}));
    let table = vec![
        (seen(Some(offer(&json!({})))), QuotePhase::Issued, "AsSpecified"),
        (seen(None), QuotePhase::Requested, "OfferNotFound"),
        (nobody, QuotePhase::Requested, "SellerNotReady"),
        (seen(Some(fresh)), QuotePhase::Requested, "InProgress"),
        (seen(Some(unready)), QuotePhase::Requested, "OfferNotReady"),
        (seen(Some(workspace)), QuotePhase::Rejected, "OfferMismatch"),
        (seen(Some(euros)), QuotePhase::Rejected, "OfferMismatch"),
        (seen(Some(unpriced)), QuotePhase::NeedsHuman, "NeedsHuman"),
        (seen(Some(huge)), QuotePhase::NeedsHuman, "NeedsHuman"),
        (monthly, QuotePhase::Rejected, "OfferMismatch"),
    ];
    for (index, (seen, phase, reason)) in table.into_iter().enumerate() {
        let status = decide(&seen, now()).status;
        assert_eq!(said(&status), (phase, reason), "row {index}");
    }
}

#[test]
fn an_issued_quote_is_priced_sealed_and_quiet() {
    let mut seen = seen(Some(offer(&json!({}))));
    let status = decide(&seen, now()).status;
    assert_eq!(status.summary.as_deref(), Some("3.50 USD/h"));
    let document = status.document.as_ref().unwrap();
    assert_eq!(document.vm_size, "Standard_NC40ads_H100_v5");
    assert_eq!((document.instances, document.quote.resources.gpus), (2, 1));
    // Three days from midnight of the day of issue, by the seller's profile.
    assert_eq!(document.quote.valid_until, "2026-11-21T00:00:00Z");
    seen.quote.status = Some(status);
    // The offer's price may change: what was issued stays.
    seen.offers = vec![priced(&json!([{"model": "hourly", "priceMinor": 999}]))];
    let again = decide(&seen, now() + SignedDuration::from_mins(30));
    assert!(status_write(&seen.quote, seen.quote.status.as_ref(), &again.status).is_none());
}

/// What `status.digest` says of itself: anybody with the object as it is printed can do this.
#[test]
fn a_stranger_can_check_digest_and_signature() {
    let status = decide(&seen(Some(offer(&json!({})))), now()).status;
    let mut printed = serde_json::to_value(&status).unwrap();
    let aside = [
        "observedGeneration",
        "phase",
        "summary",
        "needsHuman",
        "refusals",
        "rejectionTrace",
        "digest",
        "signature",
        "orderRef",
        "orderUid",
        "conditions",
    ];
    let fields = printed.as_object_mut().unwrap();
    fields.retain(|key, _| !aside.contains(&key.as_str()));
    assert_eq!(digest(&printed).unwrap(), *status.digest.as_ref().unwrap());
    let (signer, signature) = (seller().signer, status.signature.unwrap());
    let public = HEXLOWER.decode(signer.public_key().as_bytes()).unwrap();
    let text = signed_text("quote", status.digest.as_ref().unwrap());
    let value = HEXLOWER.decode(signature.value.as_bytes()).unwrap();
    UnparsedPublicKey::new(&ED25519, public)
        .verify(text.as_bytes(), &value)
        .unwrap();
    printed["lines"][0]["unitPriceMinor"] = json!(174);
    assert_ne!(digest(&printed).unwrap(), status.digest.unwrap());
}

#[test]
fn a_status_is_read_as_it_was_written() {
    let status = decide(&seen(Some(offer(&json!({})))), now()).status;
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<QuoteStatus>(&text).unwrap(), status);
    let empty = QuoteStatus::default();
    let text = serde_json::to_string(&empty).unwrap();
    assert_eq!(serde_json::from_str::<QuoteStatus>(&text).unwrap(), empty);
}

#[test]
fn a_request_is_met_by_what_is_ready_and_refused_offer_by_offer() {
    let mut unready = offer(&json!({"resources": {"gpus": 4, "nvmeGb": 8000}}));
    unready.metadata.name = Some("large".to_owned());
    let good = asked(vec![unready.clone(), offer(&json!({}))], &json!({}));
    let status = decide(&good, now()).status;
    assert_eq!(said(&status), (QuotePhase::Issued, "AsSpecified"));
    let document = status.document.unwrap();
    let estimates = document.quote.estimates.unwrap();
    assert_eq!(estimates.estimated_total_minor, 84_000, "480 hours at 1.75");
    assert!(!document.quote.trace.is_empty());

    let far = asked(
        vec![unready, offer(&json!({}))],
        &json!({"requirements": {"region": "mars"}}),
    );
    let status = decide(&far, now()).status;
    assert_eq!(said(&status), (QuotePhase::Rejected, "OfferMismatch"));
    let against: Vec<&str> = status.refusals.iter().map(|r| r.offer_id.as_str()).collect();
    assert_eq!(against, ["large", "studio"]);
    assert!(
        status.refusals[0].reasons[0].contains("is not Ready"),
        "{status:?}"
    );
    assert!(status.refusals[1].reasons[0].contains("'mars'"), "{status:?}");
}

#[test]
fn a_request_waits_for_offers_that_nobody_looked_at() {
    let mut fresh = offer(&json!({}));
    fresh.metadata.generation = Some(2);
    let status = decide(&asked(vec![fresh], &json!({})), now()).status;
    assert_eq!(said(&status), (QuotePhase::Requested, "InProgress"));
}

#[test]
fn a_person_prices_what_has_no_price() {
    let wish = json!({"requirements": {"add_ons": [{"sku": "Extra-Public-IP", "qty": 2}]}});
    let mut seen = asked(vec![offer(&json!({}))], &wish);
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::NeedsHuman, "NeedsHuman"));
    assert_eq!(
        status.document.as_ref().unwrap().quote.unpriced[0].sku,
        "Extra-Public-IP"
    );
    assert!(status.digest.is_none() && status.signature.is_none());
    seen.quote.status = Some(status);
    let quiet = decide(&seen, now());
    assert!(status_write(&seen.quote, seen.quote.status.as_ref(), &quiet.status).is_none());

    let drafted = seen.quote.status.as_ref().unwrap().draft_digest.clone();
    assert!(drafted.is_some());
    let answer = |decision, prices: &[(&str, i64)]| Resolution {
        decision,
        draft_digest: drafted.clone(),
        prices: prices
            .iter()
            .map(|(sku, minor)| PersonsPrice {
                sku: (*sku).to_owned(),
                unit_price_minor: *minor,
            })
            .collect(),
        reason: Some("a good customer".to_owned()),
        ..Resolution::default()
    };
    seen.quote.spec.resolution = Some(answer(Decision::Issue, &[]));
    let still = decide(&seen, now()).status;
    assert_eq!(
        said(&still),
        (QuotePhase::NeedsHuman, "NeedsHuman"),
        "one price is missing"
    );

    seen.quote.spec.resolution = Some(answer(Decision::Issue, &[("Extra-Public-IP", 500)]));
    let issued = decide(&seen, now()).status;
    assert_eq!(said(&issued), (QuotePhase::Issued, "AsSpecified"));
    assert_eq!(issued.summary.as_deref(), Some("1.75 USD/h + 10.00 USD/month"));
    assert!(issued.needs_human.is_empty() && issued.digest.is_some());
    let trace = &issued.document.unwrap().quote.trace;
    assert!(
        trace
            .iter()
            .any(|t| t.rule == "resolution" && t.detail.contains("a good customer"))
    );
    assert!(
        trace
            .iter()
            .any(|t| t.detail.contains("price given by the seller"))
    );

    seen.quote.spec.resolution = Some(answer(Decision::Reject, &[]));
    let rejected = decide(&seen, now()).status;
    assert_eq!(said(&rejected), (QuotePhase::Rejected, "SellerRefused"));
}

/// More disk than any machine is known to have, at a price; `limit`: from which sum a month needs a person.
fn wants_a_disk(limit: Option<i64>) -> Observed {
    let mut seen = asked(
        vec![offer(&json!({"storageFit": "strict"}))],
        &json!({"requirements": {"storage": {"scratch_nvme_gb": 5000}}}),
    );
    let Ok(seller) = &mut seen.seller else {
        panic!("there is a seller")
    };
    seller.profile.approval_limits.month_minor = limit;
    let disk = json!({"sku": "NVMe-AddOn-2TB", "priceMinor": 25_000, "nvmeGb": 2000});
    seller.profile.use_cases[0].add_ons = vec![serde_json::from_value(disk).unwrap()];
    seen
}

#[test]
fn a_person_approves_a_sum_and_names_a_machine() {
    let mut seen = wants_a_disk(Some(1));
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::NeedsHuman, "NeedsHuman"));
    let why = status.needs_human.join(" ");
    assert!(
        why.contains("approval limit") && why.contains("no known machine"),
        "{why}"
    );
    let drafted = status.draft_digest.clone();
    seen.quote.status = Some(status);
    seen.quote.spec.resolution = Some(Resolution {
        decision: Decision::Issue,
        draft_digest: drafted,
        vm_size: Some("Standard_ND96isr_H100_v5".to_owned()),
        ..Resolution::default()
    });
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::Issued, "AsSpecified"), "{status:?}");
    let document = status.document.unwrap();
    assert_eq!(document.vm_size, "Standard_ND96isr_H100_v5");
    assert_eq!(document.quote.resources.nvme_gb, 5000);
}

/// Everything has its price and no limit is hit: the machine alone is asked for.
#[test]
fn a_person_names_the_machine_of_what_is_priced() {
    let mut seen = wants_a_disk(None);
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::NeedsHuman, "NeedsHuman"));
    assert_eq!(status.needs_human.len(), 1, "{:?}", status.needs_human);
    assert!(status.needs_human[0].contains("no known machine"));
    let answer = Resolution {
        decision: Decision::Issue,
        draft_digest: status.draft_digest.clone(),
        vm_size: Some("Standard_ND96isr_H100_v5".to_owned()),
        ..Resolution::default()
    };
    seen.quote.status = Some(status);
    seen.quote.spec.resolution = Some(Resolution {
        draft_digest: Some("0".repeat(64)),
        ..answer.clone()
    });
    let other = decide(&seen, now()).status;
    assert_eq!(said(&other), (QuotePhase::NeedsHuman, "DraftChanged"));
    seen.quote.spec.resolution = Some(answer);
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::Issued, "AsSpecified"), "{status:?}");
    assert_eq!(status.document.unwrap().vm_size, "Standard_ND96isr_H100_v5");
}

#[test]
fn a_draft_of_a_version_without_digests_gets_one() {
    let mut seen = seen(Some(priced(&json!([{"model": "hourly"}]))));
    let drafted = decide(&seen, now()).status;
    assert_eq!(said(&drafted), (QuotePhase::NeedsHuman, "NeedsHuman"));
    assert!(drafted.draft_digest.is_some());
    seen.quote.status = Some(QuoteStatus {
        draft_digest: None,
        ..drafted.clone()
    });
    // Nothing of the catalog is read for it.
    (seen.offers, seen.seller) = (Vec::new(), Err("nothing is priced".to_owned()));
    assert_eq!(decide(&seen, now()).status, drafted);
}

#[test]
fn an_answer_to_another_draft_is_not_taken() {
    let mut seen = wants_a_disk(Some(1));
    let first = decide(&seen, now()).status;
    assert_eq!(said(&first), (QuotePhase::NeedsHuman, "NeedsHuman"));
    let saw = first.draft_digest.clone();
    seen.quote.status = Some(first);
    // The price of the disk changes between the look and the answer.
    if let Ok(seller) = &mut seen.seller {
        seller.profile.use_cases[0].add_ons[0].price_minor = Some(99_000);
    }
    let answer = |digest: &Option<String>| Resolution {
        decision: Decision::Issue,
        draft_digest: digest.clone(),
        vm_size: Some("Standard_ND96isr_H100_v5".to_owned()),
        ..Resolution::default()
    };
    seen.quote.spec.resolution = Some(answer(&saw));
    let refused = decide(&seen, now()).status;
    assert_eq!(said(&refused), (QuotePhase::NeedsHuman, "DraftChanged"));
    assert!(refused.draft_digest.is_some() && refused.draft_digest != saw);
    seen.quote.status = Some(refused.clone());
    let quiet = decide(&seen, now() + SignedDuration::from_hours(48)).status;
    assert_eq!(
        quiet.draft_digest, refused.draft_digest,
        "it does not follow the clock"
    );
    seen.quote.spec.resolution = Some(answer(&refused.draft_digest));
    let issued = decide(&seen, now() + SignedDuration::from_hours(48)).status;
    assert_eq!(said(&issued), (QuotePhase::Issued, "AsSpecified"), "{issued:?}");
    seen.quote.spec.resolution = Some(answer(&None));
    assert_eq!(
        said(&decide(&seen, now()).status),
        (QuotePhase::NeedsHuman, "DraftChanged")
    );
}

#[test]
fn it_expires_unless_it_was_taken() {
    let mut seen = seen(Some(offer(&json!({}))));
    seen.quote.status = Some(decide(&seen, now()).status);
    let late: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let before = late - SignedDuration::from_secs(1);
    assert_eq!(decide(&seen, before).status.phase, QuotePhase::Issued);
    assert_eq!(decide(&seen, late).status.phase, QuotePhase::Expired);
    seen.quote.status.as_mut().unwrap().phase = QuotePhase::Accepted;
    assert_eq!(decide(&seen, late).status.phase, QuotePhase::Accepted);
}

#[test]
fn the_mode_of_a_request_counts_too() {
    let mut seen = asked(vec![offer(&json!({}))], &json!({}));
    seen.quote.spec.mode = Mode::ByoWorkspace;
    let status = decide(&seen, now()).status;
    assert_eq!(said(&status), (QuotePhase::Rejected, "OfferMismatch"));
    assert!(status.refusals[0].reasons[0].contains("byoWorkspace"));
}
