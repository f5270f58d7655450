//! A change's decisions, step by step; after each step what was written is read back.

mod refused;

use super::decide::decide;
use super::*;
use crate::controllers::execute::{Plan, Write};
use crate::seller::tests::seller;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use trustbridge_api::buyer_org::AutoAccept;
use trustbridge_api::change_order::{AcceptedBy, ChangeResolution};
use trustbridge_api::order::{Answer, ChangeDecision, OrderChange, Termination};
use trustbridge_api::quote::{Decision, PersonsPrice};
use trustbridge_api::{BuyerOrgSpec, ChangeOrderSpec, ChangeOrderStatus, NameRef, OrderSpec, TunePodSpec};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_domain::pricing::BillingModel;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

/// An order by the month that runs, with 1000 GB of disk on a machine of 3840.
fn order() -> Order {
    let mut order = Order::new("order-1", OrderSpec::default());
    order.metadata.namespace = Some("tb-acme".to_owned());
    order.metadata.uid = Some("o".to_owned());
    order.metadata.resource_version = Some("1".to_owned());
    let snapshot = json!({
        "digest": "d", "currency": "USD", "summary": "2300.00 USD/month",
        "lines": [
            {"sku": "StudioGen-1GPU", "quantity": 1, "model": "monthly", "unitPriceMinor": 230_000},
            {"sku": "Support-Standard", "quantity": 1, "model": "monthly", "unitPriceMinor": 20_000},
        ],
        "terms": {
            "offerId": "studio", "sku": "StudioGen-1GPU", "useCase": "image_studio_sd", "model": "monthly",
            "instances": 1, "minTermDays": 30, "vmSize": "Standard_NC40ads_H100_v5",
            "resources": {"gpus": 1, "vcpus": 24, "ramGb": 96, "nvmeGb": 1000},
            "agreed": {
                "singleTenant": true, "wipeOnTermination": true, "outboundMode": "restricted",
                "outboundPolicy": "restricted_allowlist", "loggingPolicy": "none", "dpaRequired": false,
                "auditEvents": [], "telemetryBoundary": "hours",
            },
            "invoicing": {"finalizeAfterDays": 4, "netDays": 0, "meteredCadence": "daily"},
            "acceptedAt": now().to_string(),
            "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "v"},
        },
    });
    let status = json!({"phase": "Active", "pricingSnapshot": snapshot, "instances": [{"name": "order-1-0", "phase": "Ready"}]});
    order.status = Some(serde_json::from_value(status).unwrap());
    order
}

fn asked(request: Value) -> Observed {
    let spec = ChangeOrderSpec {
        order_ref: NameRef::new("order-1"),
        request: serde_json::from_value(request).unwrap(),
        ..ChangeOrderSpec::default()
    };
    let mut change = ChangeOrder::new("more", spec);
    change.metadata.namespace = Some("tb-acme".to_owned());
    change.metadata.uid = Some("c".to_owned());
    change.metadata.generation = Some(1);
    let mut seller = seller();
    let terms = json!({"name": "image_studio_sd", "family": "StudioGen", "changeEtaHours": 6, "addOns": [
        {"sku": "NVMe-AddOn-2TB", "priceMinor": 25_000, "nvmeGb": 2000},
        {"sku": "Support-Standard", "priceMinor": 20_000, "supportTier": "standard"},
        {"sku": "Support-Premium", "priceMinor": 60_000, "supportTier": "premium"},
        {"sku": "Extra-Public-IP"},
    ]});
    seller.profile.use_cases = vec![serde_json::from_value(terms).unwrap()];
    let mut tunepod = TunePod::new("order-1-0", TunePodSpec::default());
    tunepod.spec.nvme_gb = 1000;
    Observed {
        change,
        order: Some(order()),
        buyer: None,
        seller: Ok(seller),
        has_rival: false,
        tunepods: vec![tunepod],
    }
}

