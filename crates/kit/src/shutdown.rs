//! The end of the process as a value that can be cloned and awaited.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true once, when the process is asked to end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Ends what holds the matching [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks for the end. Asking twice is asking once.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

/// A trigger and what it triggers.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (tx, rx) = watch::channel(false);
    (Trigger(tx), Shutdown(rx))
}

/// A [`Shutdown`] that SIGTERM and SIGINT trigger.
pub fn on_signals() -> std::io::Result<Shutdown> {
    let (trigger, shutdown) = channel();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
        tracing::info!("asked to end; finishing what runs");
        trigger.fire();
    });
    Ok(shutdown)
}

impl Shutdown {
    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the end to be asked for; a lost trigger counts as asking.
    pub async fn requested(mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_it() {
        let (trigger, shutdown) = channel();
        let other = shutdown.clone();
        assert!(!shutdown.is_requested());
        trigger.fire();
        shutdown.requested().await;
        other.requested().await;
    }
}
