//! The end of a pod: intent, drain, last pages, deletion; and what is said when it went too early.

use super::*;
use crate::controllers::execute::Outcome;
use crate::controllers::tunepod::conclude::conclude;
use crate::controllers::tunepod::heartbeat::LeaseSight;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn deletes(plan: &Plan<TunePodStatus>) -> bool {
    plan.writes.iter().any(|write| matches!(write, Write::Delete(..)))
}

/// The end was asked for and written down.
fn ending() -> Observed {
    let mut seen = serving(Phase::Ready);
    seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
    assert!(
        !ask(&seen, now()).unwrap().is_ending,
        "nothing is drained before it is written down"
    );
    let plan = decide(&seen, now());
    assert_eq!(plan.status.phase, Phase::Draining);
    assert!(plan.status.usage.as_ref().unwrap().ending_since.is_some());
    assert!(!deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    assert!(ask(&seen, now()).unwrap().is_ending);
    seen
}

/// Neither its beats nor its readiness come through to the API server, and its usage is read all the same.
#[test]
fn a_pod_whose_usage_is_read_served_until_this_look_though_it_beats_no_more() {
    let end_of = |page: Page<Quantities>| {
        let mut seen = serving(Phase::Ready);
        let pod = seen.pod.as_mut().unwrap();
        (pod.is_ready, pod.created) = (false, Some(later(-60)));
        seen.lease = LeaseSight::Renewed(Some(later(100)));
        seen.heard = heard(Answer::Page(page, true));
        let status = decide(&seen, later(3600)).status;
        status.intervals.last().unwrap().to.clone().unwrap().0
    };
    assert_eq!(end_of(page(vec![])), later(3600));
    let of_another = Page {
        pod: "pod-2".to_owned(),
        ..page(vec![])
    };
    assert_eq!(end_of(of_another), later(100));
}

#[test]
fn the_pod_goes_once_it_was_read_to_its_end() {
    let mut seen = ending();
    // The last interval is read.
    seen.heard = heard(Answer::Page(page(vec![record(1, 0)]), true));
    seen.heard.is_drained = true;
    let day = due(&seen);
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, now());
    assert_eq!(books(&plan).total.completion_tokens, Some(2));
    assert!(!deletes(&plan) && !plan.status.usage.as_ref().unwrap().closed);
    seen.tunepod.status = Some(plan.status);
    // An empty page of a sentinel that still serves closes nothing.
    seen.heard = heard(Answer::Page(page(vec![record(1, 0)]), true));
    let plan = decide(&seen, now());
    assert!(!plan.status.usage.as_ref().unwrap().closed);
    assert_eq!(plan.requeue, super::super::ENDING);
    // An empty page of one that is drained does; that is written down before the pod goes.
    seen.heard.is_drained = true;
    let plan = decide(&seen, now());
    assert!(plan.status.usage.as_ref().unwrap().closed && !deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    assert!(ask(&seen, now()).is_none(), "nobody is asked any more");
    seen.heard = Heard::default();
    assert!(deletes(&decide(&seen, now())));
    seen.pod = None;
    let plan = decide(&seen, now());
    assert!(
        plan.books.is_empty() && plan.status.phase == Phase::Wiping,
        "nothing is lost"
    );
}

#[test]
fn a_silent_sentinel_holds_up_the_end_only_so_long_and_the_loss_is_said() {
    let mut seen = ending();
    seen.heard = heard(Answer::Silent);
    seen.tunepod.status = Some(decide(&seen, now()).status);
    let plan = decide(&seen, later(super::super::LAST_WORDS - 1));
    assert!(!deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    let plan = decide(&seen, later(super::super::LAST_WORDS));
    assert!(deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    // It is asked as long as it is there.
    seen.pod = Some(pod(|p| p.is_leaving = true));
    assert!(ask(&seen, later(70)).is_some());
    seen.pod = None;
    seen.heard = Heard::default();
    let day = due(&seen);
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, later(90));
    let book = books(&plan);
    assert!(!book.complete);
    assert_eq!(
        (book.losses[0].reason.as_str(), book.losses[0].after),
        ("UsageLost", 0)
    );
    assert_eq!(said(&plan.status), "False/UsageLost");
    assert_eq!(plan.status.phase, Phase::Wiping, "the end goes on");
    let usage = plan.status.usage.clone().unwrap();
    assert!(usage.closed && usage.losses == 1);
    // A crash before the status was written: the same loss, once.
    seen.heard.record = Some((day, Some(stored(&seen, day, Some(book)))));
    assert!(decide(&seen, later(99)).books.is_empty());
    seen.tunepod.status = Some(plan.status);
    assert!(step(&seen, later(99)).is_none());
}

#[test]
fn a_pod_that_somebody_deletes_is_read_while_it_goes_and_missed_when_it_is_gone() {
    for gone in [
        None,
        Some(pod(|p| p.phase = "Failed".to_owned())),
        Some(pod(|p| p.uid = "pod-2".to_owned())),
        Some(pod(|p| (p.is_leaving, p.gone_by) = (true, Some(now())))),
    ] {
        let mut seen = serving(Phase::Ready);
        seen.pod = Some(pod(|p| p.is_leaving = true));
        assert!(ask(&seen, now()).unwrap().is_ending, "drained and read");
        seen.pod = gone;
        assert!(ask(&seen, now()).is_none());
        assert!(step(&seen, now()).unwrap().entry.unwrap().loss.is_some());
        // Where the pod was not looked for, nothing is known.
        seen.looked_for_pod = false;
        assert!(step(&seen, now()).is_none());
    }
}

#[test]
fn the_next_pod_serves_once_the_usage_of_the_one_before_is_closed() {
    let mut seen = serving(Phase::Degraded);
    seen.pod = Some(pod(|p| p.uid = "pod-2".to_owned()));
    let day = due(&seen);
    seen.heard.record = Some((day, None));
    let plan = decide(&seen, now());
    assert_eq!(
        plan.status.phase,
        Phase::Degraded,
        "the record of the loss is made first"
    );
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, now());
    assert_eq!(plan.status.phase, Phase::Ready);
    let usage = plan.status.usage.unwrap();
    assert_eq!(
        (usage.pod.as_str(), usage.losses, usage.closed),
        ("pod-2", 1, false)
    );
}

#[test]
fn a_record_that_is_refused_moves_nothing_and_holds_up_nothing_else() {
    let mut seen = serving(Phase::Ready);
    seen.heard = heard(Answer::Page(page(vec![record(1, 0)]), true));
    seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
    let day = due(&seen);
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let refused = Outcome {
        unrecorded: Some("the namespace is being terminated".to_owned()),
        ..Outcome::default()
    };
    let plan = conclude(&seen, decide(&seen, now()), refused, now());
    assert_eq!(plan.status.phase, Phase::Draining);
    assert_eq!(said(&plan.status), "False/UsageUnwritable");
    let usage = plan.status.usage.unwrap();
    assert_eq!((usage.seq, usage.hash), (0, None), "nothing will be acknowledged");
    assert!(usage.ending_since.is_some(), "the end began all the same");
}

/// What is heard, and whether its UsageRecord can be written.
fn hears(seen: &mut Observed, answer: Answer, is_drained: bool) {
    seen.heard = heard(answer);
    seen.heard.is_drained = is_drained;
    if let Some(day) = step(seen, now()).and_then(|next| next.entry).map(|e| e.day) {
        seen.heard.record = Some((day, Some(stored(seen, day, None))));
    }
}

#[test]
fn a_sentinel_that_answers_and_is_not_done_is_waited_for_up_to_the_longest_end() {
    let more = || Page {
        last: 9,
        more: true,
        ..page(vec![record(1, 0)])
    };
    let cases: [(&str, Answer, bool); 4] = [
        ("more", Answer::Page(more(), true), true),
        ("serves on", Answer::Page(page(vec![]), true), false),
        ("new", Answer::Page(page(vec![record(1, 0)]), true), true),
        ("fails", Answer::Unreadable("503: no".to_owned()), false),
    ];
    for (what, answer, is_drained) in cases {
        let mut seen = ending();
        hears(&mut seen, answer, is_drained);
        for after in [60, 61, 600, super::super::LONGEST_END - 1] {
            let plan = decide(&seen, later(after));
            assert!(!deletes(&plan), "{what} after {after} s");
            assert!(!plan.status.usage.unwrap().closed, "{what}");
        }
        let plan = decide(&seen, later(super::super::LONGEST_END));
        assert!(deletes(&plan), "{what}: no end waits for ever");
    }
}

#[test]
fn a_pod_whose_records_are_refused_at_first_stays_until_they_are_stored() {
    let mut seen = ending();
    usage(&mut seen, |u| u.unanswered_since = Some(Time(now())));
    hears(&mut seen, Answer::Page(page(vec![record(1, 0)]), true), true);
    for after in [1, 30, 61, 90] {
        let refused = Outcome {
            unrecorded: Some("the quota is used up".to_owned()),
            ..Outcome::default()
        };
        let plan = decide(&seen, later(after));
        assert!(!deletes(&plan), "after {after} s");
        seen.tunepod.status = Some(conclude(&seen, plan, refused, later(after)).status);
        assert_eq!(written(&seen).seq, 0, "nothing is acknowledged");
        assert_eq!(written(&seen).unanswered_since, None, "it answers");
    }
    let plan = decide(&seen, later(120));
    assert_eq!(books(&plan).total.completion_tokens, Some(2));
    assert!(!deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    hears(&mut seen, Answer::Page(page(vec![record(1, 0)]), true), true);
    let plan = decide(&seen, later(122));
    assert!(plan.status.usage.as_ref().unwrap().closed && !deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    seen.heard = Heard::default();
    assert!(
        deletes(&decide(&seen, later(124))),
        "at once, and nothing is lost"
    );
}

#[test]
fn time_in_which_the_operator_was_down_is_no_silence_of_the_sentinel() {
    let mut seen = ending();
    // Nobody asked for two minutes; then one answer is lost.
    seen.heard = heard(Answer::Silent);
    let plan = decide(&seen, later(120));
    assert!(!deletes(&plan));
    seen.tunepod.status = Some(plan.status);
    assert!(!deletes(&decide(&seen, later(179))));
    assert!(deletes(&decide(&seen, later(180))));
    // It answers again: whatever silence there was is over.
    hears(&mut seen, Answer::Page(page(vec![record(1, 0)]), true), true);
    let plan = decide(&seen, later(180));
    assert!(!deletes(&plan));
    assert_eq!(plan.status.usage.unwrap().unanswered_since, None);
    // One that falls silent again and again ends all the same.
    usage(&mut seen, |u| u.unanswered_since = None);
    seen.heard = heard(Answer::Silent);
    assert!(deletes(&decide(&seen, later(super::super::LONGEST_END))));
}

#[test]
fn silence_from_before_the_end_and_usage_that_is_never_taken_are_given_the_last_words() {
    let mut silent = ending();
    usage(&mut silent, |u| u.unanswered_since = Some(Time(later(-3600))));
    silent.heard = heard(Answer::Silent);
    let mut foreign = ending();
    let other = Page {
        pod: "pod-2".to_owned(),
        ..page(vec![record(1, 0)])
    };
    foreign.heard = heard(Answer::Page(other, true));
    let mut unasked = ending();
    unasked.heard = Heard::default();
    for seen in [silent, foreign, unasked] {
        assert!(!deletes(&decide(&seen, later(59))));
        assert!(deletes(&decide(&seen, later(60))));
    }
}

/// Whether the plan lets the TunePod go.
fn lets_go(plan: &Plan<TunePodStatus>) -> bool {
    plan.writes.iter().any(|w| matches!(w, Write::Finalizers(..)))
}

#[test]
fn a_tunepod_stays_until_its_loss_is_stored_but_not_for_ever() {
    let mut seen = serving(Phase::Wiped);
    seen.pod = None;
    seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
    usage(&mut seen, |u| u.ending_since = Some(Time(later(-600))));
    let day = due(&seen);
    // The record cannot be made.
    seen.heard.record = Some((day, None));
    let refused = Outcome {
        unrecorded: Some("the quota is used up".to_owned()),
        ..Outcome::default()
    };
    let plan = conclude(&seen, decide(&seen, later(1)), refused, later(1));
    assert!(!lets_go(&plan) && plan.requeue <= super::super::SILENT);
    assert_eq!(said(&plan.status), "False/UsageUnwritable");
    // The bound is over, or the namespace takes no record any more.
    assert!(!lets_go(&decide(&seen, later(super::super::LONGEST_END - 1))));
    assert!(lets_go(&decide(&seen, later(super::super::LONGEST_END))));
    let mut leaving = seen.clone();
    leaving.is_namespace_leaving = true;
    assert!(lets_go(&decide(&leaving, later(1))));
    // It can: the loss is stored and written down, and then the TunePod goes.
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, later(1));
    assert!(!books(&plan).complete && !lets_go(&plan));
    seen.tunepod.status = Some(plan.status);
    seen.heard = Heard::default();
    assert!(lets_go(&decide(&seen, later(2))));
}
