//! The Debian packages that these tests need, installed where the tests run as root.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const PACKAGES: [(&str, &str); 3] = [
    ("buildah", "/usr/bin/buildah"),
    ("runc", "/usr/sbin/runc"),
    ("docker-registry", "/usr/bin/docker-registry"),
];

/// Makes sure that the packages are there.
pub fn require() {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !Path::new(program).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return;
    }
    let line = format!("apt-get install -y {}", missing.join(" "));
    let apt = |arguments: &[&str]| {
        let done = Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments)
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    let install = [&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat();
    let installed = apt(&["update", "-qq"]) && apt(&install);
    assert!(
        installed,
        "packages are missing and could not be installed; as root: {line}"
    );
}
