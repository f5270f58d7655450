use super::conclude::conclude;
use super::decide::decide;
use super::{Observed, build};
use crate::controllers::execute::{Outcome, Plan, Write, status_write};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::model_asset::{ModelAssetPhase, ModelAssetStatus};
use trustbridge_api::order::Termination;
use trustbridge_api::quote::Totals;
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_api::{
    BuyerOrg, BuyerOrgSpec, BuyerOrgStatus, Mode, ModelAsset, ModelAssetSpec, NameRef, Offer, OfferSpec,
    Order, OrderSpec, OrderStatus, Quote, QuoteSpec, QuoteStatus, TunePod, TunePodSpec, TunePodStatus,
};
use trustbridge_domain::phase::{OrderPhase, QuotePhase, TunePodPhase};
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::termination::TerminationStep;
use trustbridge_kit::conditions::{Statement, find, set};

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn buyer() -> BuyerOrg {
    let mut org = BuyerOrg::new("acme", BuyerOrgSpec::default());
    let mut status = BuyerOrgStatus::default();
    set(
        &mut status.conditions,
        &Statement::yes(ConditionType::Ready, Reason::AsSpecified, ""),
        None,
        now(),
    );
    org.status = Some(status);
    org
}

fn quote(phase: QuotePhase, taken_by: Option<&str>) -> Quote {
    let mut quote = Quote::new(
        "q",
        QuoteSpec {
            offer_ref: NameRef::new("studio"),
            instances: 1,
            ..QuoteSpec::default()
        },
    );
    quote.metadata.namespace = Some("tb-acme".to_owned());
    quote.metadata.resource_version = Some("9".to_owned());
    let line = QuoteLine {
        sku: "S".to_owned(),
        quantity: 1,
        model: BillingModel::Hourly,
        unit_price_minor: 175,
        min_hours: 0,
    };
    quote.status = Some(QuoteStatus {
        phase,
        lines: vec![line],
        totals: Some(Totals {
            currency: "USD".to_owned(),
            hourly_minor: 175,
            monthly_minor: 0,
        }),
        summary: Some("1.75 USD/h".to_owned()),
        valid_until: Some(Time(later(3600))),
        digest: Some("d".repeat(64)),
        order_ref: taken_by.map(NameRef::new),
        order_uid: taken_by.map(|_| "o".to_owned()),
        ..QuoteStatus::default()
    });
    quote
}

/// A fresh order whose every reference resolves, without a quote.
fn seen() -> Observed {
    let spec = OrderSpec {
        offer_ref: Some(NameRef::new("studio")),
        instances: 1,
        contract_id: Some("contract-allow".to_owned()),
        model_asset_ref: Some(NameRef::new("tb-asset-1")),
        ..OrderSpec::default()
    };
    let mut order = Order::new("order-1", spec);
    order.metadata.namespace = Some("tb-acme".to_owned());
    order.metadata.uid = Some("o".to_owned());
    order.metadata.generation = Some(1);
    let offer = OfferSpec {
        sku: "S".to_owned(),
        modes: vec![Mode::ProtectedModel],
        ..OfferSpec::default()
    };
    let mut asset = ModelAsset::new("tb-asset-1", ModelAssetSpec::default());
    asset.status = Some(ModelAssetStatus {
        phase: ModelAssetPhase::Ready,
        ..ModelAssetStatus::default()
    });
    Observed {
        order,
        org: "acme".to_owned(),
        buyer: Some(buyer()),
        offer: Some(Offer::new("studio", offer)),
        asset: Some(asset),
        quote: None,
        tunepods: vec![],
    }
}

fn tunepod(phase: TunePodPhase) -> TunePod {
    let mut tunepod = TunePod::new(
        "order-1-0",
        TunePodSpec {
            order_ref: NameRef::new("order-1"),
            ..TunePodSpec::default()
        },
    );
    tunepod.metadata.namespace = Some("tb-acme".to_owned());
    tunepod.metadata.uid = Some("t".to_owned());
    tunepod.status = Some(TunePodStatus {
        phase,
        ..TunePodStatus::default()
    });
    tunepod
}

fn in_phase(phase: OrderPhase) -> Observed {
    let mut seen = seen();
    seen.quote = Some(quote(QuotePhase::Accepted, Some("order-1")));
    let mut status = decide(&seen, now()).status;
    assert_eq!(status.phase, OrderPhase::Confirmed);
    status.phase = phase;
    seen.order.status = Some(status);
    seen
}

fn accepted(status: &OrderStatus) -> String {
    find(&status.conditions, ConditionType::Accepted)
        .map(|c| format!("{}/{}", c.status, c.reason))
        .unwrap_or_default()
}

