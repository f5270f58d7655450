//! Starting the cluster's long-running programs: each in a session of its own, with a log of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::journal::{Entry, Journal};
use crate::layout::Layout;
use crate::netns::Place;

/// How much of a log an error shows.
const SHOWN_LOG: u64 = 2000;

/// A program that is to be started.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Names it in the journal and its log.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The namespace it runs in; the host's when none.
    pub place: Option<Place>,
    /// Put before the `PATH`.
    pub path: Option<PathBuf>,
}

impl Daemon {
    /// A program of the node.
    pub fn on_node<A: Into<OsString>>(
        name: &'static str,
        program: PathBuf,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self {
            name,
            program,
            arguments,
            place: Some(Place::Node),
            path: None,
        }
    }
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Fails, with the end of its log, when the program has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} has ended ({status}); its log {} ends with\n{}",
                self.name,
                self.log.display(),
                tail(&self.log)
            ),
        }
    }
}

/// Starts a program; the journal says so before and after.
pub fn start(layout: &Layout, journal: &Journal, daemon: &Daemon) -> Result<Running> {
    let log = layout.logs().join(format!("{}.log", daemon.name));
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = out.try_clone()?;
    journal.write(&Entry::Process {
        name: daemon.name.to_owned(),
    })?;
    let mut command = command_for(daemon);
    command
        .current_dir(layout.state())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(errors);
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {}", daemon.name))?;
    let pid = i32::try_from(child.id()).context("process id")?;
    journal.write(&Entry::Started {
        name: daemon.name.to_owned(),
        pid,
    })?;
    Ok(Running {
        name: daemon.name,
        child,
        log,
    })
}

/// `setsid` and `nsenter` replace themselves, so the process id stays the program's.
fn command_for(daemon: &Daemon) -> Command {
    let mut command = Command::new("setsid");
    if let Some(place) = daemon.place {
        // Not `ip netns exec`: that mounts a fresh /sys, which hides the control groups.
        command
            .arg("nsenter")
            .arg(format!("--net={}", place.path().display()))
            .arg("--");
    }
    command.arg(&daemon.program).args(&daemon.arguments);
    if let Some(folder) = &daemon.path {
        let rest = std::env::var_os("PATH")
            .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        let mut path = folder.clone().into_os_string();
        path.push(":");
        path.push(rest);
        command.env("PATH", path);
    }
    command
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SHOWN_LOG)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_node_enters_its_namespace_and_has_its_own_session() {
        let daemon = Daemon::on_node("etcd", "/b/etcd".into(), ["--name=x"]);
        let command = command_for(&daemon);
        let shown: Vec<_> = command
            .get_args()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        assert_eq!(command.get_program(), "setsid");
        assert_eq!(
            shown,
            ["nsenter", "--net=/run/netns/tb-node", "--", "/b/etcd", "--name=x"]
        );
    }
}
