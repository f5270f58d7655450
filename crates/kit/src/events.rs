//! Events by one recorder for the whole process: its memory is what joins repeats into a series.

use crate::client::words;
use crate::conditions::cut;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use std::time::Duration;
use trustbridge_api::condition::Reason;

/// Time for one event to be written.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An event that a decision wants to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look.
    pub warning: bool,
    /// The same word as in the condition.
    pub reason: Reason,
    /// What was done. Example: `Provision`.
    pub action: &'static str,
    /// For people.
    pub message: String,
}

/// Publishes notes; shared by all controllers of a process.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// A recorder that reports as `controller` from `instance`.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self(Recorder::new(client, reporter))
    }

    /// Publishes `note` about `object`. An event is a courtesy: failing to write one is logged, never fatal.
    pub async fn publish(&self, object: &ObjectReference, note: &Note) {
        let event = Event {
            type_: if note.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: note.reason.as_str().to_owned(),
            note: Some(cut(&note.message)),
            action: note.action.to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(TIMEOUT, self.0.publish(&event, object)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                error = words(&error),
                reason = note.reason.as_str(),
                "event not written"
            ),
            Err(_) => tracing::warn!(reason = note.reason.as_str(), "event not written within 5 s"),
        }
    }
}
