//! How an encryption becomes visible: ciphertext, then key, then manifest, each whole or not there. Whatever ends
//! the run in between, there is no manifest without its ciphertext and no key without it.

use std::fs::{File, Permissions};
use std::io::{Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use trustbridge_tbenc::Key;
use trustbridge_tbenc::manifest::DIRECTORY;

use super::Args;
use crate::asset::{MANIFEST_NAME, manifest_beside};
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::secret::key_line;
use crate::staged::location::resolved;
use crate::staged::{Staged, parent, refuse_existing, sync};

/// Where everything goes. Nothing of it existed when the run began.
pub(super) struct Outputs {
    /// As it was named, for the summary.
    pub(super) manifest: PathBuf,
    /// As it was named. Nothing: standard output.
    pub(super) key: Option<PathBuf>,
    /// Whether the ciphertext is a folder.
    directory: bool,
    /// The places themselves, comparable with each other.
    out_at: PathBuf,
    manifest_at: PathBuf,
    key_at: Option<PathBuf>,
}

impl Outputs {
    pub(super) fn new(args: &Args, directory: bool) -> Result<Self, Failure> {
        let out = &args.out;
        let manifest = args.manifest.clone().unwrap_or_else(|| {
            if directory {
                out.join(MANIFEST_NAME)
            } else {
                manifest_beside(out)
            }
        });
        let key = match &args.key_out {
            Some(path) if path == Path::new("-") => None,
            Some(path) => Some(path.clone()),
            None => Some(key_beside(out)),
        };
        for path in [out, &manifest] {
            if path == Path::new("-") {
                return Err(Failure::usage(
                    "--out and --manifest are files; only the key can go to standard output, with --key-out -",
                ));
            }
        }
        let key_at = key.as_deref().map(|key| resolved("--key-out", key)).transpose()?;
        let outputs = Self {
            directory,
            out_at: resolved("--out", out)?,
            manifest_at: resolved("--manifest", &manifest)?,
            key_at,
            manifest,
            key,
        };
        outputs.check(args)?;
        Ok(outputs)
    }

    fn check(&self, args: &Args) -> Result<(), Failure> {
        let named = || {
            let key = self.key_at.as_deref().map(|key| ("--key-out", key));
            let others = [
                ("--out", self.out_at.as_path()),
                ("--manifest", &self.manifest_at),
            ];
            others.into_iter().chain(key)
        };
        for (flag, path) in named() {
            for (above, folder) in named().filter(|(other, _)| *other != flag) {
                refuse_overlap(flag, path, above, folder, self.directory)?;
            }
        }
        let ciphertexts = self.out_at.join(DIRECTORY);
        for (flag, path) in named() {
            if self.directory {
                refuse_among(flag, path, &ciphertexts)?;
                refuse_within(path, &args.input)?;
            }
            refuse_existing(flag, path)?;
        }
        Ok(())
    }

    /// Makes the temporaries of all outputs: a place that cannot be written is known before the long pass.
    pub(super) fn stage(&self) -> Result<Publication, Failure> {
        let (ciphertext, file) = if self.directory {
            (Staged::directory(&self.out_at)?, None)
        } else {
            let (staged, file) = Staged::public(&self.out_at)?;
            (staged, Some(file))
        };
        let within = ciphertext.temporary();
        let key = self
            .key_at
            .as_deref()
            .map(|path| Staged::file(&self.inside(path, within)))
            .transpose()?;
        let manifest = Staged::public(&self.inside(&self.manifest_at, within))?;
        Ok(Publication {
            manifest,
            key,
            ciphertext,
            file,
            out: self.out_at.clone(),
        })
    }

    /// A path that lies in the folder that is still a temporary.
    fn inside(&self, path: &Path, temporary: &Path) -> PathBuf {
        path.strip_prefix(&self.out_at)
            .map_or_else(|_| path.to_owned(), |rest| temporary.join(rest))
    }
}

/// The outputs of a run, none of which has its name yet. Dropped at any moment, it leaves nothing.
pub(super) struct Publication {
    // Dropped in this order: what was made last goes first, and the folders that it is in after it.
    manifest: (Staged, File),
    /// Nothing: standard output.
    key: Option<(Staged, File)>,
    ciphertext: Staged,
    /// The ciphertext of a single file; nothing for a folder.
    pub(super) file: Option<File>,
    out: PathBuf,
}

impl Publication {
    /// Where the ciphertext is written.
    pub(super) fn ciphertext(&self) -> &Path {
        self.ciphertext.temporary()
    }

    /// Shows the finished ciphertext, the key and the manifest. After an error none of them is there.
    pub(super) fn publish(mut self, key: &Key, manifest: &[u8]) -> Result<(), Failure> {
        if let Some(file) = &self.file {
            sync(file, &self.out)?;
        }
        if let Some(staged) = &mut self.key {
            fill(staged, key_line(key).as_bytes())?;
        }
        fill(&mut self.manifest, manifest)?;
        // From here on everything is a rename, or one line to standard output.
        interrupt::check()?;
        self.show_ciphertext()?;
        match &mut self.key {
            Some((staged, _)) => staged.show()?,
            None => print_key(key)?,
        }
        self.manifest.0.show()?;
        self.manifest.0.keep();
        if let Some((staged, _)) = &mut self.key {
            staged.keep();
        }
        self.ciphertext.keep();
        Ok(())
    }

    fn show_ciphertext(&mut self) -> Result<(), Failure> {
        if self.file.is_some() {
            return self.ciphertext.show();
        }
        let from = self.ciphertext.temporary().to_owned();
        self.ciphertext.show_directory(Permissions::from_mode(0o755))?;
        for (staged, _) in self.key.iter_mut().chain([&mut self.manifest]) {
            staged.moved(&from, &self.out);
        }
        Ok(())
    }
}

fn fill((staged, file): &mut (Staged, File), bytes: &[u8]) -> Result<(), Failure> {
    let path = staged.temporary();
    file.write_all(bytes)
        .map_err(|e| Failure::file("writing", path, &e))?;
    sync(file, path)
}

/// `<out>.key`: beside the ciphertext, never in the folder that is uploaded.
fn key_beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".key");
    out.with_file_name(name)
}

