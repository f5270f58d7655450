//! The whole table, and what every way to the open port passes.

use super::{Cause, Effect, Event, Offer, State, step};

const EVENTS: [Event; 14] = [
    Event::Started,
    Event::Authorized,
    Event::Described,
    Event::Changed,
    Event::Hydrated,
    Event::DeliveryBegan,
    Event::Delivered,
    Event::RuntimeHealthy,
    Event::RuntimeUnhealthy,
    Event::Denied,
    Event::LicenseExpired,
    Event::IntegrityFailed,
    Event::MeteringRefused,
    Event::GaveUp,
];
const FETCHING: State = State::Hydrate(Offer::None);
const OFFERED: State = State::Hydrate(Offer::Open);
const TAKEN: State = State::Hydrate(Offer::Taken);
const LOADING: State = State::Decrypt { delivered: false };
const DELIVERED: State = State::Decrypt { delivered: true };
const DENIED: State = State::Suspended(Cause::Denied);
const EXPIRED: State = State::Suspended(Cause::Expired);
const INTEGRITY: State = State::Suspended(Cause::Integrity);
const UNPAID: State = State::Suspended(Cause::Billing);

/// Every state that a run can be in.
const STATES: [State; 12] = [
    State::Boot,
    State::Authorize,
    FETCHING,
    OFFERED,
    TAKEN,
    LOADING,
    DELIVERED,
    State::Ready,
    DENIED,
    EXPIRED,
    INTEGRITY,
    UNPAID,
];

/// The whole table: one row for each state, one column for each event, in the order of `EVENTS`.
#[rustfmt::skip]
fn table() -> [(State, [State; 14]); 12] {
    use State::{Authorize as A, Boot as B, Ready as R};
    const H: State = FETCHING;
    const O: State = OFFERED;
    const T: State = TAKEN;
    const N: State = LOADING;
    const D: State = DELIVERED;
    const X: State = DENIED;
    const E: State = EXPIRED;
    const I: State = INTEGRITY;
    const U: State = UNPAID;
    [
        //   Started Author. Descr. Chang. Hydrat. Began Deliv. Healthy Ill  Denied Expired Integr. Unpaid GaveUp
        (B, [A,      B,      B,     B,     B,      B,    B,     B,      B,   X,     E,      I,      U,     B]),
        (A, [A,      H,      A,     A,     A,      A,    A,     A,      A,   X,     E,      I,      U,     A]),
        (H, [H,      H,      O,     H,     H,      H,    H,     H,      H,   X,     E,      I,      U,     H]),
        (O, [O,      O,      O,     H,     N,      O,    T,     O,      O,   X,     E,      I,      U,     O]),
        (T, [T,      T,      T,     H,     D,      O,    T,     T,      T,   X,     E,      I,      U,     T]),
        (N, [N,      N,      N,     N,     N,      N,    D,     N,      N,   X,     E,      I,      U,     N]),
        (D, [D,      D,      D,     D,     D,      N,    D,     R,      D,   X,     E,      I,      U,     D]),
        (R, [R,      R,      R,     R,     R,      N,    R,     R,      D,   X,     E,      I,      U,     R]),
        (X, [X,      X,      X,     X,     X,      X,    X,     X,      X,   X,     X,      X,      X,     X]),
        (E, [E,      E,      E,     E,     E,      E,    E,     E,      E,   E,     E,      E,      E,     E]),
        (I, [I,      I,      I,     I,     I,      I,    I,     I,      I,   I,     I,      I,      I,     I]),
        (U, [U,      U,      U,     U,     U,      U,    U,     U,      U,   U,     U,      U,      U,     U]),
    ]
}

fn effects(before: State, event: Event, after: State) -> Vec<Effect> {
    match (before, event, after) {
        (State::Suspended(_), ..) => vec![],
        (_, Event::GaveUp, _) => vec![Effect::CloseDelivery, Effect::Report, Effect::Exit],
        (_, _, State::Suspended(_)) => vec![Effect::CloseDelivery, Effect::Report],
        (FETCHING, _, OFFERED) => vec![Effect::Deliver],
        (OFFERED | TAKEN, _, FETCHING) => vec![Effect::Withdraw],
        _ if before.as_str() == after.as_str() => vec![],
        (_, _, State::Authorize) => vec![Effect::Authorize],
        (_, _, FETCHING) => vec![Effect::Hydrate],
        (_, _, State::Ready) => vec![Effect::OpenPublic],
        _ => vec![],
    }
}

#[test]
fn every_state_and_event_is_in_the_table() {
    let table = table();
    assert_eq!(table.map(|(state, _)| state), STATES);
    let mut cells = 0;
    for (before, row) in table {
        for (event, expected) in EVENTS.into_iter().zip(row) {
            let (after, done) = step(before, event);
            assert_eq!(after, expected, "{before:?} + {event:?}");
            assert_eq!(done, effects(before, event, after), "{before:?} + {event:?}");
            cells += 1;
        }
    }
    assert_eq!(cells, STATES.len() * EVENTS.len());
}

#[test]
fn the_public_port_opens_only_after_every_stage() {
    // Every sequence of up to eight events that move, from Boot: wherever the port opens, all six facts were
    // told, the last one after the digests stood and after everything was read.
    let mut worlds = vec![(State::Boot, Vec::<Event>::new())];
    let mut opened = 0;
    for _ in 0..8 {
        let mut next = Vec::new();
        for (state, told) in worlds {
            for event in EVENTS {
                let (after, done) = step(state, event);
                let mut heard = told.clone();
                heard.push(event);
                if done.contains(&Effect::OpenPublic) {
                    opened += 1;
                    for fact in [
                        Event::Started,
                        Event::Authorized,
                        Event::Described,
                        Event::Hydrated,
                        Event::Delivered,
                        Event::RuntimeHealthy,
                    ] {
                        assert!(heard.contains(&fact), "{heard:?}");
                    }
                    let last = |wanted| heard.iter().rposition(|event| *event == wanted);
                    // Whatever was fetched anew was verified and read anew.
                    assert!(last(Event::Changed) < last(Event::Hydrated), "{heard:?}");
                    assert!(last(Event::Changed) < last(Event::Delivered), "{heard:?}");
                    assert!(last(Event::DeliveryBegan) < last(Event::Delivered), "{heard:?}");
                    assert_eq!(last(Event::RuntimeHealthy), Some(heard.len() - 1), "{heard:?}");
                }
                // Only what moves is worth following.
                if after != state {
                    next.push((after, heard));
                }
            }
        }
        worlds = next;
    }
    assert!(opened > 1 && !worlds.is_empty());
}

#[test]
fn names_follow_the_stages() {
    let mut names: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
    names.dedup();
    assert_eq!(names, State::NAMES);
    assert!(
        [OFFERED, TAKEN, LOADING, DELIVERED, State::Ready]
            .iter()
            .all(|state| state.is_started())
    );
    assert!(!FETCHING.is_started() && !DENIED.is_started());
    assert!(State::Ready.is_ready() && !DELIVERED.is_ready());
}

#[test]
fn a_suspended_port_answers_by_cause() {
    assert_eq!(
        [Cause::Denied, Cause::Expired, Cause::Integrity, Cause::Billing].map(Cause::http_status),
        [403, 403, 503, 402]
    );
    assert_eq!(Cause::Denied.as_str(), "denied");
    assert_eq!(Cause::Expired.as_str(), "license_expired");
    assert_eq!(Cause::Integrity.as_str(), "integrity");
    assert_eq!(Cause::Billing.as_str(), "billing");
}
