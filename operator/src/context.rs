//! What every reconcile has at hand, and how one fails.

use crate::nodepool::NodePoolProvider;
use crate::public_port::PublicPorts;
use crate::settings::Settings;
use crate::workspace_probe::Prober;
use jiff::Timestamp;
use kube::Client;
use std::sync::Arc;
use trustbridge_kit::apply::Writer;
use trustbridge_kit::clock::Clock;
use trustbridge_kit::controller::{Failure, Shared};

/// What every reconcile has at hand.
pub struct Context {
    /// For reads and watches.
    pub client: Client,
    /// For writes.
    pub writer: Writer,
    /// Node pools.
    pub pools: Arc<dyn NodePoolProvider>,
    /// Control planes.
    pub https: trustbridge_azure::http::Client,
    /// Admin ports of sentinels.
    pub sentinels: trustbridge_azure::http::Client,
    /// Public ports of pods, asked as buyers ask them.
    pub ports: Arc<dyn PublicPorts>,
    /// Workspaces, checked line by line.
    pub workspaces: Arc<dyn Prober>,
    /// What decisions read.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Metrics, health, events.
    pub shared: Shared,
}

impl Context {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Why a reconcile failed. What the outside world refuses is no failure: it becomes a condition.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the API server.
    #[error(transparent)]
    Api(#[from] trustbridge_kit::apply::Error),
    /// A certificate could not be made.
    #[error("a certificate of port 8000 cannot be made: {0}")]
    Issue(#[from] trustbridge_issuer::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a token; it is tried again")]
    NoRandom,
    /// Others write what is being written, again and again.
    #[error("{0} is changed by somebody else again and again; it is looked at again")]
    Unsettled(&'static str),
}

impl Failure for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Api(error) => error.category(),
            Self::Issue(_) => "certificate",
            Self::NoRandom => "random",
            Self::Unsettled(_) => "conflict",
        }
    }

    fn lost_race(&self) -> bool {
        match self {
            Self::Api(error) => error.lost_race(),
            Self::Issue(_) | Self::NoRandom | Self::Unsettled(_) => false,
        }
    }
}
