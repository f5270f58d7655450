//! Ctrl-C and SIGTERM: long work looks at a flag and leaves through its clean-up; a second signal ends at once.
//! That one leaves a temporary where one was written, which the next run of the same command takes away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Exit, Failure};

/// A signal came.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// The next signal ends the process at once.
static EXIT_AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Watches the signals for the rest of the process.
pub(crate) fn watch() -> Result<(), Failure> {
    let code = i32::from(Exit::Interrupted.word_and_code().1);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the second signal finds the flag set and exits, the first one only sets it.
        flag::register_conditional_shutdown(signal, code, EXIT_AT_ONCE.clone())
            .and_then(|_| flag::register(signal, EXIT_AT_ONCE.clone()))
            .and_then(|_| flag::register(signal, INTERRUPTED.clone()))
            .map_err(|e| Failure::new(Exit::Io, format!("watching for signal {signal}: {e}")))?;
    }
    Ok(())
}

/// Whether a signal came.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// An error once a signal came: `?` at each step of long work.
pub(crate) fn check() -> Result<(), Failure> {
    if requested() {
        return Err(Failure::interrupted());
    }
    Ok(())
}

/// Waits for somebody outside, such as a person who types: nobody looks at the flag meanwhile and there is
/// nothing to clean up, so the first signal ends the process.
pub(crate) fn while_waiting<T>(wait: impl FnOnce() -> T) -> T {
    EXIT_AT_ONCE.store(true, Ordering::Relaxed);
    let result = wait();
    EXIT_AT_ONCE.store(requested(), Ordering::Relaxed);
    result
}

/// Ends when a signal came, for `tokio::select!`.
pub(crate) async fn requested_async() {
    while !requested() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
