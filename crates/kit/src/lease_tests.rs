use super::*;

fn held_by(holder: Option<&str>) -> Record {
    Record {
        holder: holder.map(str::to_owned),
        duration: DURATION,
        transitions: 3,
        resource_version: "7".to_owned(),
    }
}

#[test]
fn the_lease_is_evaluated_by_who_holds_it_and_since_when() {
    let s = Duration::from_secs;
    let table = [
        (None, s(0), Step::Create),
        (Some(held_by(Some("me"))), s(0), Step::Claim { transitions: 3 }),
        (Some(held_by(Some("me"))), s(99), Step::Claim { transitions: 3 }),
        (Some(held_by(None)), s(0), Step::Claim { transitions: 4 }),
        (Some(held_by(Some("other"))), s(0), Step::Wait(s(15))),
        (Some(held_by(Some("other"))), s(14), Step::Wait(s(1))),
        (
            Some(held_by(Some("other"))),
            s(15),
            Step::Claim { transitions: 4 },
        ),
    ];
    for (seen, unchanged, step) in table {
        assert_eq!(
            evaluate(seen.as_ref(), unchanged, "me"),
            step,
            "{seen:?} {unchanged:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn writing_stops_before_anybody_else_may_claim() {
    let (tell, receiver) = watch::channel(None);
    let leader = Leader(receiver);
    assert!(!leader.is_current());
    tell.send_replace(Instant::now().checked_add(WRITE));
    assert!(leader.is_current());
    tokio::time::advance(WRITE).await;
    assert!(!leader.is_current());
    const { assert!(WRITE.as_secs() < DURATION.as_secs() && RENEW.as_secs() < WRITE.as_secs()) };
}

#[test]
fn a_lease_given_up_has_no_holder() {
    let spec = LeaseSpec {
        holder_identity: Some(String::new()),
        ..LeaseSpec::default()
    };
    let lease = Lease {
        metadata: ObjectMeta::default(),
        spec: Some(spec),
    };
    assert_eq!(Record::from(&lease).holder, None);
}