/// Decides, and lets the cluster be as it was decided.
fn step(seen: &mut Observed, at: Timestamp) -> Plan<ChangeOrderStatus> {
    let plan = decide(seen, at);
    let before = seen.change.status.as_ref().map(|s| s.phase).unwrap_or_default();
    assert!(
        before.may_become(plan.status.phase),
        "{before} -> {}",
        plan.status.phase
    );
    seen.change.status = Some(plan.status.clone());
    for write in &plan.writes {
        let Write::Status(_, write) = write else {
            panic!("{write:?}")
        };
        let order = seen.order.as_mut().unwrap();
        assert_eq!(Some(&write.uid), order.metadata.uid.as_ref());
        assert_eq!(
            Some(&write.resource_version),
            order.metadata.resource_version.as_ref()
        );
        order.status.as_mut().unwrap().changes =
            serde_json::from_value(write.status["changes"].clone()).unwrap();
    }
    plan
}

fn said(seen: &Observed) -> (ChangeOrderPhase, String) {
    let status = seen.change.status.clone().unwrap();
    (status.phase, status.conditions[0].reason.clone())
}

fn is(phase: ChangeOrderPhase, reason: &str) -> (ChangeOrderPhase, String) {
    (phase, reason.to_owned())
}

fn answer(seen: &mut Observed, answer: Answer) {
    let digest = seen.change.status.as_ref().unwrap().digest.clone().unwrap();
    let decision = ChangeDecision { answer, digest };
    let order = seen.order.as_mut().unwrap();
    order.spec.change_decisions.insert("more".to_owned(), decision);
}

fn entry(seen: &Observed) -> OrderChange {
    seen.order.as_ref().unwrap().status.as_ref().unwrap().changes[0].clone()
}

/// Priced, accepted, and being applied.
fn applying(request: Value) -> Observed {
    let mut seen = asked(request);
    step(&mut seen, now());
    answer(&mut seen, Answer::Accept);
    for _ in 0..3 {
        step(&mut seen, later(1));
    }
    assert_eq!(said(&seen), is(ChangeOrderPhase::Applying, "InProgress"));
    seen
}

#[test]
fn a_change_is_priced_accepted_applied_and_then_at_rest() {
    let mut seen = asked(json!({"add_nvme_gb": 2000, "support_tier": "premium", "extend_term_days": 30}));
    step(&mut seen, now());
    assert_eq!(said(&seen), is(ChangeOrderPhase::Quoted, "AwaitingDecision"));
    let status = seen.change.status.clone().unwrap();
    let document = status.document.clone().unwrap();
    assert_eq!(document.priced.net_monthly_delta_minor, 65_000);
    assert_eq!(document.valid_until, later(72).to_string());
    assert_eq!(status.digest, document.digest().ok());
    assert_eq!(
        status.summary.as_deref(),
        Some("+650.00 USD/month, 30 days longer")
    );
    assert!(step(&mut seen, later(1)).writes.is_empty(), "nobody decided");

    answer(&mut seen, Answer::Accept);
    assert_eq!(step(&mut seen, later(2)).writes.len(), 1);
    assert_eq!(
        said(&seen),
        is(ChangeOrderPhase::Quoted, "InProgress"),
        "not before it was read back"
    );
    assert_eq!(entry(&seen).ends, ["Support-Standard"]);
    step(&mut seen, later(2));
    assert_eq!(said(&seen).0, ChangeOrderPhase::Accepted);
    step(&mut seen, later(2));
    // The TunePod does not say the new size yet: the Order writes it.
    assert!(step(&mut seen, later(2)).writes.is_empty());
    seen.tunepods[0].spec.nvme_gb = 3000;
    assert_eq!(step(&mut seen, later(3)).writes.len(), 1);
    assert_eq!(said(&seen).0, ChangeOrderPhase::Applying);
    step(&mut seen, later(4));
    assert_eq!(said(&seen), is(ChangeOrderPhase::Applied, "AsSpecified"));
    let status = seen.change.status.clone().unwrap();
    assert_eq!(status.applied_at, Some(Time(later(3))), "what the order says");
    assert_eq!(status.accepted_by, Some(AcceptedBy::Buyer));
    let order = seen.order.clone().unwrap().status.unwrap();
    let lines = changes::lines(&order).unwrap();
    let keys: Vec<&str> = lines.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(keys, ["base", "NVMe-AddOn-2TB", "Support-Premium"]);
    assert_eq!(changes::disk_at(&order, later(3).as_millisecond()), Some(3000));
    assert_eq!(
        changes::disk_at(&order, later(3).as_millisecond() - 1),
        Some(1000)
    );
    assert!(is_over(&seen.change));
}

