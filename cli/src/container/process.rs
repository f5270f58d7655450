//! Running an engine: bounded in time, ended with us, its last words kept for the error.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Closing lines of a failed program that an error shows.
const SHOWN_LINES: usize = 12;
/// Bytes of a program's output that are kept, the last ones.
const KEPT_BYTES: usize = 1 << 20;
/// Time between the wish to end a program and the order.
const GRACE: Duration = Duration::from_secs(5);

/// What a program wrote to standard output, where it succeeded.
///
/// # Errors
/// [`Exit::Unavailable`] where it cannot be started, does not end in time or says that something is not there;
/// [`Exit::NotAllowed`] where it says that a registry refuses it; [`Exit::Data`] where it fails otherwise.
pub(crate) fn output(command: &mut Command, deadline: Instant) -> Result<String, Failure> {
    let shown = display(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C comes to us alone, and what the engine started ends with it.
        .process_group(0)
        .spawn()
        .map_err(|e| Failure::new(Exit::Unavailable, format!("cannot start: {shown}: {e}")))?;
    let out = keep(child.stdout.take());
    let err = keep(child.stderr.take());
    let status = wait(&mut child, deadline, &shown);
    if status.is_err() {
        end(&mut child);
    }
    let until = Instant::now() + GRACE;
    let (out, err) = (out.text(until), err.text(until));
    let status = status?;
    if status.success() {
        return Ok(out);
    }
    Err(failed(&shown, status, &(out + &err)))
}

fn wait(child: &mut Child, deadline: Instant, shown: &str) -> Result<ExitStatus, Failure> {
    loop {
        interrupt::check()?;
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() > deadline => {
                return Err(Failure::new(
                    Exit::Unavailable,
                    format!("{shown}: did not end in time and was ended; give more with --build-timeout"),
                ));
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(e) => return Err(Failure::new(Exit::Io, format!("{shown}: {e}"))),
        }
    }
}

fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let asked = Instant::now();
    // It may have ended by itself in between; then there is nobody to tell.
    let _ = group.map(|group| kill_process_group(group, Signal::TERM));
    while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    let _ = child.wait();
}

/// A program's output, as far as it was read.
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

fn keep(pipe: Option<impl Read + Send + 'static>) -> Kept {
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let shared = bytes.clone();
    let reader = thread::spawn(move || {
        let mut buffer = [0_u8; 8192];
        let Some(mut pipe) = pipe else { return };
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if kept.len() > 2 * KEPT_BYTES {
                let surplus = kept.len() - KEPT_BYTES;
                kept.drain(..surplus);
            }
        }
    });
    Kept { bytes, reader }
}

impl Kept {
    /// All of it, or what came until then: a process that the program left behind may hold the pipe for ever.
    fn text(self, until: Instant) -> String {
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

fn failed(shown: &str, status: ExitStatus, said: &str) -> Failure {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (exit, next) = if says(&[
        "unauthorized",
        "authentication required",
        "access denied",
        "requested access to the resource is denied",
        "403 (forbidden)",
        "invalid username/password",
    ]) {
        (
            Exit::NotAllowed,
            "log in to the registry with the engine's own `login` command",
        )
    } else if says(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "network is unreachable",
        "temporary failure in name resolution",
        "server gave http response to https client",
        "502 bad gateway",
        "503 service",
        "cannot connect to the docker daemon",
    ]) {
        (
            Exit::Unavailable,
            "the registry or the engine cannot be reached; check its name and try again",
        )
    } else {
        (Exit::Data, "see what it said")
    };
    Failure::new(exit, format!("{shown}: {status}; {next}\n{}", last_lines(said)))
}

fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn last_lines(text: &str) -> String {
    let printable: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n' || *c == '\t')
        .collect();
    let lines: Vec<&str> = printable.trim_end().lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, seconds: u64) -> Result<String, Failure> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        output(Command::new("sh").args(["-c", script]), deadline)
    }

    #[test]
    fn a_failure_shows_the_last_words_and_their_meaning() {
        assert_eq!(shell("echo out", 20).unwrap(), "out\n");
        for (words, exit) in [
            ("no such file", Exit::Data),
            (
                "dial tcp 127.0.0.1:5000: connect: connection refused",
                Exit::Unavailable,
            ),
            ("unauthorized: authentication required", Exit::NotAllowed),
        ] {
            let failure = shell(&format!("echo '{words}' >&2; exit 3"), 20).unwrap_err();
            assert_eq!(failure.exit, exit);
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_its_children() {
        let begun = Instant::now();
        let failure = shell("sleep 60 & sleep 60", 0).unwrap_err();
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.to_string().contains("--build-timeout"), "{failure}");
        // The pipes are closed: nobody of the group is left to hold them.
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_us_up() {
        let begun = Instant::now();
        assert_eq!(shell("echo out; sleep 60 &", 20).unwrap(), "out\n");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
