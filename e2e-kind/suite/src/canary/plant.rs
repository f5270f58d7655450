//! The positive control: two places where the search must find the canary.

use super::Canary;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file with the canary, and a deleted one that another process holds open.
#[derive(Debug)]
pub struct Plants {
    file: PathBuf,
    deleted: PathBuf,
    holder: Child,
}

impl Plants {
    /// Plants both on the disk that the folder is on.
    pub fn plant(canary: &Canary, folder: &Path) -> Result<Self> {
        let file = folder.join("planted-canary");
        let deleted = folder.join("planted-and-deleted-canary");
        for path in [&file, &deleted] {
            let mut out = File::create(path).with_context(|| path.display().to_string())?;
            out.write_all(b"in front ")?;
            out.write_all(&canary.bytes)?;
            out.sync_all()?;
        }
        let stdin = Stdio::from(File::open(&deleted)?);
        let holder = Command::new("sleep")
            .arg("600")
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        fs::remove_file(&deleted)?;
        Ok(Self {
            file,
            deleted,
            holder,
        })
    }

    /// What a search must find, and nothing else.
    #[must_use]
    pub fn places(&self) -> BTreeSet<String> {
        let held = format!(
            "process {}: {} (deleted)",
            self.holder.id(),
            self.deleted.display()
        );
        BTreeSet::from([self.file.display().to_string(), held])
    }
}

impl Drop for Plants {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_deleted_file_is_found_and_gone_afterwards() {
        let canary = Canary::new().unwrap();
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let plants = Plants::plant(&canary, folder.path()).unwrap();
        let mut findings = super::super::Findings::default();
        super::super::open_files::search(&canary, &mut findings).unwrap();
        let held = plants
            .places()
            .into_iter()
            .find(|place| place.ends_with("(deleted)"))
            .unwrap();
        assert_eq!(findings.places, BTreeSet::from([held]));
        drop(plants);
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