/// Refuses one place for two outputs, and an output below another one that is no folder.
fn refuse_overlap(
    flag: &str,
    path: &Path,
    above: &str,
    folder: &Path,
    directory: bool,
) -> Result<(), Failure> {
    if path == folder {
        return Err(Failure::usage(
            "--out, --manifest and --key-out must be three different paths",
        ));
    }
    if path.starts_with(folder) && !(directory && above == "--out") {
        return Err(Failure::usage(format!(
            "{flag} {}: lies below {above} {}, which is a file; choose another path",
            path.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// What encrypt names itself must not be taken by a key or a manifest.
fn refuse_among(flag: &str, path: &Path, ciphertexts: &Path) -> Result<(), Failure> {
    if path.starts_with(ciphertexts) {
        return Err(Failure::usage(format!(
            "{flag} {}: lies in {}, which is for the ciphertexts alone; choose another path",
            path.display(),
            ciphertexts.display()
        )));
    }
    Ok(())
}

/// What lies in the model's folder would be encrypted with it the next time, the key of this time as well.
fn refuse_within(path: &Path, model: &Path) -> Result<(), Failure> {
    let model_at = model
        .canonicalize()
        .map_err(|e| Failure::file("reading", model, &e))?;
    if parent(path).starts_with(model_at) {
        return Err(Failure::usage(format!(
            "{}: lies in the model's folder {}, and would be part of the model; choose a place outside",
            path.display(),
            model.display()
        )));
    }
    Ok(())
}

fn print_key(key: &Key) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(key_line(key).as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::new(Exit::Io, format!("printing the key: {e}; nothing was encrypted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outputs of a single file, staged, with its key.
    fn staged(dir: &Path) -> (Publication, Key) {
        let outputs = Outputs {
            manifest: dir.join("m.json"),
            key: Some(dir.join("k")),
            directory: false,
            out_at: dir.join("out"),
            manifest_at: dir.join("m.json"),
            key_at: Some(dir.join("k")),
        };
        (outputs.stage().unwrap(), super::super::new_key().unwrap())
    }

    /// What is there when another program takes one of the names while the model is encrypted.
    fn left_when_taken(name: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let (publication, key) = staged(dir.path());
        std::fs::write(dir.path().join(name), b"theirs").unwrap();
        publication.publish(&key, b"{}").unwrap_err();
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"theirs");
        let names = std::fs::read_dir(dir.path()).unwrap();
        names
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_failed_publication_leaves_what_is_somebody_elses_and_nothing_more() {
        for name in ["m.json", "k", "out"] {
            assert_eq!(left_when_taken(name), [name]);
        }
    }

    #[test]
    fn all_three_appear_together() {
        let dir = tempfile::tempdir().unwrap();
        let (publication, key) = staged(dir.path());
        publication.publish(&key, b"{}").unwrap();
        for name in ["m.json", "k", "out"] {
            assert!(dir.path().join(name).is_file(), "{name}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