#[test]
fn what_cannot_be_had_is_rejected_in_words() {
    let hourly = |seen: &mut Observed| {
        let snapshot = seen.order.as_mut().unwrap().status.as_mut().unwrap();
        let snapshot = snapshot.pricing_snapshot.as_mut().unwrap();
        snapshot.lines[0].model = BillingModel::Hourly;
    };
    let table: [(Value, &str); 6] = [
        (json!({"upgrade_gpu_count": 4}), "are not exchanged"),
        (
            json!({"add": [{"sku": "StudioGen-1GPU", "qty": 2}]}),
            "another Order",
        ),
        (json!({"add": [{"sku": "Teapot", "qty": 1}]}), "is not sold"),
        (json!({"support_tier": "gold"}), "[standard, premium]"),
        (json!({"support_tier": "standard"}), "all of that already"),
        (json!({"add_nvme_gb": 4000}), "GB of local disk"),
    ];
    for (request, words) in table {
        let mut seen = asked(request);
        step(&mut seen, now());
        assert_eq!(said(&seen), is(ChangeOrderPhase::Rejected, "ChangeRefused"));
        let message = seen.change.status.unwrap().conditions[0].message.clone();
        assert!(message.contains(words), "{message}");
    }
    let mut seen = asked(json!({"extend_term_days": 30}));
    hourly(&mut seen);
    step(&mut seen, now());
    assert_eq!(said(&seen), is(ChangeOrderPhase::Rejected, "ChangeRefused"));
}

/// What is other than usual, and what follows.
type Case = (fn(&mut Observed), ChangeOrderPhase, &'static str);

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let table: [Case; 4] = [
        (|s| s.order = None, ChangeOrderPhase::Requested, "OrderNotFound"),
        (
            |s| s.order.as_mut().unwrap().status.as_mut().unwrap().phase = OrderPhase::Suspended,
            ChangeOrderPhase::Requested,
            "OrderNotActive",
        ),
        (
            |s| s.seller = Err("no key".to_owned()),
            ChangeOrderPhase::Requested,
            "SellerNotReady",
        ),
        (
            |s| s.order.as_mut().unwrap().spec.termination = Some(Termination::default()),
            ChangeOrderPhase::Rejected,
            "Terminated",
        ),
    ];
    for (change, phase, reason) in table {
        let mut seen = asked(json!({"support_tier": "premium"}));
        change(&mut seen);
        step(&mut seen, now());
        assert_eq!(said(&seen), is(phase, reason));
    }
}

