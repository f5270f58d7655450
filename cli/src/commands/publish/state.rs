//! What a publication has done so far: one file, replaced atomically, without any secret.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::staged::sync_directory;

/// The file's name in the output folder.
pub(super) const STATE_NAME: &str = "publish.json";
const LOCK_NAME: &str = "publish.lock";
const VERSION: u32 = 1;

/// A step, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    /// Encrypt the model under a fresh key.
    Encrypt,
    /// Upload the ciphertext and the manifest.
    Upload,
    /// Register asset and key at the control plane.
    Register,
    /// Build and push the skeleton image.
    Build,
    /// Make the managed-application package.
    Package,
    /// Write the ModelAsset for the seller's cluster.
    Modelasset,
}

impl Step {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Encrypt,
        Self::Upload,
        Self::Register,
        Self::Build,
        Self::Package,
        Self::Modelasset,
    ];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Upload => "upload",
            Self::Register => "register",
            Self::Build => "build",
            Self::Package => "package",
            Self::Modelasset => "modelasset",
        }
    }
}

/// What decides about a step's result, by name.
pub(super) type Inputs = BTreeMap<String, String>;

/// One step's record. It is there from the step's begin on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    inputs: Inputs,
    done: bool,
    /// Digests and places that the step made.
    #[serde(default)]
    result: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    asset_id: String,
    steps: BTreeMap<Step, Record>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Never begun.
    New,
    /// Begun, and not known to have ended.
    Begun,
    /// Done.
    Done,
}

/// The state of one output folder, which no other process changes meanwhile.
pub(super) struct State {
    path: PathBuf,
    document: Document,
    /// Held until the end; the system gives it back when the process dies.
    _lock: File,
}

impl State {
    /// Opens or begins the state in `folder`.
    pub(super) fn open(folder: &Path, asset_id: &str) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|e| Failure::file("--out: creating", folder, &e))?;
        let lock = lock(&folder.join(LOCK_NAME))?;
        let path = folder.join(STATE_NAME);
        let document = match fs::read(&path) {
            Ok(bytes) => parse(&path, &bytes)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Document {
                version: VERSION,
                asset_id: asset_id.to_owned(),
                steps: BTreeMap::new(),
            },
            Err(e) => return Err(Failure::file("reading", &path, &e)),
        };
        if document.asset_id != asset_id {
            return Err(Failure::usage(format!(
                "--asset-id {asset_id:?}: {} is the publication of {:?}; choose another --out",
                folder.display(),
                document.asset_id
            )));
        }
        Ok(Self {
            path,
            document,
            _lock: lock,
        })
    }

    /// Refuses inputs that are not those with which the step was done. What was only begun may still be corrected.
    pub(super) fn compare(&self, step: Step, now: &Inputs) -> Result<(), Failure> {
        let Some(record) = self.document.steps.get(&step).filter(|record| record.done) else {
            return Ok(());
        };
        let names = record.inputs.keys().chain(now.keys());
        let changed = names
            .into_iter()
            .find(|name| record.inputs.get(*name) != now.get(*name));
        let Some(name) = changed else { return Ok(()) };
        let shown = |value: Option<&String>| value.map_or("not there", String::as_str).to_owned();
        Err(Failure::data(format!(
            "publish: {step}: {name} is {} and was {} when this step was done; put it back, or publish into another \
             --out under another --asset-id",
            shown(now.get(name)),
            shown(record.inputs.get(name)),
            step = step.word(),
        )))
    }

    /// How far a step is.
    pub(super) fn progress(&self, step: Step) -> Progress {
        match self.document.steps.get(&step) {
            None => Progress::New,
            Some(record) if record.done => Progress::Done,
            Some(_) => Progress::Begun,
        }
    }

    /// What a step made.
    pub(super) fn result(&self, step: Step, name: &str) -> Option<&str> {
        self.document
            .steps
            .get(&step)?
            .result
            .get(name)
            .map(String::as_str)
    }

    /// Notes that a step begins, before it does anything. True: it was begun before, with the same inputs; then
    /// nothing is written.
    pub(super) fn begin(&mut self, step: Step, inputs: &Inputs) -> Result<bool, Failure> {
        if self
            .document
            .steps
            .get(&step)
            .is_some_and(|record| record.inputs == *inputs)
        {
            return Ok(true);
        }
        let record = Record {
            inputs: inputs.clone(),
            done: false,
            result: BTreeMap::new(),
        };
        self.document.steps.insert(step, record);
        self.save().map(|()| false)
    }

    /// Notes what a step is about to make. Writes nothing where that is known.
    pub(super) fn intend(&mut self, step: Step, result: &[(&str, String)]) -> Result<(), Failure> {
        self.note(step, result, false)
    }

    /// Notes what a step made. Writes nothing where that is known.
    pub(super) fn finish(&mut self, step: Step, result: &[(&str, String)]) -> Result<(), Failure> {
        self.note(step, result, true)
    }

    fn note(&mut self, step: Step, result: &[(&str, String)], done: bool) -> Result<(), Failure> {
        let result: BTreeMap<String, String> = result
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let Some(record) = self.document.steps.get_mut(&step) else {
            return Err(Failure::usage(format!(
                "publish: {} was never begun",
                step.word()
            )));
        };
        if record.result == result && (record.done || !done) {
            return Ok(());
        }
        record.done = done;
        record.result = result;
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        let bytes = serde_json::to_vec_pretty(&self.document)
            .map_err(|e| Failure::new(Exit::Io, format!("{}: {e}", self.path.display())))?;
        replace(&self.path, &bytes)
    }
}

