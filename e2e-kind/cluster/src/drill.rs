//! The crash drill: kills a harness in the middle of `up`, again and again, and sees that `down` leaves nothing.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::layout::Layout;
use crate::progress::Progress;
use crate::status;

/// How long an `up` from the cache takes; crashes are spread over this time.
const SPAN_MS: u64 = 14_000;

/// The moments of the crashes, in milliseconds after the start; the seed makes them repeatable.
#[must_use]
pub fn moments(seed: u64, count: u32) -> Vec<u64> {
    let mut state = seed;
    let mut draw = move || {
        // SplitMix64 (Steele, Lea, Flood 2014): small, and every seed is a good one.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = state;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    };
    (0..count).map(|_| draw() % SPAN_MS).collect()
}

/// Runs the drill. The cluster must be down, and is down afterwards.
pub fn run(layout: &Layout, seed: u64, count: u32, progress: &Progress) -> Result<()> {
    let state = status::local(layout).state;
    ensure!(
        state == "down",
        "the cluster is {state}; the crash drill needs it down: run `tb-cluster down`"
    );
    progress.say(&format!("seed {seed}, {count} crashes"));
    let program = std::env::current_exe()?;
    for (round, moment) in moments(seed, count).into_iter().enumerate() {
        let mut up = Command::new(&program)
            .args(["up", "--no-build"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        thread::sleep(Duration::from_millis(moment));
        // SIGKILL: nothing of the harness runs after this.
        up.kill()?;
        up.wait()?;
        let reached = status::local(layout).state;
        let down = Command::new(&program).arg("down").stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&down.stderr);
        ensure!(
            down.status.success(),
            "crash {round} after {moment} ms: down failed\n{said}"
        );
        ensure!(
            !layout.state().exists(),
            "crash {round} after {moment} ms: {} is still there",
            layout.state().display()
        );
        progress.say(&format!(
            "crash {round:>2} after {moment:>5} ms (state then: {reached}): nothing is left"
        ));
    }
    up_once(&program).context("after the crashes the cluster does not come up")?;
    progress.say("after the crashes the cluster comes up and goes down as ever");
    Ok(())
}

fn up_once(program: &std::path::Path) -> Result<()> {
    for action in [["up", "--no-build"].as_slice(), ["down"].as_slice()] {
        crate::command::run(Command::new(program).args(action))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_moments_again() {
        assert_eq!(moments(7, 20), moments(7, 20));
        assert_ne!(moments(7, 20), moments(8, 20));
        assert!(moments(7, 20).iter().all(|moment| *moment < SPAN_MS));
    }
}
