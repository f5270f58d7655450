//! How an encryption becomes visible: ciphertext, then key, then manifest, each whole or not there. Whatever ends
//! the run in between, there is no manifest without its ciphertext and no key without it.

use std::fs::{remove_dir_all, remove_file};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use trustbridge_tbenc::Key;

use super::Args;
use crate::asset::{MANIFEST_NAME, manifest_beside};
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::secret::{key_line, stage_key};
use crate::staged::{Staged, parent, refuse_existing, sync};

/// Where everything goes. Nothing of it existed when the run began.
pub(super) struct Outputs {
    out: PathBuf,
    pub(super) manifest: PathBuf,
    /// Nothing: standard output.
    pub(super) key: Option<PathBuf>,
}

impl Outputs {
    pub(super) fn new(args: &Args, directory: bool) -> Result<Self, Failure> {
        let out = args.out.clone();
        let manifest = args.manifest.clone().unwrap_or_else(|| {
            if directory {
                out.join(MANIFEST_NAME)
            } else {
                manifest_beside(&out)
            }
        });
        let key = match &args.key_out {
            Some(path) if path == Path::new("-") => None,
            Some(path) => Some(path.clone()),
            None => Some(key_beside(&out)),
        };
        for path in [&out, &manifest] {
            if path == Path::new("-") {
                return Err(Failure::usage(
                    "--out and --manifest are files; only the key can go to standard output, with --key-out -",
                ));
            }
        }
        let same = key.iter().any(|key| *key == out || *key == manifest);
        if same || manifest == out {
            return Err(Failure::usage(
                "--out, --manifest and --key-out must be three different paths",
            ));
        }
        if directory {
            for path in [&out, &manifest].into_iter().chain(&key) {
                refuse_inside(path, &args.input)?;
            }
        }
        refuse_existing("--out", &out)?;
        refuse_existing("--manifest", &manifest)?;
        if let Some(key) = &key {
            refuse_existing("--key-out", key)?;
        }
        Ok(Self { out, manifest, key })
    }

    /// Shows the finished ciphertext, the key and the manifest. What an error leaves half done is taken away.
    pub(super) fn publish(
        &self,
        ciphertext: Staged,
        key: &Key,
        manifest: &[u8],
        commit: impl FnOnce(Staged) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let within = ciphertext.temporary().to_owned();
        let staged_key = self
            .key
            .as_deref()
            .map(|path| stage_key(&self.inside(path, &within), key))
            .transpose()?;
        let path = self.inside(&self.manifest, &within);
        let (staged_manifest, mut file) = Staged::public(&path)?;
        file.write_all(manifest)
            .map_err(|e| Failure::file("writing", &path, &e))?;
        sync(&file, &path)?;
        // From here on everything is a rename, or one line to standard output.
        interrupt::check()?;
        commit(ciphertext)?;
        let shown = staged_key.map_or_else(
            || print_key(key),
            |staged| staged.moved(&within, &self.out).commit(),
        );
        shown.inspect_err(|_| self.take_away(false))?;
        let shown = staged_manifest.moved(&within, &self.out).commit();
        shown.inspect_err(|_| self.take_away(true))
    }

    /// A path that lies in the folder that is still a temporary.
    fn inside(&self, path: &Path, temporary: &Path) -> PathBuf {
        path.strip_prefix(&self.out)
            .map_or_else(|_| path.to_owned(), |rest| temporary.join(rest))
    }

    /// Nobody has used what is taken away: its manifest was never there. A key that this run did not write is
    /// somebody else's.
    fn take_away(&self, with_key: bool) {
        // Already failing: the first error is the one to report.
        let _ = remove_file(&self.out);
        let _ = remove_dir_all(&self.out);
        if let (true, Some(key)) = (with_key, &self.key) {
            let _ = remove_file(key);
        }
    }
}

/// `<out>.key`: beside the ciphertext, never in the folder that is uploaded.
fn key_beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".key");
    out.with_file_name(name)
}

/// What lies in the model's folder would be encrypted with it the next time, the key of this time as well.
fn refuse_inside(path: &Path, model: &Path) -> Result<(), Failure> {
    let unread = |path: &Path, e| Failure::file("reading", path, &e);
    let folder = parent(path).ancestors().find(|folder| folder.exists());
    let folder = folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let model_at = model.canonicalize().map_err(|e| unread(model, e))?;
    let folder_at = folder.canonicalize().map_err(|e| unread(folder, e))?;
    if folder_at.starts_with(&model_at) {
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

    fn outputs(dir: &Path) -> Outputs {
        Outputs {
            out: dir.join("out"),
            manifest: dir.join("m.json"),
            key: Some(dir.join("k")),
        }
    }

    #[test]
    fn a_failed_publication_leaves_neither_key_nor_ciphertext() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs(dir.path());
        let (staged, _file) = Staged::public(&outputs.out).unwrap();
        // Somebody else takes the manifest's name in between.
        std::fs::write(&outputs.manifest, b"theirs").unwrap();
        let key = super::super::new_key().unwrap();
        outputs.publish(staged, &key, b"{}", Staged::commit).unwrap_err();
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["m.json"]);
        assert_eq!(std::fs::read(&outputs.manifest).unwrap(), b"theirs");
    }

    #[test]
    fn a_key_of_somebody_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs(dir.path());
        let (staged, _file) = Staged::public(&outputs.out).unwrap();
        let theirs = outputs.key.clone().unwrap();
        std::fs::write(&theirs, b"theirs").unwrap();
        let key = super::super::new_key().unwrap();
        outputs.publish(staged, &key, b"{}", Staged::commit).unwrap_err();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_ciphertext_that_cannot_be_shown_leaves_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs(dir.path());
        let (staged, _file) = Staged::public(&outputs.out).unwrap();
        let key = super::super::new_key().unwrap();
        let refuse = |_: Staged| Err(Failure::data("no"));
        outputs.publish(staged, &key, b"{}", refuse).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