#[test]
fn a_person_prices_what_has_no_list_price() {
    let mut seen = asked(json!({"add": [{"sku": "Extra-Public-IP", "qty": 2}]}));
    step(&mut seen, now());
    assert_eq!(said(&seen), is(ChangeOrderPhase::NeedsHuman, "NeedsHuman"));
    let draft = seen.change.status.as_ref().unwrap().draft_digest.clone();
    let issue = |draft_digest: Option<String>| ChangeResolution {
        decision: Decision::Issue,
        draft_digest,
        prices: vec![PersonsPrice {
            sku: "Extra-Public-IP".to_owned(),
            unit_price_minor: 500,
        }],
        reason: None,
    };
    seen.change.spec.resolution = Some(issue(Some("0".repeat(64))));
    step(&mut seen, later(1));
    assert_eq!(said(&seen), is(ChangeOrderPhase::NeedsHuman, "DraftChanged"));
    assert_eq!(
        seen.change.status.as_ref().unwrap().draft_digest,
        draft,
        "the same at every time"
    );
    let mut refused = seen.clone();
    refused.change.spec.resolution = Some(ChangeResolution::default());
    step(&mut refused, later(1));
    assert_eq!(said(&refused), is(ChangeOrderPhase::Rejected, "SellerRefused"));
    let mut without = seen.clone();
    without.change.spec.resolution = Some(ChangeResolution {
        prices: vec![],
        ..issue(draft.clone())
    });
    step(&mut without, later(1));
    assert_eq!(said(&without), is(ChangeOrderPhase::NeedsHuman, "NeedsHuman"));
    seen.change.spec.resolution = Some(issue(draft));
    step(&mut seen, later(2));
    assert_eq!(said(&seen), is(ChangeOrderPhase::Quoted, "AwaitingDecision"));
    let document = seen.change.status.unwrap().document.unwrap();
    assert_eq!(document.priced.net_monthly_delta_minor, 1000);
}

#[test]
fn a_priced_change_ends_as_it_was_decided_or_not() {
    let quoted = || {
        let mut seen = asked(json!({"support_tier": "premium"}));
        step(&mut seen, now());
        seen
    };
    let mut declined = quoted();
    answer(&mut declined, Answer::Decline);
    step(&mut declined, later(1));
    assert_eq!(said(&declined), is(ChangeOrderPhase::Declined, "ChangeDeclined"));

    let mut other = quoted();
    answer(&mut other, Answer::Accept);
    let order = other.order.as_mut().unwrap();
    order.spec.change_decisions.get_mut("more").unwrap().digest = "0".repeat(64);
    step(&mut other, later(1));
    assert_eq!(said(&other), is(ChangeOrderPhase::Quoted, "DigestMismatch"));

    let mut late = quoted();
    answer(&mut late, Answer::Accept);
    step(&mut late, later(72));
    assert_eq!(said(&late), is(ChangeOrderPhase::Expired, "ChangeExpired"));

    let mut ends = quoted();
    ends.order.as_mut().unwrap().spec.termination = Some(Termination::default());
    step(&mut ends, later(1));
    assert_eq!(said(&ends), is(ChangeOrderPhase::Expired, "ChangeExpired"));

    let mut overtaken = quoted();
    answer(&mut overtaken, Answer::Accept);
    let mut first = applying(json!({"add_nvme_gb": 2000}));
    first.tunepods[0].spec.nvme_gb = 3000;
    step(&mut first, later(1));
    let mut before = entry(&first);
    before.uid = "another".to_owned();
    overtaken.order.as_mut().unwrap().status.as_mut().unwrap().changes = vec![before];
    step(&mut overtaken, later(2));
    assert_eq!(said(&overtaken), is(ChangeOrderPhase::Expired, "ChangeExpired"));
}

#[test]
fn of_two_changes_one_is_on_its_way_and_a_deleted_one_blocks_nothing() {
    let mut seen = asked(json!({"support_tier": "premium"}));
    step(&mut seen, now());
    answer(&mut seen, Answer::Accept);
    let mut rival = entry(&applying(json!({"add_nvme_gb": 2000})));
    (rival.uid, rival.name) = ("r".to_owned(), "rival".to_owned());
    seen.order.as_mut().unwrap().status.as_mut().unwrap().changes = vec![rival];
    seen.has_rival = true;
    assert!(step(&mut seen, later(1)).writes.is_empty());
    assert_eq!(said(&seen), is(ChangeOrderPhase::Quoted, "ChangeWaiting"));
    seen.has_rival = false;
    step(&mut seen, later(1));
    assert_eq!(entry(&seen).rolled_back_at, Some(Time(later(1))));
    step(&mut seen, later(1));
    step(&mut seen, later(1));
    assert_eq!(said(&seen).0, ChangeOrderPhase::Accepted);
}

