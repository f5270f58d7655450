use super::*;

fn edges(next: impl Iterator<Item = usize>) -> usize {
    next.sum()
}

/// States, legal edges, and ordered pairs of distinct states that are refused.
macro_rules! count {
    ($phase:ident) => {{
        let all = $phase::ALL;
        let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        let (legal, illegal): (Vec<_>, Vec<_>) = pairs
            .filter(|(from, to)| from != to)
            .partition(|(from, to)| from.may_become(*to));
        // Every edge of the table leads to another state, once: a doubled or looping one would be missed above.
        assert_eq!(legal.len(), edges(all.iter().map(|p| p.next().len())));
        println!(
            "{:>16}: {:>2} states, {:>2} legal edges, {:>3} illegal pairs",
            stringify!($phase),
            all.len(),
            legal.len(),
            illegal.len()
        );
        (all.len(), legal.len(), illegal.len())
    }};
}

#[test]
fn legal_and_illegal_edges_are_those_of_the_documents() {
    let counts = [
        count!(QuotePhase),
        count!(OrderPhase),
        count!(ChangeOrderPhase),
        count!(TunePodPhase),
        count!(InvoicePhase),
    ];
    assert_eq!(
        counts,
        [
            (10, 12, 78),
            (10, 14, 76),
            (10, 12, 78),
            (12, 28, 104),
            (6, 10, 20)
        ]
    );
    let sum = |of: fn(&(usize, usize, usize)) -> usize| counts.iter().map(of).sum::<usize>();
    let (legal, illegal) = (sum(|c| c.1), sum(|c| c.2));
    println!("together: {legal} legal, {illegal} illegal");
    assert_eq!((legal, illegal), (76, 356));
    assert_eq!(count!(TerminationPhase), (7, 6, 36));
    // The documents have the messages of these two and no states.
    assert_eq!(count!(TicketPhase), (6, 14, 16));
    assert_eq!(count!(IncidentPhase), (2, 1, 1));
}

#[test]
fn a_closed_ticket_never_opens_and_a_solved_one_may_only_be_worked_on_again() {
    assert!(TicketPhase::Closed.is_terminal());
    assert_eq!(
        TicketPhase::Resolved.next(),
        &[TicketPhase::InProgress, TicketPhase::Closed]
    );
    // Nothing is worked on or solved before somebody said that it was read.
    assert_eq!(
        TicketPhase::Open.next(),
        &[TicketPhase::Acknowledged, TicketPhase::Closed]
    );
}

#[test]
fn a_rule_of_succession_names_its_two_expressions() {
    let rule = IncidentPhase::succession_rule("o.phase", "n.phase");
    assert_eq!(
        rule,
        "n.phase == o.phase || (o.phase == 'Declared' && n.phase in ['Resolved'])"
    );
}

#[test]
fn the_steps_that_run_today_are_steps_of_the_end_in_their_order() {
    let all: Vec<&str> = TerminationPhase::ALL.iter().map(|p| p.as_str()).collect();
    let places: Vec<usize> = crate::termination::TerminationStep::ALL
        .iter()
        .map(|step| {
            let word = format!("{step:?}");
            all.iter()
                .position(|p| *p == word)
                .unwrap_or_else(|| panic!("{word} is no step"))
        })
        .collect();
    assert!(places.windows(2).all(|w| w[0] < w[1]), "{places:?}");
}

#[test]
fn an_issued_invoice_never_goes_back_and_a_failed_wipe_never_ends() {
    assert!(!InvoicePhase::Issued.may_become(InvoicePhase::Draft));
    assert!(!InvoicePhase::Paid.may_become(InvoicePhase::Credited));
    assert!(!TerminationPhase::Wiping.may_become(TerminationPhase::FinalInvoice));
    assert_eq!(
        TerminationPhase::Wiping.next(),
        &[TerminationPhase::EvidenceSigned]
    );
}

#[test]
fn the_edge_counts_are_those_of_the_documents() {
    assert_eq!(edges(QuotePhase::ALL.iter().map(|p| p.next().len())), 12);
    assert_eq!(edges(OrderPhase::ALL.iter().map(|p| p.next().len())), 14);
    assert_eq!(QuotePhase::ALL.len(), 10);
    assert_eq!(OrderPhase::ALL.len(), 10);
    assert_eq!(TunePodPhase::ALL.len(), 12);
    // 28 edges: 17 of the working life, nine ways into Draining, two from there to the end.
    assert_eq!(edges(TunePodPhase::ALL.iter().map(|p| p.next().len())), 28);
}

#[test]
fn every_state_can_be_reached_and_ends_stay_ends() {
    for phase in TunePodPhase::ALL {
        assert!(phase.may_become(*phase));
        let reached = *phase == TunePodPhase::default()
            || TunePodPhase::ALL.iter().any(|from| from.next().contains(phase));
        assert!(reached, "{phase} cannot be reached");
    }
    assert!(TunePodPhase::Wiped.is_terminal());
    assert!(!TunePodPhase::Wiped.may_become(TunePodPhase::Ready));
}

#[test]
fn the_cel_rule_names_each_edge_once() {
    let rule = OrderPhase::transition_rule();
    assert!(rule.starts_with("self == oldSelf"));
    assert!(rule.contains("(oldSelf == 'Terminating' && self in ['Terminated'])"));
    assert!(!rule.contains("oldSelf == 'Terminated'"));
}
