//! The states of the sentinel, from boot to ready or suspended (spec section 7.1).
//!
//! ```text
//! Boot -> Authorize -> Hydrate -> Decrypt <-> Ready
//!            |            |          |          |
//!            +------------+----------+----------+--> Suspended
//! ```
//!
//! The state shown is the earliest unfinished stage. [`Ready`](State::Ready) needs two facts, in this order:
//! every file was read to its end with the right number of bytes, and after that the runtime said that it is
//! healthy (what it said before was about an earlier load). Either of them lost means back to
//! [`Decrypt`](State::Decrypt). [`Suspended`](State::Suspended) is left by a new
//! start of the process only. `Training` will be a neighbour of `Ready`, as `Decrypt` is: entered from it and
//! left to it, with the public port answering 503.
//!
//! [`step`] is total: an event that a state does not wait for (a late message of a task that was cancelled)
//! changes nothing and asks for nothing.

use serde::{Deserialize, Serialize};

/// Where the sentinel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Settings are read, leftovers in memory are removed.
    Boot,
    /// The control plane is being asked.
    Authorize,
    /// Ciphertext is being fetched and verified.
    Hydrate,
    /// The writers offer plaintext; the runtime loads.
    Decrypt {
        /// Every file was read to its end, its byte count verified; only the runtime's health is awaited.
        delivered: bool,
    },
    /// The public port serves.
    Ready,
    /// Nothing is served any more, until the process starts anew.
    Suspended(Cause),
}

/// Why the sentinel is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The control plane, or the blob store in spite of a fresh authorisation, said no.
    Denied,
    /// The authorisation ran out and could not be renewed.
    Expired,
    /// Bytes, digests, keys or assets are not the ones that were promised.
    Integrity,
    /// What is used can no longer be billed: the metering service refuses, or was out of reach for too long.
    Billing,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The process is set up.
    Started,
    /// The control plane authorised.
    Authorized,
    /// Every ciphertext file is complete and its digest stands.
    Hydrated,
    /// A reader opened one of the files.
    DeliveryBegan,
    /// The last stream of every file ended with the right number of bytes, all of them read.
    Delivered,
    /// The runtime answers 200 to the health question.
    RuntimeHealthy,
    /// The runtime does not.
    RuntimeUnhealthy,
    /// The control plane or the blob store refuses for good.
    Denied,
    /// The authorisation ran out and every attempt to renew it failed.
    LicenseExpired,
    /// A digest, tag, length, key or asset is wrong.
    IntegrityFailed,
    /// What is used can no longer be billed.
    MeteringRefused,
    /// The budget of a stage is used up; another start may do better.
    GaveUp,
}

/// What has to be done because of it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Ask the control plane.
    Authorize,
    /// Fetch and verify the ciphertext.
    Hydrate,
    /// Offer the files, then write the ready signal, then watch the runtime's health.
    Deliver,
    /// Bind the public port. It is bound once and stays bound.
    OpenPublic,
    /// Stop the writers, remove what lies in memory and the ready signal, forget the key.
    CloseDelivery,
    /// Write state and reason where the kubelet picks them up.
    Report,
    /// End the process with a failure, so that it is started again with back-off.
    Exit,
}

impl State {
    /// The state's name without what it carries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "Boot",
            Self::Authorize => "Authorize",
            Self::Hydrate => "Hydrate",
            Self::Decrypt { .. } => "Decrypt",
            Self::Ready => "Ready",
            Self::Suspended(_) => "Suspended",
        }
    }

    /// Every name, in the order of the stages.
    pub const NAMES: [&'static str; 6] = ["Boot", "Authorize", "Hydrate", "Decrypt", "Ready", "Suspended"];

    /// Whether the runtime may start: the files are offered.
    #[must_use]
    pub const fn is_started(self) -> bool {
        matches!(self, Self::Decrypt { .. } | Self::Ready)
    }

    /// Whether requests are forwarded.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl Cause {
    /// A stable word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "license_expired",
            Self::Integrity => "integrity",
            Self::Billing => "billing",
        }
    }

    /// The HTTP status with which a port that was open before answers now.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Denied | Self::Expired => 403,
            Self::Integrity => 503,
            Self::Billing => 402,
        }
    }
}

/// The next state and what to do, in order.
#[must_use]
pub fn step(state: State, event: Event) -> (State, Vec<Effect>) {
    match (state, event) {
        (State::Suspended(_), _) => (state, Vec::new()),
        (_, Event::Denied) => suspend(Cause::Denied),
        (_, Event::LicenseExpired) => suspend(Cause::Expired),
        (_, Event::IntegrityFailed) => suspend(Cause::Integrity),
        (_, Event::MeteringRefused) => suspend(Cause::Billing),
        (_, Event::GaveUp) => (state, vec![Effect::CloseDelivery, Effect::Report, Effect::Exit]),
        (State::Boot, Event::Started) => (State::Authorize, vec![Effect::Authorize]),
        (State::Authorize, Event::Authorized) => (State::Hydrate, vec![Effect::Hydrate]),
        (State::Hydrate, Event::Hydrated) => (State::Decrypt { delivered: false }, vec![Effect::Deliver]),
        // A runtime that reads its weights again is not the one that was found healthy.
        (State::Decrypt { .. } | State::Ready, Event::DeliveryBegan) => {
            (State::Decrypt { delivered: false }, Vec::new())
        }
        (State::Decrypt { .. }, Event::Delivered) | (State::Ready, Event::RuntimeUnhealthy) => {
            (State::Decrypt { delivered: true }, Vec::new())
        }
        (State::Decrypt { delivered: true }, Event::RuntimeHealthy) => {
            (State::Ready, vec![Effect::OpenPublic])
        }
        _ => (state, Vec::new()),
    }
}

