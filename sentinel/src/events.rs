//! How tasks tell the state machine what happened.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use trustbridge_domain::sentinel::Event;

/// What happened and why, for people and programs.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) event: Event,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The sending end. Unbounded: every event is the end or the beginning of something, none comes in bulk.
#[derive(Clone, Debug)]
pub(crate) struct Events(UnboundedSender<Happened>);

impl Events {
    pub(crate) fn channel() -> (Self, UnboundedReceiver<Happened>) {
        let (send, receive) = unbounded_channel();
        (Self(send), receive)
    }

    pub(crate) fn send(&self, event: Event) {
        self.send_because(event, "", "");
    }

    /// Nobody listens any more when the process is ending; then nothing is left to be told.
    pub(crate) fn send_because(&self, event: Event, reason: &str, message: &str) {
        let _ = self.0.send(Happened {
            event,
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
    }
}
