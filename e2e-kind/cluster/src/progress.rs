//! Progress on stderr: what is being done, and how long it took.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A step that takes longer than this says so, again and again.
const REMIND: Duration = Duration::from_secs(10);

/// The clock of one command.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Progress {
    /// Prints one line with the time since the start.
    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.started.elapsed().as_secs_f64());
    }

    /// Seconds since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs one step, reminding of it while it lasts, and prints how long it took.
    pub fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let result = thread::scope(|scope| {
            let (done, waiting) = channel::<()>();
            scope.spawn(move || {
                while waiting.recv_timeout(REMIND) == Err(RecvTimeoutError::Timeout) {
                    self.say(&format!("  … {name}: {} s", begun.elapsed().as_secs()));
                }
            });
            let result = work();
            drop(done);
            result
        });
        let seconds = begun.elapsed().as_secs_f64();
        match &result {
            Ok(_) => self.say(&format!("✓ {name} ({seconds:.1} s)")),
            Err(_) => self.say(&format!("✗ {name} ({seconds:.1} s)")),
        }
        result
    }
}