#[test]
#[allow(clippy::too_many_lines)] // A table: one row for each case.
fn a_pending_order_waits_refuses_or_goes_on() {
    type Change = fn(&mut Observed);
    let table: [(Change, OrderPhase, &str); 15] = [
        (|s| s.buyer = None, OrderPhase::Pending, "False/BuyerOrgNotFound"),
        (
            |s| (s.org, s.buyer) = (String::new(), None),
            OrderPhase::Pending,
            "False/BuyerOrgNotFound",
        ),
        (|s| s.offer = None, OrderPhase::Pending, "False/OfferNotFound"),
        (
            |s| s.offer.as_mut().unwrap().spec.modes = vec![Mode::ByoWorkspace],
            OrderPhase::Rejected,
            "False/OfferMismatch",
        ),
        (
            |s| s.order.spec.mode = Mode::ByoWorkspace,
            OrderPhase::Rejected,
            "False/ModeUnsupported",
        ),
        (
            |s| s.asset = None,
            OrderPhase::Pending,
            "False/ModelAssetNotFound",
        ),
        (
            |s| s.asset.as_mut().unwrap().status = None,
            OrderPhase::Pending,
            "False/ModelAssetNotReady",
        ),
        (
            |s| s.order.spec.termination = Some(Termination::default()),
            OrderPhase::Rejected,
            "False/Terminated",
        ),
        (|_| {}, OrderPhase::Pending, "Unknown/InProgress"),
        (
            |s| s.quote = Some(quote(QuotePhase::Requested, None)),
            OrderPhase::Pending,
            "False/InProgress",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::NeedsHuman, None)),
            OrderPhase::Pending,
            "False/NeedsHuman",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Issued, None)),
            OrderPhase::Pending,
            "Unknown/InProgress",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Expired, None)),
            OrderPhase::Rejected,
            "False/QuoteExpired",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Accepted, Some("other"))),
            OrderPhase::Rejected,
            "False/QuoteTaken",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Accepted, Some("order-1"))),
            OrderPhase::Confirmed,
            "True/AsSpecified",
        ),
    ];
    for (index, (change, phase, reason)) in table.into_iter().enumerate() {
        let mut seen = seen();
        change(&mut seen);
        let status = decide(&seen, now()).status;
        assert_eq!(
            (status.phase, accepted(&status).as_str()),
            (phase, reason),
            "row {index}"
        );
    }
}

#[test]
fn an_unknown_offer_says_what_to_do() {
    let mut seen = seen();
    seen.offer = None;
    let plan = decide(&seen, now());
    let message = find(&plan.status.conditions, ConditionType::Accepted)
        .unwrap()
        .message
        .clone();
    assert!(
        message.contains("`spec.offerRef.name` 'studio'") && message.contains("kubectl get offers"),
        "{message}"
    );
    assert!(plan.writes.is_empty());
}

#[test]
fn a_quote_of_another_digest_is_refused() {
    let mut seen = seen();
    seen.order.spec.offer_ref = None;
    seen.order.spec.quote_ref = Some(trustbridge_api::order::QuoteReference {
        name: "q".to_owned(),
        digest: "e".repeat(64),
    });
    seen.quote = Some(quote(QuotePhase::Issued, None));
    let status = decide(&seen, now()).status;
    assert_eq!(
        (status.phase, accepted(&status).as_str()),
        (OrderPhase::Rejected, "False/QuoteNotFound")
    );
}

#[test]
fn the_quote_is_made_once_and_taken_at_its_version() {
    let made = decide(&seen(), now()).writes;
    let [Write::Create(_, built)] = made.as_slice() else {
        panic!("one create: {made:?}")
    };
    assert_eq!(built.target.name, build::quote_name(&seen().order, "acme"));
    let mut seen = seen();
    seen.quote = Some(quote(QuotePhase::Issued, None));
    let taken = decide(&seen, now()).writes;
    let [Write::Status(_, write)] = taken.as_slice() else {
        panic!("one status: {taken:?}")
    };
    assert_eq!(
        (
            write.resource_version.as_str(),
            write.status["orderRef"]["name"].as_str()
        ),
        ("9", Some("order-1"))
    );
}

#[test]
fn terms_are_frozen_at_acceptance() {
    let seen = in_phase(OrderPhase::Confirmed);
    let snapshot = seen
        .order
        .status
        .as_ref()
        .unwrap()
        .pricing_snapshot
        .clone()
        .unwrap();
    assert_eq!(
        (snapshot.summary.as_str(), snapshot.lines[0].unit_price_minor),
        ("1.75 USD/h", 175)
    );
    let mut changed = seen.clone();
    changed.quote = None;
    let plan = decide(&changed, now());
    assert_eq!(plan.status.pricing_snapshot, Some(snapshot));
    assert!(plan.writes.is_empty(), "the intent comes first, alone");
    assert_eq!(plan.status.phase, OrderPhase::Provisioning);
    changed.order.status = Some(plan.status);
    let made = decide(&changed, now());
    assert!(matches!(made.writes.as_slice(), [Write::Create(_, b)] if b.target.name == "order-1-0"));
}

