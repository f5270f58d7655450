//! The end, step by step, and what it cost.

use super::*;

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
    seen.owes_invoices = true;
    let billing = decide(&seen, later(7400)).status;
    assert_eq!(billing.phase, OrderPhase::Terminating);
    let step = billing.termination_steps.last().unwrap();
    assert_eq!(
        (step.step, &step.finished_at),
        (TerminationStep::FinalInvoice, &None)
    );
    seen.owes_invoices = false;
    seen.order.status = Some(billing);
    let closed = decide(&seen, later(7400)).status;
    assert_eq!(closed.phase, OrderPhase::Terminated);
    let steps: Vec<_> = closed.termination_steps.iter().map(|s| s.step).collect();
    assert_eq!(
        steps,
        [
            TerminationStep::Draining,
            TerminationStep::FinalMeter,
            TerminationStep::Wiping,
            TerminationStep::FinalInvoice,
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

#[test]
fn a_workspace_is_not_ended_before_its_export_is_over() {
    let ending = |days: Option<u32>, is_confirmed: bool, was_of_use: bool| {
        let mut seen = in_phase(OrderPhase::Active);
        seen.order.spec.mode = Mode::ByoWorkspace;
        seen.order.spec.termination = Some(Termination {
            data_export_confirmed: is_confirmed,
            ..Termination::default()
        });
        seen.tunepods = vec![tunepod(TunePodPhase::Ready)];
        if was_of_use {
            seen.tunepods[0].status.as_mut().unwrap().intervals = vec![interval(0, 0, None)];
        }
        let snapshot = seen.order.status.as_mut().unwrap().pricing_snapshot.as_mut();
        snapshot.unwrap().terms.as_mut().unwrap().agreed.retention_days = days;
        seen.order.status = Some(decide(&seen, later(10)).status);
        seen
    };
    let asks = |seen: &Observed, second: i64| !decide(seen, later(second)).writes.is_empty();
    let day = 86_400;
    let held = ending(Some(7), false, true);
    assert!(
        !asks(&held, 11) && !asks(&held, 9 + 7 * day),
        "the data is the buyer's"
    );
    assert!(asks(&held, 10 + 7 * day), "and is kept no longer than was agreed");
    assert!(asks(&ending(Some(7), true, true), 11), "confirmed");
    assert!(asks(&ending(Some(7), false, false), 11), "never of use");
    assert!(asks(&ending(None, false, true), 11), "nothing was agreed");
}
