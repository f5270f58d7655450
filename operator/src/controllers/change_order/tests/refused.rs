//! What is not sold, what waits in vain, and what is written once.

use super::*;

/// Rejected by the rule that `words` are of.
fn is_refused(mut seen: Observed, words: &[&str]) {
    step(&mut seen, now());
    assert_eq!(said(&seen), is(ChangeOrderPhase::Rejected, "ChangeRefused"));
    let message = &seen.change.status.unwrap().conditions[0].message;
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

/// The order has been of use for so long.
fn running(mut seen: Observed, hours: i64) -> Observed {
    let interval = json!({"seq": 0, "from": later(-hours).to_string(), "gpus": 1, "openedBy": "Ready"});
    let status = json!({"phase": "Ready", "intervals": [interval]});
    seen.tunepods[0].status = Some(serde_json::from_value(status).unwrap());
    seen
}

fn a_person_says(seen: &mut Observed, draft_digest: Option<String>, prices: Vec<PersonsPrice>) {
    seen.change.spec.resolution = Some(ChangeResolution {
        decision: Decision::Issue,
        draft_digest,
        prices,
        reason: None,
    });
}

#[test]
fn an_answer_that_is_not_taken_is_written_once() {
    let mut asked = asked(json!({"add": [{"sku": "Extra-Public-IP", "qty": 2}]}));
    step(&mut asked, now());
    let before = asked.change.status.clone().unwrap();
    for digest in [Some("0".repeat(64)), before.draft_digest.clone()] {
        let mut seen = asked.clone();
        a_person_says(&mut seen, digest, vec![]);
        step(&mut seen, later(1));
        let first = seen.change.status.clone().unwrap();
        assert_eq!(first.phase, ChangeOrderPhase::NeedsHuman);
        assert_eq!(
            (&first.document, &first.draft_digest),
            (&before.document, &before.draft_digest),
            "the draft that a person saw, and until when it holds"
        );
        let again = decide(&seen, later(2));
        let write = execute::status_write(&seen.change, Some(&first), &again.status);
        assert!(write.is_none(), "{write:?}");
    }
}

#[test]
fn a_draft_that_changed_is_written_and_then_stays() {
    let mut seen = asked(json!({"add": [{"sku": "Extra-Public-IP", "qty": 2}, {"sku": "Backup", "qty": 1}]}));
    let sell = |seen: &mut Observed, price: Value| {
        let seller = seen.seller.as_mut().unwrap();
        let mut terms = serde_json::to_value(&seller.profile.use_cases[0]).unwrap();
        let add_ons = terms["addOns"].as_array_mut().unwrap();
        add_ons.retain(|add_on| add_on["sku"] != "Backup");
        add_ons.push(json!({"sku": "Backup", "priceMinor": price}));
        seller.profile.use_cases = vec![serde_json::from_value(terms).unwrap()];
    };
    sell(&mut seen, json!(100));
    step(&mut seen, now());
    let old = seen.change.status.clone().unwrap();
    sell(&mut seen, json!(200));
    a_person_says(&mut seen, old.draft_digest.clone(), vec![]);
    step(&mut seen, later(1));
    assert_eq!(said(&seen), is(ChangeOrderPhase::NeedsHuman, "DraftChanged"));
    let new = seen.change.status.clone().unwrap();
    assert_ne!(new.draft_digest, old.draft_digest);
    assert_eq!(
        new.draft_digest,
        new.document.as_ref().and_then(|d| d.draft_digest().ok())
    );
    assert_eq!(decide(&seen, later(2)).status, new);
}

#[test]
fn what_another_field_asks_for_is_not_added() {
    is_refused(
        asked(json!({"add": [{"sku": "NVMe-AddOn-2TB", "qty": 9}]})),
        &["NVMe-AddOn-2TB", "`request.add_nvme_gb`, 2000"],
    );
    is_refused(
        asked(json!({"add": [{"sku": "Support-Premium", "qty": 1}]})),
        &["Support-Premium", "`request.support_tier` 'premium'"],
    );
}

#[test]
fn a_term_that_is_over_is_not_extended() {
    let longer = || asked(json!({"extend_term_days": 30}));
    is_refused(
        running(longer(), 30 * 24),
        &["`request.extend_term_days`", "over"],
    );
    // What is kept of a TunePod that was deleted tells it as well.
    let mut gone = running(longer(), 1);
    let earlier = json!([{"seq": 0, "from": later(-31 * 24).to_string(), "to": later(-2).to_string(), "gpus": 1, "openedBy": "Ready", "closedBy": "Deleted"}]);
    let order = gone.order.as_mut().unwrap().status.as_mut().unwrap();
    order.instances[0].earlier = serde_json::from_value(earlier).unwrap();
    order.instances[0].earlier_uids = vec!["t".to_owned()];
    is_refused(gone, &["`request.extend_term_days`", "over"]);
    let mut without = longer();
    let order = without.order.as_mut().unwrap().status.as_mut().unwrap();
    let terms = order.pricing_snapshot.as_mut().unwrap().terms.as_mut().unwrap();
    terms.min_term_days = 0;
    is_refused(without, &["sold without a term"]);

    for running in [longer(), running(longer(), 30 * 24 - 1)] {
        let mut seen = running;
        step(&mut seen, now());
        assert_eq!(said(&seen).0, ChangeOrderPhase::Quoted);
    }
}

#[test]
fn a_term_that_ends_on_the_way_is_extended_from_its_end() {
    let mut seen = running(asked(json!({"extend_term_days": 30})), 30 * 24 - 1);
    step(&mut seen, now());
    answer(&mut seen, Answer::Accept);
    for _ in 0..5 {
        step(&mut seen, later(60));
    }
    assert_eq!(said(&seen).0, ChangeOrderPhase::Applied);
    let status = seen.order.unwrap().status.unwrap();
    assert_eq!(changes::promised_days(&status), 60);
    assert_eq!(
        changes::promised_until(&status, &seen.tunepods),
        Some(later(30 * 24 + 1)),
        "not from when it was applied"
    );
}

#[test]
fn nothing_is_accepted_while_the_lines_are_in_doubt() {
    let mut seen = asked(json!({"support_tier": "premium"}));
    step(&mut seen, now());
    answer(&mut seen, Answer::Accept);
    let order = seen.order.as_mut().unwrap().status.as_mut().unwrap();
    order.pricing_snapshot.as_mut().unwrap().lines[1].model = BillingModel::Hourly;
    assert!(step(&mut seen, later(1)).writes.is_empty());
    assert_eq!(said(&seen), is(ChangeOrderPhase::Quoted, "LinesInDoubt"));

    let mut adds = asked(json!({"add": [{"sku": "Support-Basic", "qty": 1}]}));
    adds.order = seen.order;
    is_refused(adds, &["in doubt"]);
}

#[test]
fn a_change_does_not_wait_for_an_order_that_is_gone() {
    let mut asked = asked(json!({"add": [{"sku": "Extra-Public-IP", "qty": 2}]}));
    asked.change.metadata.creation_timestamp = Some(Time(now()));
    let mut early = asked.clone();
    early.order = None;
    step(&mut early, later(71));
    assert_eq!(said(&early), is(ChangeOrderPhase::Requested, "OrderNotFound"));
    step(&mut early, later(72));
    assert_eq!(said(&early), is(ChangeOrderPhase::Rejected, "OrderNotFound"));

    step(&mut asked, now());
    assert_eq!(said(&asked).0, ChangeOrderPhase::NeedsHuman);
    let mut gone = asked.clone();
    gone.order = None;
    let mut another = asked.clone();
    another.order.as_mut().unwrap().metadata.uid = Some("another".to_owned());
    for mut seen in [gone, another] {
        step(&mut seen, later(1));
        assert_eq!(said(&seen), is(ChangeOrderPhase::Rejected, "OrderNotFound"));
    }
    step(&mut asked, later(100));
    assert_eq!(said(&asked).0, ChangeOrderPhase::NeedsHuman, "it is there");
}