#[test]
fn a_quote_that_somebody_else_asked_for_is_not_taken() {
    for phase in [QuotePhase::Issued, QuotePhase::Accepted] {
        let mut seen = seen();
        let mut other = quote(phase, Some("order-1"));
        other.spec.instances = 2;
        seen.quote = Some(other);
        let plan = decide(&seen, now());
        assert_eq!(
            (plan.status.phase, accepted(&plan.status).as_str()),
            (OrderPhase::Pending, "False/OfferMismatch")
        );
        assert!(plan.writes.is_empty());
    }
    let mut former = seen();
    let mut taken = quote(QuotePhase::Accepted, Some("order-1"));
    taken.status.as_mut().unwrap().order_uid = Some("former".to_owned());
    former.quote = Some(taken);
    assert_eq!(accepted(&decide(&former, now()).status), "False/QuoteTaken");
    let mut late = seen();
    late.quote = Some(quote(QuotePhase::Issued, None));
    let over = decide(&late, later(3600));
    assert!(over.writes.is_empty() && over.status.phase == OrderPhase::Rejected);
    let name = build::quote_name(&late.order, "acme");
    late.order.metadata.uid = Some("again".to_owned());
    assert_ne!(name, build::quote_name(&late.order, "acme"));
}

#[test]
fn active_means_that_all_that_were_ordered_are_ready() {
    let mut seen = in_phase(OrderPhase::Provisioning);
    seen.order.spec.instances = 2;
    seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
    seen.offer = None;
    for tunepods in [seen.tunepods.clone(), vec![]] {
        seen.tunepods = tunepods;
        let status = decide(&seen, now()).status;
        assert_eq!(status.phase, OrderPhase::Provisioning);
        let ready = find(&status.conditions, ConditionType::Ready).unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "OfferNotFound")
        );
        assert!(ready.message.contains("'studio'"), "{}", ready.message);
    }
}

#[test]
fn a_refused_create_is_told_and_told_once() {
    let refused = || Outcome {
        refused: Some("exceeded quota: tunepods".to_owned()),
        ..Outcome::default()
    };
    for (phase, type_) in [
        (OrderPhase::Pending, ConditionType::Accepted),
        (OrderPhase::Provisioning, ConditionType::Ready),
    ] {
        let mut seen = in_phase(phase);
        seen.quote = None;
        let plan = decide(&seen, now());
        assert!(matches!(plan.writes.as_slice(), [Write::Create(..)]));
        let told = conclude(&seen, plan, refused(), now());
        let said = find(&told.status.conditions, type_).unwrap();
        assert_eq!(
            (said.status.as_str(), said.reason.as_str()),
            ("False", "CreateRefused")
        );
        assert!(said.message.contains("exceeded quota"), "{}", said.message);
        assert_eq!(told.status.phase, phase);
        seen.order.status = Some(told.status);
        let again = conclude(&seen, decide(&seen, later(60)), refused(), later(60));
        let write = status_write(&seen.order, seen.order.status.as_ref(), &again.status);
        assert!(write.is_none(), "{write:?}");
    }
}

#[test]
fn the_phase_follows_the_tunepods() {
    let table = [
        (
            OrderPhase::Provisioning,
            TunePodPhase::Verifying,
            OrderPhase::Provisioning,
        ),
        (OrderPhase::Provisioning, TunePodPhase::Ready, OrderPhase::Active),
        (OrderPhase::Provisioning, TunePodPhase::Failed, OrderPhase::Failed),
        (
            OrderPhase::Failed,
            TunePodPhase::Scheduling,
            OrderPhase::Provisioning,
        ),
        (OrderPhase::Active, TunePodPhase::Degraded, OrderPhase::Active),
    ];
    for (from, tunepods, to) in table {
        let mut seen = in_phase(from);
        seen.tunepods = vec![tunepod(tunepods)];
        let plan = decide(&seen, now());
        assert_eq!(plan.status.phase, to, "{from} with {tunepods}");
        assert!(plan.writes.is_empty() && from.may_become(to));
    }
}

#[test]
fn an_active_order_tells_how_to_call_and_is_quiet() {
    let mut seen = in_phase(OrderPhase::Provisioning);
    let mut ready = tunepod(TunePodPhase::Ready);
    ready.status.as_mut().unwrap().url = Some("http://tp-order-1-0.tb-acme.svc:8000".to_owned());
    seen.tunepods = vec![ready];
    let active = decide(&seen, now()).status;
    assert_eq!(
        active.access.as_ref().unwrap().url,
        "http://tp-order-1-0.tb-acme.svc:8000"
    );
    seen.order.status = Some(active);
    let again: Plan<OrderStatus> = decide(&seen, later(3600));
    assert!(again.writes.is_empty());
    let write = status_write(&seen.order, seen.order.status.as_ref(), &again.status);
    assert!(write.is_none(), "{write:?}");
}

