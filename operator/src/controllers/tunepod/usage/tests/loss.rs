//! A loss that is noticed days after it began.

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

#[test]
fn a_loss_that_is_noticed_days_later_is_told_by_each_day_from_the_last_that_was_recorded() {
    let mut seen = serving(Phase::Draining);
    seen.pod = None;
    usage(&mut seen, |u| {
        (u.seq, u.until) = (3, Some(Time(later(-2 * 86_400))));
    });
    let day = due(&seen);
    let between = day.yesterday().unwrap();
    let first = between.yesterday().unwrap();
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    assert!(!books(&decide(&seen, now())).complete);
    assert!(
        !decide(&seen, now()).status.usage.unwrap().closed,
        "earlier days were not looked at"
    );
    // The day between has no record: it is made, and nothing is written down before it is there.
    seen.heard.earlier = vec![(first, Some(stored(&seen, first, None))), (between, None)];
    let plan = decide(&seen, now());
    assert!(matches!(&plan.books[1], Write::Create(_, made)
        if made.target.name == name(&seen.tunepod, "acme", between)));
    assert!(!plan.status.usage.as_ref().unwrap().closed && plan.requeue <= super::super::MORE);
    seen.heard.earlier[1].1 = Some(stored(&seen, between, None));
    let plan = decide(&seen, now());
    let writes: Vec<_> = plan.books.iter().map(written_status).collect();
    let names = [first, between, day].map(|day| name(&seen.tunepod, "acme", day));
    assert_eq!(
        writes.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        names.each_ref()
    );
    assert!(
        writes
            .iter()
            .all(|(_, s)| !s.complete && s.losses == writes[0].1.losses)
    );
    let usage = plan.status.usage.unwrap();
    assert_eq!(
        (usage.losses, usage.record, usage.closed),
        (1, Some(names[2].clone()), true)
    );
    // A crash between them: each is written once.
    seen.heard.earlier = vec![
        (first, Some(stored(&seen, first, Some(writes[0].1.clone())))),
        (between, Some(stored(&seen, between, Some(writes[1].1.clone())))),
    ];
    let only = decide(&seen, later(9));
    assert_eq!(books(&only).losses.len(), 1);
    seen.heard.record = Some((day, Some(stored(&seen, day, Some(writes[2].1.clone())))));
    assert!(decide(&seen, later(9)).books.is_empty());
}

fn written_status(write: &Write) -> (String, UsageRecordStatus) {
    let Write::Status(_, write) = write else {
        panic!("a write of a status: {write:?}")
    };
    let status = serde_json::from_value(write.status.clone()).unwrap();
    (write.target.name.clone(), status)
}

#[test]
fn a_pod_that_was_never_read_is_missing_since_it_began_to_serve() {
    let mut seen = serving(Phase::Ready);
    seen.pod = None;
    let since = later(-40 * 86_400);
    seen.tunepod.status.as_mut().unwrap().intervals[0].from = Time(since);
    let entry = step(&seen, now()).unwrap().entry.unwrap();
    let days: Vec<_> = entry.earlier(began(&seen)).iter().map(|e| e.day).collect();
    assert_eq!(
        (days.len(), days.last().copied()),
        (31, due(&seen).yesterday().ok())
    );
    assert!(entry.earlier(None).is_empty());
}
