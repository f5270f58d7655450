//! The first step: the model encrypted once, whatever ends the run.

use std::fs;
use std::io;
use std::path::Path;

use trustbridge_tbenc::manifest::SINGLE_FILE;

use super::state::{Progress, State, Step};
use super::steps::{MANIFEST_SHA256, Plan, Taken};
use crate::commands::encrypt;
use crate::failure::Failure;
use crate::secret;

impl Plan<'_> {
    /// Encrypts, or sees that it was done.
    pub(super) fn encrypt(&self, again: bool, state: &mut State) -> Result<Taken, Failure> {
        if state.progress(Step::Encrypt) == Progress::Done {
            let there = self.asset()?.manifest_sha256;
            if state.result(Step::Encrypt, MANIFEST_SHA256) == Some(there.as_str()) {
                return Ok(Taken::Before);
            }
            return Err(Failure::data(format!(
                "{}: is not the manifest that this publication wrote; publish into another --out",
                self.manifest_path().display()
            )));
        }
        // The begin was noted with the model's lengths and times. Where they are still the same, what a run that was
        // killed left whole is this model's. What it left in pieces, or of another model, was never uploaded.
        let changed = !again || self.whole()?.is_none();
        if changed {
            self.clear()?;
            self.seal()?;
        }
        let Some(digest) = self.whole()? else {
            return Err(Failure::data(format!(
                "{}: the encryption left no whole asset; run again",
                self.folder().display()
            )));
        };
        if self.judged(Step::Encrypt)? != *self.inputs(Step::Encrypt) {
            return Err(Failure::data(
                "publish: the model changed while it was encrypted; run again when it is finished",
            ));
        }
        state.finish(Step::Encrypt, &[(MANIFEST_SHA256, digest)])?;
        Ok(Taken::now(changed))
    }

    /// The manifest's digest, where asset and key are whole and belong together.
    fn whole(&self) -> Result<Option<String>, Failure> {
        let there = |path: &Path| fs::exists(path).map_err(|e| Failure::file("looking for", path, &e));
        if !there(&self.manifest_path())? || !there(&self.key_path())? {
            return Ok(None);
        }
        let asset = self.asset()?;
        asset.check_key(&secret::read_key(&self.key_path())?)?;
        if asset.manifest.asset_id != self.args.asset_id {
            return Err(Failure::data(format!(
                "{}: is the manifest of {:?}; publish into another --out",
                self.manifest_path().display(),
                asset.manifest.asset_id
            )));
        }
        Ok(Some(asset.manifest_sha256))
    }

    fn clear(&self) -> Result<(), Failure> {
        let gone = |path: &Path, result: io::Result<()>| match result {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Failure::file("removing", path, &e)),
            _ => Ok(()),
        };
        let (folder, key) = (self.folder(), self.key_path());
        gone(&folder, fs::remove_dir_all(&folder))?;
        gone(&key, fs::remove_file(&key))
    }

    fn seal(&self) -> Result<(), Failure> {
        let args = self.args;
        let Some(input) = args.input.clone() else {
            return Err(Failure::usage("publish: --in FILE|DIR is missing"));
        };
        let folder = self.folder();
        let single = input.is_file();
        if single {
            fs::create_dir_all(&folder).map_err(|e| Failure::file("creating", &folder, &e))?;
        }
        encrypt::encrypt(&encrypt::Args {
            input,
            out: if single { folder.join(SINGLE_FILE) } else { folder },
            manifest: single.then(|| self.manifest_path()),
            asset_id: Some(args.asset_id.clone()),
            chunk_bytes: args.chunk_bytes,
            allow_finetune: args.allow_finetune,
            key_out: Some(self.key_path()),
            plaintext_sha256: true,
            exclude: args.exclude.clone(),
            insecure_test_key_file: None,
        })
        .map(drop)
    }
}