/// Writes a whole file in place of an older one: a reader sees either.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = path.with_extension("json.new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| Failure::file("writing", path, &e))?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = File::create(path).map_err(|e| Failure::file("creating", path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Unavailable,
            format!(
                "{}: another `trustbridge publish` works in this folder; wait for its end",
                path.display()
            ),
        )),
        Err(fs::TryLockError::Error(e)) => Err(Failure::file("locking", path, &e)),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Document, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::data(format!(
            "{}: is not the state of a publication ({why}); publish into another --out",
            path.display()
        ))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|e| refused(&e))?;
    if value.get("version") != Some(&Value::from(VERSION)) {
        return Err(refused(&format!("its version is not {VERSION}")));
    }
    serde_json::from_value(value).map_err(|e| refused(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(value: &str) -> Inputs {
        BTreeMap::from([("endpoint".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_step_is_remembered_from_its_begin_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        {
            let mut state = State::open(folder.path(), "tb-1").unwrap();
            assert_eq!(state.progress(Step::Upload), Progress::New);
            state.begin(Step::Upload, &inputs("a")).unwrap();
        }
        let before = fs::read(folder.path().join(STATE_NAME)).unwrap();
        {
            let mut state = State::open(folder.path(), "tb-1").unwrap();
            assert_eq!(state.progress(Step::Upload), Progress::Begun);
            assert!(state.begin(Step::Upload, &inputs("a")).unwrap());
            assert_eq!(fs::read(folder.path().join(STATE_NAME)).unwrap(), before);
            state
                .finish(Step::Upload, &[("base", "https://a".to_owned())])
                .unwrap();
        }
        let state = State::open(folder.path(), "tb-1").unwrap();
        assert_eq!(state.progress(Step::Upload), Progress::Done);
        assert_eq!(state.result(Step::Upload, "base"), Some("https://a"));
    }

    #[test]
    fn changed_inputs_of_a_step_that_was_done_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), "tb-1").unwrap();
        assert!(!state.begin(Step::Register, &inputs("https://typo")).unwrap());
        state.compare(Step::Register, &inputs("https://a")).unwrap();
        assert!(!state.begin(Step::Register, &inputs("https://a")).unwrap());
        assert!(state.begin(Step::Register, &inputs("https://a")).unwrap());
        state.finish(Step::Register, &[]).unwrap();
        state.compare(Step::Register, &inputs("https://a")).unwrap();
        for other in [inputs("https://b"), Inputs::new()] {
            let failure = state.compare(Step::Register, &other).unwrap_err();
            assert_eq!(failure.exit, Exit::Data);
            assert!(
                failure.to_string().contains("endpoint") && failure.to_string().contains("https://a"),
                "{failure}"
            );
        }
        state.compare(Step::Build, &inputs("new")).unwrap();
    }

    #[test]
    fn one_process_at_a_time_and_one_asset_for_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), "tb-1").unwrap();
        state.begin(Step::Encrypt, &Inputs::new()).unwrap();
        let busy = State::open(folder.path(), "tb-1").err().unwrap();
        assert_eq!(busy.exit, Exit::Unavailable);
        drop(state);
        assert_eq!(
            State::open(folder.path(), "tb-2").err().unwrap().exit,
            Exit::Usage
        );
        fs::write(folder.path().join(STATE_NAME), "{\"version\": 2}").unwrap();
        assert_eq!(State::open(folder.path(), "tb-1").err().unwrap().exit, Exit::Data);
    }
}
