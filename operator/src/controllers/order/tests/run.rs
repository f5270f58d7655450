//! From confirmed to active: TunePods, refusals, and quiet.

use super::*;
use trustbridge_api::{Access, labels};
use trustbridge_kit::apply::FieldManager;

#[test]
fn active_means_that_all_that_were_ordered_are_ready() {
    let mut seen = in_phase(OrderPhase::Provisioning);
    seen.order.spec.instances = 2;
    seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
    // Confirmed by a version that froze prices alone: nothing says what the missing one is made of.
    let status = seen.order.status.as_mut().unwrap();
    status.pricing_snapshot.as_mut().unwrap().terms = None;
    for tunepods in [seen.tunepods.clone(), vec![]] {
        seen.tunepods = tunepods;
        let status = decide(&seen, now()).status;
        assert_eq!(status.phase, OrderPhase::Provisioning);
        let ready = find(&status.conditions, ConditionType::Ready).unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "QuoteExpired")
        );
        assert!(ready.message.contains("order again"), "{}", ready.message);
        assert!(decide(&seen, now()).writes.is_empty());
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
    let access = Access {
        url: "https://tp-order-1-0.tb-acme.svc:8000".to_owned(),
        ..Access::default()
    };
    ready.status.as_mut().unwrap().access = Some(access.clone());
    seen.tunepods = vec![ready];
    let active = decide(&seen, now()).status;
    assert_eq!(active.access, Some(access));
    seen.order.status = Some(active);
    let again: Plan<OrderStatus> = decide(&seen, later(3600));
    assert!(again.writes.is_empty());
    let write = status_write(&seen.order, seen.order.status.as_ref(), &again.status);
    assert!(write.is_none(), "{write:?}");
}

#[test]
fn a_word_that_asks_for_a_new_token_is_handed_on_once() {
    let mut seen = in_phase(OrderPhase::Active);
    seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
    let word = (labels::ROTATE_TOKEN.to_owned(), "2026-11".to_owned());
    seen.order.metadata.annotations = Some([word.clone()].into());
    let writes = decide(&seen, now()).writes;
    let [Write::Apply(FieldManager::ORDER_ROTATION, built)] = writes.as_slice() else {
        panic!("{writes:?}");
    };
    assert_eq!(
        built.body["metadata"]["annotations"][labels::ROTATE_TOKEN],
        "2026-11"
    );
    assert!(
        built.body["metadata"]["uid"].is_string(),
        "a namesake that came later is not touched"
    );
    seen.tunepods[0].metadata.annotations = Some([word].into());
    assert!(decide(&seen, now()).writes.is_empty());
}

#[test]
fn a_held_order_is_quiet_too() {
    let mut seen = seen();
    seen.offer = None;
    seen.order.status = Some(decide(&seen, now()).status);
    let again = decide(&seen, later(3600));
    assert!(status_write(&seen.order, seen.order.status.as_ref(), &again.status).is_none());
}