#[test]
fn a_limit_accepts_unasked_and_a_word_of_the_buyer_is_first() {
    let quoted = |limit: i64| {
        let mut seen = asked(json!({"support_tier": "premium"}));
        let spec = BuyerOrgSpec {
            auto_accept: Some(AutoAccept {
                max_monthly_delta_minor: limit,
            }),
            ..BuyerOrgSpec::default()
        };
        seen.buyer = Some(BuyerOrg::new("acme", spec));
        step(&mut seen, now());
        seen
    };
    let mut passes = quoted(40_000);
    step(&mut passes, now());
    step(&mut passes, now());
    assert_eq!(passes.change.status.unwrap().accepted_by, Some(AcceptedBy::Limit));
    let mut asks = quoted(39_999);
    step(&mut asks, now());
    assert_eq!(said(&asks), is(ChangeOrderPhase::Quoted, "AwaitingDecision"));
    let mut declined = quoted(40_000);
    answer(&mut declined, Answer::Decline);
    step(&mut declined, now());
    assert_eq!(said(&declined).0, ChangeOrderPhase::Declined);
}

#[test]
fn an_order_that_ends_takes_its_changes_back() {
    let end = |seen: &mut Observed| {
        seen.order.as_mut().unwrap().spec.termination = Some(Termination::default());
    };
    let mut applying = applying(json!({"support_tier": "premium"}));
    end(&mut applying);
    step(&mut applying, later(2));
    assert!(entry(&applying).rolled_back_at.is_some());
    step(&mut applying, later(2));
    assert_eq!(
        said(&applying),
        is(ChangeOrderPhase::RolledBack, "ChangeRolledBack")
    );

    let mut accepted = asked(json!({"support_tier": "premium"}));
    step(&mut accepted, now());
    answer(&mut accepted, Answer::Accept);
    step(&mut accepted, now());
    step(&mut accepted, now());
    assert_eq!(said(&accepted).0, ChangeOrderPhase::Accepted);
    end(&mut accepted);
    step(&mut accepted, later(2));
    step(&mut accepted, later(2));
    assert_eq!(said(&accepted), is(ChangeOrderPhase::Rejected, "Terminated"));
    let order = accepted.order.unwrap().status.unwrap();
    assert!(changes::applied(&order).is_empty() && changes::open(&order).is_none());
}

#[test]
fn what_takes_too_long_is_given_up_and_the_disk_is_as_before() {
    let mut seen = applying(json!({"add_nvme_gb": 2000}));
    let wanted =
        |seen: &Observed| changes::disk_wanted(seen.order.as_ref().unwrap().status.as_ref().unwrap());
    assert_eq!(wanted(&seen), Some(3000));
    // Accepted an hour after it was priced, promised within 6 hours, and waited for a day more.
    assert!(step(&mut seen, later(31)).writes.is_empty());
    step(&mut seen, later(32));
    step(&mut seen, later(32));
    assert_eq!(said(&seen), is(ChangeOrderPhase::RolledBack, "ChangeRolledBack"));
    assert_eq!(wanted(&seen), Some(1000));
}

#[test]
fn a_clock_that_steps_back_orders_changes_all_the_same() {
    let mut seen = applying(json!({"support_tier": "premium"}));
    let mut before = entry(&seen);
    (before.uid, before.applied_at) = ("b".to_owned(), Some(Time(later(50))));
    (before.ends, before.adds) = (vec![], vec![]);
    seen.order
        .as_mut()
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .changes
        .insert(0, before);
    step(&mut seen, later(2));
    let order = seen.order.unwrap().status.unwrap();
    let times: Vec<i64> = changes::applied(&order).iter().map(|c| c.at_ms).collect();
    assert_eq!(
        times,
        [later(50).as_millisecond(), later(50).as_millisecond() + 1000]
    );
}
