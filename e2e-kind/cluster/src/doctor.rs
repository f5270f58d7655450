//! What a machine must have, checked one by one; each thing that is missing comes with its fix.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command;
use crate::layout::Layout;
use crate::record::Backend;
use crate::tools;

/// Debian packages of the local cluster, and a program of each that shows it is there.
const PACKAGES: [(&str, &str); 5] = [
    ("runc", "runc"),
    ("nftables", "nft"),
    ("iproute2", "ip"),
    ("util-linux", "nsenter"),
    ("buildah", "buildah"),
];

/// Memory that a cluster with a dozen pods and a build beside it wants, in KiB.
const MEMORY_KIB: u64 = 4 * 1024 * 1024;
/// Disk that the Go build cache and the tools want, in KiB.
const DISK_KIB: u64 = 10 * 1024 * 1024;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub what: String,
    /// What to do, when it is missing.
    pub fix: Option<String>,
}

impl Finding {
    fn of(what: impl Into<String>, present: bool, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: (!present).then(|| fix.into()),
        }
    }
}

/// One line for a machine or a user that cannot run a local cluster at all.
#[must_use]
pub fn unsuited(os: &str, root: bool) -> Option<&'static str> {
    match (os, root) {
        ("linux", true) => None,
        ("linux", false) => Some(
            "the local cluster needs root: run it with sudo, or install Docker and kind (https://kind.sigs.k8s.io) and the same command uses them",
        ),
        _ => Some(
            "the local cluster needs Linux: install Docker and kind (https://kind.sigs.k8s.io) and the same command uses them",
        ),
    }
}

/// Fails with that line.
pub fn require_suited() -> Result<()> {
    match unsuited(std::env::consts::OS, nix::unistd::geteuid().is_root()) {
        Some(line) => bail!("{line}"),
        None => Ok(()),
    }
}

/// Every check of the backend.
#[must_use]
pub fn examine(backend: Backend, layout: &Layout) -> Vec<Finding> {
    match backend {
        Backend::Local => local(layout),
        Backend::Kind => ["docker", "kind", "kubectl", "helm", "cargo"]
            .into_iter()
            .map(|name| {
                Finding::of(
                    name,
                    command::find(name).is_some(),
                    format!("install {name} and put it on the PATH"),
                )
            })
            .collect(),
        Backend::External => ["kubectl", "helm"]
            .into_iter()
            .map(|name| {
                Finding::of(
                    name,
                    command::find(name).is_some(),
                    format!("install {name} and put it on the PATH"),
                )
            })
            .collect(),
    }
}

/// Prints the findings; fails when something is missing.
pub fn report(findings: &[Finding]) -> Result<()> {
    for finding in findings {
        match &finding.fix {
            None => println!("ok       {}", finding.what),
            Some(fix) => println!("MISSING  {}\n         fix: {fix}", finding.what),
        }
    }
    let missing = findings.iter().filter(|finding| finding.fix.is_some()).count();
    ensure!(
        missing == 0,
        "{missing} of {} prerequisites are missing",
        findings.len()
    );
    Ok(())
}

/// Installs the Debian packages that are missing; only the local backend needs any.
pub fn install_prerequisites(backend: Backend) -> Result<()> {
    if backend != Backend::Local {
        return Ok(());
    }
    require_suited()?;
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !on_path(program))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        eprintln!("all packages are installed");
        return Ok(());
    }
    ensure!(
        command::find("apt-get").is_some(),
        "this is no Debian (no apt-get); install {} with your package manager",
        missing.join(" ")
    );
    eprintln!("apt-get install {}", missing.join(" "));
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-y", "-q"]);
        apt
    };
    command::run(apt().arg("update")).context("apt-get update")?;
    command::run(apt().args(["install", "--no-install-recommends"]).args(&missing))
}

