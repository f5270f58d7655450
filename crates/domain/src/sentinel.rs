//! The states of the sentinel, from boot to ready or suspended (spec section 7.1).
//!
//! ```text
//! Boot -> Authorize -> Hydrate -> Decrypt <-> Ready
//!            |            |          |          |
//!            +------------+----------+----------+--> Suspended
//! ```
//!
//! The state shown is the earliest unfinished stage: files are offered while their ciphertext still lands, and that
//! is [`Hydrate`](State::Hydrate). [`Ready`](State::Ready) needs three facts: the digest of every file stands; every
//! file was read to its end with the right number of bytes; and after both the runtime said that it is
//! healthy (what it said before was about an earlier load). The second or the third lost means back to
//! [`Decrypt`](State::Decrypt). [`Suspended`](State::Suspended) is left by a new
//! start of the process only. `Training` will be a neighbour of `Ready`, as `Decrypt` is: entered from it and
//! left to it, with the public port answering 503.
//!
//! [`step`] is total: an event that a state does not wait for (a late message of a task that was cancelled)
//! changes nothing and asks for nothing.

pub mod heartbeat;

use serde::{Deserialize, Serialize};

/// Where the sentinel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Settings are read, leftovers in memory are removed.
    Boot,
    /// The control plane is being asked.
    Authorize,
    /// Ciphertext is being fetched and verified, and read as far as it has landed.
    Hydrate(Offer),
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

/// How far delivery has come while ciphertext lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Offer {
    /// Nothing is offered: what will land is not known yet, or is being fetched anew.
    None,
    /// The files are offered; whoever reads them gets what has landed, and no file's last chunk before its digest stands.
    Open,
    /// Every file was read to its end. Only what hydration does after the last digest is awaited.
    Taken,
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
    /// The manifest and the key stand and every file has its place: ciphertext begins to land.
    Described,
    /// A blob is another one than when its transfer began, or what had landed is damaged: it is fetched anew.
    Changed,
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
    /// Stop the writers, remove what lies in memory and the ready signal; hydration and the key stay.
    Withdraw,
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
            Self::Hydrate(_) => "Hydrate",
            Self::Decrypt { .. } => "Decrypt",
            Self::Ready => "Ready",
            Self::Suspended(_) => "Suspended",
        }
    }

    /// Every name, in the order of the stages.
    pub const NAMES: [&'static str; 6] = ["Boot", "Authorize", "Hydrate", "Decrypt", "Ready", "Suspended"];

    /// Whether the runtime may be started: the files are offered, and it loads as they land. What lands slowly, it waits
    /// for; whoever counts its time gives it that of the transfer as well, as the webhook does.
    #[must_use]
    pub const fn is_started(self) -> bool {
        matches!(
            self,
            Self::Hydrate(Offer::Open | Offer::Taken) | Self::Decrypt { .. } | Self::Ready
        )
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
        (State::Authorize, Event::Authorized) => (State::Hydrate(Offer::None), vec![Effect::Hydrate]),
        (State::Hydrate(offer), event) => hydrate(offer, event),
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

/// While ciphertext lands: delivery runs beside it, and never ahead of it.
fn hydrate(offer: Offer, event: Event) -> (State, Vec<Effect>) {
    match (offer, event) {
        (Offer::None, Event::Described) => (State::Hydrate(Offer::Open), vec![Effect::Deliver]),
        // Plaintext of the blob that is given up must not be taken for the other one's.
        (Offer::Open | Offer::Taken, Event::Changed) => (State::Hydrate(Offer::None), vec![Effect::Withdraw]),
        (Offer::Taken, Event::DeliveryBegan) => (State::Hydrate(Offer::Open), Vec::new()),
        (Offer::Open, Event::Delivered) => (State::Hydrate(Offer::Taken), Vec::new()),
        (Offer::Open, Event::Hydrated) => (State::Decrypt { delivered: false }, Vec::new()),
        (Offer::Taken, Event::Hydrated) => (State::Decrypt { delivered: true }, Vec::new()),
        _ => (State::Hydrate(offer), Vec::new()),
    }
}

fn suspend(cause: Cause) -> (State, Vec<Effect>) {
    (
        State::Suspended(cause),
        vec![Effect::CloseDelivery, Effect::Report],
    )
}

#[cfg(test)]
mod tests;
