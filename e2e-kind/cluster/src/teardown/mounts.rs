//! Mounts below the state folder, deepest first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, umount2};

use crate::command;

/// Unmounts everything below the folder.
pub(super) fn unmount_below(folder: &Path) -> Result<()> {
    command::until("unmounting", Duration::from_secs(10), || {
        for mount in below(folder)? {
            // One mount can cover another of the same place; the next round sees the one beneath.
            let _ = umount2(&mount, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        }
        let left = below(folder)?;
        ensure!(
            left.is_empty(),
            "still mounted: {}",
            left.iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        );
        Ok(())
    })
}

/// What is mounted at or below the folder, deepest first.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let mut found: Vec<PathBuf> = points(&text)
        .into_iter()
        .filter(|path| path.starts_with(folder))
        .collect();
    found.reverse();
    found.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    Ok(found)
}

/// The mount points in a text of the form of `/proc/self/mountinfo`, in the order of mounting.
pub(super) fn points(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .collect()
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let decoded = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = decoded {
            text.push(char::from(byte));
            text.push_str(part.get(3..).unwrap_or_default());
        } else {
            text.push('\\');
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_unescaped() {
        let text = "36 35 98:0 / /s/a\\040b rw - tmpfs tmpfs rw\n37 35 98:0 / /s rw - ext4 /dev/x rw\n";
        assert_eq!(points(text), [PathBuf::from("/s/a b"), PathBuf::from("/s")]);
        assert_eq!(unescape("a\\134b"), "a\\b");
    }
}
