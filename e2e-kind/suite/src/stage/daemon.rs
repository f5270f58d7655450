//! A program that outlives this one: started once, found again by a later run, ended by name.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use trustbridge_cluster::command::last_lines;

/// A program that is to run.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Names its record and its log.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables on top of ours; secrets go here, not into the arguments.
    pub environment: Vec<(&'static str, String)>,
}

/// What is noted of a started program.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    pid: i32,
    start_ticks: u64,
    fingerprint: String,
}

impl Daemon {
    /// Makes sure that it runs, with exactly these arguments and this program. Answers whether it was started now.
    pub fn ensure(&self, folder: &Path) -> Result<bool> {
        let fingerprint = self.fingerprint()?;
        if let Some(note) = living(folder, self.name) {
            if note.fingerprint == fingerprint {
                return Ok(false);
            }
            stop(folder, self.name)?;
        }
        self.start(folder, fingerprint)?;
        Ok(true)
    }

    /// Fails, with the end of its log, when it has ended.
    pub fn check(&self, folder: &Path) -> Result<()> {
        if living(folder, self.name).is_some() {
            return Ok(());
        }
        let text = std::fs::read_to_string(log(folder, self.name)).unwrap_or_default();
        bail!(
            "{} has ended; its log ends with\n{}",
            self.name,
            last_lines(&text)
        )
    }

    fn start(&self, folder: &Path, fingerprint: String) -> Result<()> {
        let out = File::create(log(folder, self.name))?;
        let errors = out.try_clone()?;
        let child = Command::new("setsid")
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let start_ticks = start_ticks(pid).with_context(|| format!("{} ended at once", self.name))?;
        let note = Note {
            pid,
            start_ticks,
            fingerprint,
        };
        std::fs::write(record(folder, self.name), serde_json::to_vec(&note)?)?;
        // Reaped when it ends while we live; init's otherwise.
        std::thread::spawn(move || {
            let mut child = child;
            let _ = child.wait();
        });
        Ok(())
    }

    /// Changes when the program, its arguments or its environment do.
    fn fingerprint(&self) -> Result<String> {
        let data = std::fs::metadata(&self.program).with_context(|| {
            format!(
                "{} is not there; build it with `make images`",
                self.program.display()
            )
        })?;
        let mut sha = Sha256::new();
        sha.update(format!(
            "{:?} {} {:?} {:?}",
            data.modified()?,
            data.len(),
            self.arguments,
            self.environment
        ));
        Ok(data_encoding::HEXLOWER.encode(&sha.finalize()))
    }
}

/// Ends a program that an earlier or this run started; nothing happens when there is none.
pub fn stop(folder: &Path, name: &str) -> Result<()> {
    let Some(note) = living(folder, name) else {
        let _ = std::fs::remove_file(record(folder, name));
        return Ok(());
    };
    let begun = Instant::now();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // It may end by itself between the look and the signal.
        let _ = kill(Pid::from_raw(note.pid), signal);
        let limit = begun.elapsed() + Duration::from_secs(3);
        while begun.elapsed() < limit {
            if start_ticks(note.pid) != Some(note.start_ticks) {
                std::fs::remove_file(record(folder, name))?;
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    bail!("{name} (process {}) does not end", note.pid)
}

fn living(folder: &Path, name: &str) -> Option<Note> {
    let note: Note = serde_json::from_slice(&std::fs::read(record(folder, name)).ok()?).ok()?;
    // A process id alone could be somebody else's by now.
    (start_ticks(note.pid) == Some(note.start_ticks)).then_some(note)
}

fn record(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// When a process began, in clock ticks since boot; none when it is gone or a zombie.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, so the fields are counted after its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(seconds: &str) -> Daemon {
        let arguments = vec![seconds.into()];
        Daemon {
            name: "sleeper",
            program: "/bin/sleep".into(),
            arguments,
            environment: Vec::new(),
        }
    }

    #[test]
    fn a_second_run_finds_what_the_first_started() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sleeper("60").ensure(folder.path()).unwrap());
        assert!(!sleeper("60").ensure(folder.path()).unwrap());
        assert!(
            sleeper("61").ensure(folder.path()).unwrap(),
            "other arguments need another process"
        );
        sleeper("61").check(folder.path()).unwrap();
        stop(folder.path(), "sleeper").unwrap();
        assert!(sleeper("61").check(folder.path()).is_err());
        stop(folder.path(), "sleeper").unwrap();
    }
}
