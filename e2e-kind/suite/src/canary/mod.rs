//! Plaintext on disk: a canary in the model, and a search for it that exempts nothing.
//!
//! Searched are all files of every file system that is not memory, changed since the canary was made, and all
//! deleted files that any process still holds open or mapped. The canary is random and lives in memory alone:
//! the model that holds it lies in tmpfs, the searching process never writes it down.

mod files;
mod open_files;
mod plant;
mod spelling;

pub use plant::Plants;
pub use spelling::Needle;

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Length of a canary in bytes.
const LENGTH: usize = 32;
/// Distance between two canaries in a model: no page of plaintext is without one.
const DISTANCE: u64 = 1024;
/// How much of a file is held in memory at once.
const WINDOW: usize = 1 << 20;

/// A random sequence of bytes that lies in each page of a model.
#[derive(Clone)]
pub struct Canary {
    bytes: [u8; LENGTH],
    made: SystemTime,
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canary")
    }
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Where the canary was found: a path, or `process P: PATH (deleted)`.
    pub places: BTreeSet<String>,
    /// Files whose bytes were read.
    pub files: u64,
    /// Deleted files, still open or mapped, whose bytes were read.
    pub deleted: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Mount points that were walked.
    pub mounts: u64,
}

impl Canary {
    /// A new one, from the kernel's random numbers.
    pub fn new() -> Result<Self> {
        let mut bytes = [0; LENGTH];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self {
            bytes,
            made: SystemTime::now(),
        })
    }

    /// Writes it all over the tensors of each safetensors file of a model directory, which must lie in memory.
    pub fn write_into(&self, model: &Path) -> Result<u64> {
        let mut files = 0;
        for entry in fs::read_dir(model).with_context(|| model.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "safetensors") {
                self.write_into_file(&path)?;
                files += 1;
            }
        }
        anyhow::ensure!(files > 0, "{} holds no safetensors file", model.display());
        Ok(files)
    }

    fn write_into_file(&self, path: &Path) -> Result<()> {
        let mut file = File::options().read(true).write(true).open(path)?;
        anyhow::ensure!(
            files::is_memory(&file)?,
            "{} must lie in tmpfs: it is plaintext",
            path.display()
        );
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        // A safetensors file: length of the header, the header, the tensors.
        let mut at = 8 + u64::from_le_bytes(length);
        let end = file.metadata()?.len();
        while at + LENGTH as u64 <= end {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&self.bytes)?;
            at += DISTANCE;
        }
        Ok(())
    }

    /// Searches everything.
    pub fn search(&self) -> Result<Findings> {
        // File systems stamp with the clock of the last tick.
        let since = self.made - Duration::from_secs(2);
        let mut findings = Findings::default();
        files::search(self, since, &mut findings)?;
        open_files::search(self, &mut findings)?;
        Ok(findings)
    }

    /// Reads a file to its end; answers whether the canary is in it, and how many bytes were read.
    fn is_in(&self, file: &mut File) -> std::io::Result<(bool, u64)> {
        let finder = memchr::memmem::Finder::new(&self.bytes);
        let mut window = Vec::with_capacity(WINDOW + LENGTH);
        let mut total = 0;
        loop {
            // What may be the beginning of a canary is kept in front of what is read next.
            let keep = window.len().saturating_sub(LENGTH - 1);
            window.drain(..keep);
            let read = Read::by_ref(file).take(WINDOW as u64).read_to_end(&mut window)?;
            total += read as u64;
            if finder.find(&window).is_some() {
                return Ok((true, total));
            }
            if read == 0 {
                return Ok((false, total));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_across_two_windows_is_found() {
        let canary = Canary::new().unwrap();
        for lead in [0, WINDOW - 5, WINDOW, 3 * WINDOW - 31] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&vec![7; lead]).unwrap();
            file.write_all(&canary.bytes).unwrap();
            file.rewind().unwrap();
            assert!(canary.is_in(&mut file).unwrap().0, "lead {lead}");
        }
        let mut other = tempfile::tempfile().unwrap();
        other.write_all(&vec![7; WINDOW + 9]).unwrap();
        other.rewind().unwrap();
        assert_eq!(canary.is_in(&mut other).unwrap(), (false, WINDOW as u64 + 9));
    }

    #[test]
    fn a_model_on_disk_is_refused() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        fs::write(folder.path().join("m.safetensors"), [0; 64]).unwrap();
        let error = Canary::new().unwrap().write_into(folder.path()).unwrap_err();
        assert!(error.to_string().contains("tmpfs"), "{error}");
    }
}