fn local(layout: &Layout) -> Vec<Finding> {
    let unfit = unsuited(std::env::consts::OS, nix::unistd::geteuid().is_root());
    let mut findings = vec![Finding::of(
        "Linux, and root",
        unfit.is_none(),
        unfit.unwrap_or_default(),
    )];
    findings.extend(PACKAGES.iter().map(|(package, program)| {
        let fix = format!("apt-get install {package} (or `tb-cluster install-prerequisites`)");
        Finding::of(format!("{program} ({package})"), on_path(program), fix)
    }));
    let go = tools::go_program();
    findings.push(Finding::of(
        "go",
        go.is_ok(),
        go.err().map(|error| error.to_string()).unwrap_or_default(),
    ));
    findings.push(Finding::of(
        "cargo",
        command::find("cargo").is_some(),
        "install Rust: https://rustup.rs",
    ));
    findings.extend(["node", "npm"].into_iter().map(|name| {
        let fix = "install Node.js 20 or newer with npm: Azurite, the blob store of demo and tests, comes from there";
        Finding::of(name, command::find(name).is_some(), fix)
    }));
    findings.extend(kernel());
    findings.extend(room(layout));
    findings
}

fn kernel() -> Vec<Finding> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let groups = crate::cgroup::hierarchies(&mounts);
    let controllers = groups
        .iter()
        .any(|one| one.unified && one.mount.join("cgroup.controllers").exists());
    let memory = groups.iter().any(|one| one.mount.ends_with("memory")) || controllers;
    vec![
        Finding::of(
            "control groups are mounted, with memory",
            memory,
            "mount the cgroup file systems (cgroup v2 at /sys/fs/cgroup)",
        ),
        Finding::of(
            "network namespaces",
            Path::new("/proc/self/ns/net").exists(),
            "use a kernel with CONFIG_NET_NS",
        ),
        Finding::of(
            "nftables answers",
            command::run(Command::new("nft").args(["list", "tables"])).is_ok(),
            "load the kernel module nf_tables (`modprobe nf_tables`), and run as root",
        ),
        Finding::of(
            "overlay file system",
            file_system_known("overlay"),
            "load the kernel module overlay (`modprobe overlay`)",
        ),
    ]
}

fn room(layout: &Layout) -> Vec<Finding> {
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| memory_available(&text))
        .unwrap_or_default();
    let mut findings = vec![Finding::of(
        format!("{} GiB of memory to use", MEMORY_KIB >> 20),
        memory >= MEMORY_KIB,
        format!("free some memory; {} MiB are available", memory >> 10),
    )];
    let folder = layout
        .cache()
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or_else(|| Path::new("/"));
    if let Ok(disk) = nix::sys::statvfs::statvfs(folder) {
        let free = disk.blocks_available().saturating_mul(disk.fragment_size()) >> 10;
        let built = layout.tool("kubelet").is_file();
        let what = format!(
            "{} GiB of disk at {} for the first build",
            DISK_KIB >> 20,
            folder.display()
        );
        findings.push(Finding::of(
            what,
            built || free >= DISK_KIB,
            format!("free some disk ({} MiB are free), or set TB_CACHE", free >> 10),
        ));
    }
    findings
}

fn on_path(program: &str) -> bool {
    command::find(program).is_some()
        || ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).is_file())
}

fn file_system_known(name: &str) -> bool {
    fs::read_to_string("/proc/filesystems").is_ok_and(|text| {
        text.lines()
            .any(|line| line.split_whitespace().last() == Some(name))
    })
}

fn memory_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_run_it_is_told_what_to_do_in_one_line() {
        assert_eq!(unsuited("linux", true), None);
        for (os, root) in [("linux", false), ("macos", false), ("macos", true)] {
            let line = unsuited(os, root).unwrap();
            assert!(line.contains("kind") && !line.contains('\n'));
        }
    }

    #[test]
    fn a_missing_thing_fails_the_report() {
        assert!(report(&[Finding::of("a", true, "")]).is_ok());
        let error = report(&[Finding::of("a", true, ""), Finding::of("b", false, "install b")]).unwrap_err();
        assert!(error.to_string().contains("1 of 2"));
    }

    #[test]
    fn available_memory_is_read() {
        assert_eq!(
            memory_available("MemTotal: 5 kB\nMemAvailable:   1234 kB\n"),
            Some(1234)
        );
    }
}
