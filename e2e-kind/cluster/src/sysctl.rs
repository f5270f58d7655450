//! Machine-wide kernel settings: the old value is in the journal before the new one is set.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::journal::{Entry, Journal};

/// What this harness sets.
const RAISED: [(&str, &str); 2] = [
    ("fs/inotify/max_user_instances", "1024"),
    ("fs/inotify/max_user_watches", "524288"),
];

/// What the kubelet sets by itself.
const SET_BY_KUBELET: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Notes the old values and raises the limits that a node needs.
pub fn apply(journal: &Journal) -> Result<()> {
    for (name, _) in RAISED {
        note(journal, name)?;
    }
    for name in SET_BY_KUBELET {
        note(journal, name)?;
    }
    for (name, value) in RAISED {
        if is_below(&read(name).unwrap_or_default(), value) {
            fs::write(file(name), value).with_context(|| format!("cannot set {name} to {value}"))?;
        }
    }
    Ok(())
}

/// The present value; none when this kernel lacks the setting.
#[must_use]
pub fn read(name: &str) -> Option<String> {
    fs::read_to_string(file(name))
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Puts one setting back.
pub fn restore(name: &str, before: &str) -> Result<()> {
    if read(name).is_none_or(|now| now == before) {
        return Ok(());
    }
    fs::write(file(name), before).with_context(|| format!("cannot put {name} back to {before}"))
}

fn note(journal: &Journal, name: &str) -> Result<()> {
    match read(name) {
        Some(before) => journal.write(&Entry::Sysctl {
            name: name.to_owned(),
            before,
        }),
        None => Ok(()),
    }
}

fn is_below(now: &str, wanted: &str) -> bool {
    match (now.parse::<u64>(), wanted.parse::<u64>()) {
        (Ok(now), Ok(wanted)) => now < wanted,
        _ => false,
    }
}

fn file(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_only_ever_raised() {
        assert!(is_below("128", "1024"));
        assert!(!is_below("4096", "1024"));
        assert!(!is_below("1024", "1024"));
        assert!(!is_below("", "1024"));
    }
}