#[test]
fn a_held_order_is_quiet_too() {
    let mut seen = seen();
    seen.offer = None;
    seen.order.status = Some(decide(&seen, now()).status);
    let again = decide(&seen, later(3600));
    assert!(status_write(&seen.order, seen.order.status.as_ref(), &again.status).is_none());
}

fn interval(seq: i64, from: i64, to: Option<i64>) -> MeteredInterval {
    MeteredInterval {
        seq,
        from: Time(later(from)),
        to: to.map(|t| Time(later(t))),
        gpus: 1,
        opened_by: "Ready".to_owned(),
        closed_by: None,
    }
}

#[test]
#[allow(clippy::too_many_lines)] // A story, told in one piece.
fn the_end_goes_step_by_step_and_each_is_written_when_it_was_seen() {
    let mut seen = in_phase(OrderPhase::Active);
    seen.order.spec.termination = Some(Termination::default());
    seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
    seen.tunepods[0].status.as_mut().unwrap().intervals = vec![interval(0, 0, None)];
    let began = decide(&seen, later(10));
    assert!(
        began.writes.is_empty(),
        "the phase is written before a TunePod is asked to end"
    );
    assert_eq!(
        (began.status.phase, began.status.access.clone()),
        (OrderPhase::Terminating, None)
    );
    seen.order.status = Some(began.status);
    let asked = decide(&seen, later(11));
    assert!(
        matches!(asked.writes.as_slice(), [Write::Apply(_, b)] if b.body["spec"]["termination"]["reason"] == "OrderTerminated" && b.body["metadata"]["uid"] == "t")
    );
    seen.order.status = Some(asked.status);
    let status = seen.tunepods[0].status.as_mut().unwrap();
    status.phase = TunePodPhase::Wiping;
    status.intervals = vec![interval(0, 0, Some(7200))];
    let wiping = decide(&seen, later(7300)).status;
    let running: Vec<_> = wiping
        .termination_steps
        .iter()
        .filter(|s| s.finished_at.is_none())
        .map(|s| s.step)
        .collect();
    assert_eq!(running, [TerminationStep::Wiping]);
    assert_eq!(wiping.cost.as_ref().unwrap().summary, "3.50 USD");
    seen.order.status = Some(wiping);
    seen.tunepods[0].status.as_mut().unwrap().phase = TunePodPhase::Wiped;
    let closed = decide(&seen, later(7400)).status;
    assert_eq!(closed.phase, OrderPhase::Terminated);
    let steps: Vec<_> = closed.termination_steps.iter().map(|s| s.step).collect();
    assert_eq!(
        steps,
        [
            TerminationStep::Draining,
            TerminationStep::FinalMeter,
            TerminationStep::Wiping,
            TerminationStep::Closed
        ],
        "a protected model has nothing to export"
    );
    assert!(closed.termination_steps.iter().all(|s| s.finished_at.is_some()));
    assert_eq!(
        (
            closed.cost.as_ref().unwrap().amount.minor,
            closed.cost.as_ref().unwrap().metered_ms
        ),
        (350, 7_200_000)
    );
    assert_eq!(
        find(&closed.conditions, ConditionType::Succeeded).unwrap().status,
        "True"
    );
    seen.order.status = Some(closed);
    let over = decide(&seen, later(9000));
    assert!(over.writes.is_empty());
    assert!(status_write(&seen.order, seen.order.status.as_ref(), &over.status).is_none());
}

#[test]
fn an_order_that_has_nothing_yet_is_cancelled() {
    let mut seen = in_phase(OrderPhase::Confirmed);
    seen.order.spec.termination = Some(Termination::default());
    assert_eq!(decide(&seen, now()).status.phase, OrderPhase::Cancelled);
}

#[test]
fn an_order_that_has_something_is_never_cancelled() {
    let mut seen = in_phase(OrderPhase::Confirmed);
    seen.order.spec.termination = Some(Termination::default());
    seen.tunepods = vec![tunepod(TunePodPhase::Provisioning)];
    let status = decide(&seen, now()).status;
    assert_eq!(status.phase, OrderPhase::Provisioning);
    seen.order.status = Some(status);
    assert_eq!(decide(&seen, now()).status.phase, OrderPhase::Terminating);
}

#[test]
fn open_intervals_cost_nothing_yet() {
    let mut seen = in_phase(OrderPhase::Active);
    seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
    seen.tunepods[0].status.as_mut().unwrap().intervals =
        vec![interval(0, 0, Some(3600)), interval(1, 4000, None)];
    assert_eq!(
        decide(&seen, later(9000)).status.cost.unwrap().summary,
        "1.75 USD"
    );
}
