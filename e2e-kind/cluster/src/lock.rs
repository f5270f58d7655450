//! A lock between two harnesses; the kernel lets go of it when its holder dies.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::progress::Progress;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock, saying so when another holds it, and waiting for it.
    pub fn take(path: &Path, what: &str, progress: &Progress) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file =
            File::create(path).with_context(|| format!("cannot open the lock {}", path.display()))?;
        let mut said = false;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((file, Errno::EWOULDBLOCK)) => file,
                Err((_, error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            };
            if !said {
                progress.say(&format!("another {what} is under way; waiting for it"));
                said = true;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }
}