fn suspend(cause: Cause) -> (State, Vec<Effect>) {
    (
        State::Suspended(cause),
        vec![Effect::CloseDelivery, Effect::Report],
    )
}

#[cfg(test)]
mod tests {
    use super::{Cause, Effect, Event, State, step};

    const EVENTS: [Event; 12] = [
        Event::Started,
        Event::Authorized,
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
    const LOADING: State = State::Decrypt { delivered: false };
    const DELIVERED: State = State::Decrypt { delivered: true };
    const DENIED: State = State::Suspended(Cause::Denied);
    const EXPIRED: State = State::Suspended(Cause::Expired);
    const INTEGRITY: State = State::Suspended(Cause::Integrity);
    const UNPAID: State = State::Suspended(Cause::Billing);

    /// Every state that a run can be in.
    const STATES: [State; 10] = [
        State::Boot,
        State::Authorize,
        State::Hydrate,
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
    fn table() -> [(State, [State; 12]); 10] {
        use State::{Authorize as A, Boot as B, Hydrate as H, Ready as R};
        const N: State = LOADING;
        const D: State = DELIVERED;
        const X: State = DENIED;
        const E: State = EXPIRED;
        const I: State = INTEGRITY;
        const U: State = UNPAID;
        [
            //   Started Author. Hydrat. Began Deliv. Healthy Ill  Denied Expired Integr. Unpaid GaveUp
            (B, [A,      B,      B,      B,    B,     B,      B,   X,     E,      I,      U,     B]),
            (A, [A,      H,      A,      A,    A,     A,      A,   X,     E,      I,      U,     A]),
            (H, [H,      H,      N,      H,    H,     H,      H,   X,     E,      I,      U,     H]),
            (N, [N,      N,      N,      N,    D,     N,      N,   X,     E,      I,      U,     N]),
            (D, [D,      D,      D,      N,    D,     R,      D,   X,     E,      I,      U,     D]),
            (R, [R,      R,      R,      N,    R,     R,      D,   X,     E,      I,      U,     R]),
            (X, [X,      X,      X,      X,    X,     X,      X,   X,     X,      X,      X,     X]),
            (E, [E,      E,      E,      E,    E,     E,      E,   E,     E,      E,      E,     E]),
            (I, [I,      I,      I,      I,    I,     I,      I,   I,     I,      I,      I,     I]),
            (U, [U,      U,      U,      U,    U,     U,      U,   U,     U,      U,      U,     U]),
        ]
    }

    fn effects(before: State, event: Event, after: State) -> Vec<Effect> {
        match (before, event, after) {
            (State::Suspended(_), ..) => vec![],
            (_, Event::GaveUp, _) => vec![Effect::CloseDelivery, Effect::Report, Effect::Exit],
            (_, _, State::Suspended(_)) => vec![Effect::CloseDelivery, Effect::Report],
            _ if before.as_str() == after.as_str() => vec![],
            (_, _, State::Authorize) => vec![Effect::Authorize],
            (_, _, State::Hydrate) => vec![Effect::Hydrate],
            (State::Hydrate, _, State::Decrypt { .. }) => vec![Effect::Deliver],
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
        // Every sequence of up to six events that move, from Boot: wherever the port opens, all five facts were
        // told, the last one after the one before it.
        let mut worlds = vec![(State::Boot, Vec::<Event>::new())];
        for _ in 0..6 {
            let mut next = Vec::new();
            for (state, told) in worlds {
                for event in EVENTS {
                    let (after, done) = step(state, event);
                    let mut heard = told.clone();
                    heard.push(event);
                    if done.contains(&Effect::OpenPublic) {
                        for fact in [
                            Event::Started,
                            Event::Authorized,
                            Event::Hydrated,
                            Event::Delivered,
                            Event::RuntimeHealthy,
                        ] {
                            assert!(heard.contains(&fact), "{heard:?}");
                        }
                        let loaded = heard.iter().rposition(|event| *event == Event::Delivered);
                        assert!(loaded < Some(heard.len() - 1), "{heard:?}");
                    }
                    // Only what moves is worth following.
                    if after != state {
                        next.push((after, heard));
                    }
                }
            }
            worlds = next;
        }
        assert!(!worlds.is_empty());
    }

    #[test]
    fn names_follow_the_stages() {
        let mut names: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
        names.dedup();
        assert_eq!(names, State::NAMES);
        assert!(!State::Hydrate.is_started() && LOADING.is_started() && !DENIED.is_started());
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
}
