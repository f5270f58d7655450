use super::*;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use trustbridge_api::{NameRef, OrderSpec};
use trustbridge_domain::phase::OrderPhase;

fn at(second: i64) -> Time {
    let begin = Timestamp::from_second(1_795_000_000).unwrap();
    Time(begin + SignedDuration::from_secs(second))
}

fn interval(seq: i64, from: i64, to: Option<i64>) -> MeteredInterval {
    MeteredInterval {
        seq,
        from: at(from),
        to: to.map(at),
        gpus: 1,
        opened_by: "Ready".to_owned(),
        closed_by: to.map(|_| "Deleted".to_owned()),
    }
}

fn tunepod(name: &str, uid: &str, phase: TunePodPhase, intervals: Vec<MeteredInterval>) -> TunePod {
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        ..TunePodSpec::default()
    };
    let mut tunepod = TunePod::new(name, spec);
    tunepod.metadata.uid = Some(uid.to_owned());
    tunepod.status = Some(TunePodStatus {
        phase,
        intervals,
        ..TunePodStatus::default()
    });
    tunepod
}

fn going(name: &str, uid: &str, intervals: Vec<MeteredInterval>) -> TunePod {
    let mut tunepod = tunepod(name, uid, TunePodPhase::Wiped, intervals);
    tunepod.metadata.deletion_timestamp = Some(at(100));
    tunepod
}

fn order(status: OrderStatus) -> Order {
    let mut order = Order::new("order-1", OrderSpec::default());
    order.metadata.uid = Some("o".to_owned());
    order.status = Some(status);
    order
}

#[test]
fn hours_of_a_tunepod_that_is_deleted_are_with_the_order_before_it_goes() {
    let hours = vec![interval(0, 0, Some(3600))];
    let old = going("order-1-0", "t1", hours.clone());
    let mut status = OrderStatus {
        phase: OrderPhase::Active,
        ..OrderStatus::default()
    };
    assert!(is_owed(&order(status.clone()), &old));
    status.instances = instances(&status, std::slice::from_ref(&old));
    assert!(!is_owed(&order(status.clone()), &old));
    assert_eq!(
        instances(&status, std::slice::from_ref(&old)),
        status.instances,
        "the same write again changes nothing"
    );
    // Gone, and nothing there yet: the bill sees its hours all the same.
    let bills = with_earlier(&status, &[]);
    assert_eq!(bills[0].status.as_ref().unwrap().intervals, hours);
    assert_eq!(bills[0].metadata.uid.as_deref(), Some("t1"));
    // Made again, and not begun yet.
    let fresh = tunepod("order-1-0", "t2", TunePodPhase::Pending, vec![]);
    let bills = with_earlier(&status, std::slice::from_ref(&fresh));
    assert_eq!(
        (bills.len(), &bills[0].status.as_ref().unwrap().intervals),
        (1, &hours)
    );
    assert_eq!(earlier(&order(status.clone()), "order-1-0"), hours);
    // It began with them, and goes on: each hour stands once.
    let own = vec![interval(0, 0, Some(3600)), interval(1, 5000, None)];
    let serving = tunepod("order-1-0", "t2", TunePodPhase::Ready, own.clone());
    status.instances = instances(&status, std::slice::from_ref(&serving));
    let bills = with_earlier(&status, &[serving]);
    assert_eq!(bills[0].status.as_ref().unwrap().intervals, own);
    // Deleted once more.
    let twice = vec![interval(0, 0, Some(3600)), interval(1, 5000, Some(6000))];
    status.instances = instances(&status, &[going("order-1-0", "t2", twice.clone())]);
    assert_eq!(status.instances[0].earlier, twice);
    assert_eq!(kept_uids(&status).collect::<Vec<_>>(), ["t1", "t2"]);
}

#[test]
fn hours_for_which_there_is_no_room_stay_with_their_tunepod() {
    let hours = |from: i64, to: i64| -> Vec<MeteredInterval> {
        (from..to)
            .map(|n| interval(n, n * 10, Some(n * 10 + 5)))
            .collect()
    };
    let mut status = OrderStatus {
        phase: OrderPhase::Active,
        ..OrderStatus::default()
    };
    let first = going("order-1-0", "t1", hours(0, 128));
    assert!(!is_full(&order(status.clone()), &first));
    status.instances = instances(&status, &[first]);
    let second = going("order-1-0", "t2", hours(128, 130));
    status.instances = instances(&status, std::slice::from_ref(&second));
    assert_eq!(kept_uids(&status).collect::<Vec<_>>(), ["t1"]);
    let order = order(status.clone());
    assert!(is_owed(&order, &second) && is_full(&order, &second));
    let bills = with_earlier(&status, &[second]);
    assert_eq!(bills[0].status.as_ref().unwrap().intervals.len(), 130);
}

#[test]
fn an_instance_that_is_missing_for_a_while_stays_on_the_list() {
    let status = OrderStatus::default();
    let both = [
        tunepod("order-1-0", "t1", TunePodPhase::Ready, vec![]),
        tunepod("order-1-1", "t2", TunePodPhase::Ready, vec![]),
    ];
    let known = OrderStatus {
        instances: instances(&status, &both),
        ..status
    };
    let names = |all: &[OrderInstance]| all.iter().map(|i| i.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&instances(&known, &both[1..])), ["order-1-0", "order-1-1"]);
}

#[test]
fn nothing_is_owed_to_an_order_that_is_over_or_anothers() {
    let old = going("order-1-0", "t1", vec![interval(0, 0, Some(3600))]);
    let closed = OrderStatus {
        phase: OrderPhase::Terminated,
        ..OrderStatus::default()
    };
    assert!(!is_owed(&order(closed), &old));
    let mut theirs = old;
    theirs.metadata.owner_references = Some(vec![OwnerReference {
        kind: "Order".to_owned(),
        uid: "before".to_owned(),
        ..OwnerReference::default()
    }]);
    assert!(!is_of(&order(OrderStatus::default()), &theirs));
}

/// Without its UID nobody could tell a TunePod that never served from one whose hours are lost.
#[test]
fn a_tunepod_that_never_metered_is_known_when_it_is_gone() {
    let old = going("order-1-0", "t1", vec![]);
    let mut status = OrderStatus {
        phase: OrderPhase::Active,
        ..OrderStatus::default()
    };
    assert!(
        is_owed(&order(status.clone()), &old),
        "the order has not seen it go"
    );
    status.instances = instances(&status, std::slice::from_ref(&old));
    assert!(!is_owed(&order(status.clone()), &old));
    assert_eq!(kept_uids(&status).collect::<Vec<_>>(), ["t1"]);
    let bills = with_earlier(&status, &[]);
    assert_eq!(bills.len(), 1, "no instance is missing");
    assert_eq!(bills[0].metadata.uid.as_deref(), Some("t1"));
    assert!(bills[0].status.as_ref().unwrap().intervals.is_empty());
}
