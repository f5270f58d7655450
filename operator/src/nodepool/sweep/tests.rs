use super::*;
use trustbridge_api::{NameRef, TunePodSpec, WipeEvidenceSpec};
use trustbridge_domain::wipe::{WipeMethod, WipeRecord};

fn pool(uid: &str) -> OwnedPool {
    OwnedPool {
        name: "tbabc".to_owned(),
        tunepod_uid: uid.to_owned(),
        tunepod: "tb-acme/order-1-0".to_owned(),
        order: "order-1".to_owned(),
    }
}

fn tunepod(uid: &str) -> TunePod {
    let mut tunepod = TunePod::new("order-1-0", TunePodSpec::default());
    tunepod.metadata.uid = Some(uid.to_owned());
    tunepod
}

fn evidence(uid: &str, pool: &str) -> WipeEvidence {
    let record = WipeRecord {
        org: "acme".to_owned(),
        order: "order-1".to_owned(),
        tune_pod: "order-1-0".to_owned(),
        tune_pod_uid: uid.to_owned(),
        mode: "protectedModel".to_owned(),
        provider: "arm-double".to_owned(),
        node_pool: Some(pool.to_owned()),
        node: None,
        steps: Vec::new(),
        method: WipeMethod::Clear,
        not_observed: Vec::new(),
    };
    let spec = WipeEvidenceSpec {
        order_ref: NameRef::new("order-1"),
        tune_pod_ref: NameRef::new("order-1-0"),
        record,
        digest: String::new(),
        public_key: String::new(),
        signature: trustbridge_api::seller_profile::Signature::default(),
    };
    WipeEvidence::new("order-1-0-wipe-x", spec)
}

#[test]
fn only_a_pool_whose_end_is_attested_is_deleted() {
    let (theirs, another) = (tunepod("u1"), tunepod("u2"));
    let table = [
        (None, None, Kind::Unknown),
        (Some(&theirs), None, Kind::Living),
        (Some(&another), None, Kind::Unknown),
        (None, Some(evidence("u1", "tbabc")), Kind::Returned),
        (Some(&theirs), Some(evidence("u1", "tbabc")), Kind::Returned),
        (Some(&another), Some(evidence("u1", "tbabc")), Kind::Returned),
        (None, Some(evidence("u2", "tbabc")), Kind::Unknown),
        (None, Some(evidence("u1", "tbxyz")), Kind::Unknown),
        (Some(&theirs), Some(evidence("u2", "tbabc")), Kind::Living),
    ];
    for (found, attested, expected) in table {
        assert_eq!(
            judge(&pool("u1"), found, attested.as_ref()),
            expected,
            "{found:?} {attested:?}"
        );
    }
}

#[test]
fn the_first_sweep_and_what_was_too_busy_come_soon_and_nothing_is_claimed() {
    let every = Duration::from_hours(1);
    let owing = Swept {
        is_owing: true,
        ..Swept::default()
    };
    assert_eq!(pause(None, every), SOON);
    assert_eq!(pause(Some(&owing), every), SOON);
    assert_eq!(pause(Some(&Swept::default()), every), every);
    assert_eq!(pause(None, Duration::from_secs(2)), Duration::from_secs(2));
    let working = |state: &str| {
        Ok(PoolView::Working {
            state: state.to_owned(),
            operation_url: None,
            retry_after: Duration::from_secs(7),
        })
    };
    assert!(is_going(&working("Deleting")) && is_going(&Ok(PoolView::Absent)));
    assert!(!is_going(&working("Upgrading")) && !is_going(&Ok(PoolView::Ready)));
    assert!(words(&working("Upgrading")).contains("asked for after that"));
}
