//! The steps of a publication: what each one makes, and how cheaply it is seen that it was made before.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use trustbridge_tbenc::Sha256;
use trustbridge_tbenc::manifest::check_asset_id;

use super::state::{Inputs, Progress, State, Step};
use super::{Args, source};
use crate::asset::{Asset, AssetArgs, MANIFEST_NAME};
use crate::commands::upload::{LocalArgs, Source, TargetArgs, upload};
use crate::commands::{build, modelasset, package};
use crate::container::reference::Reference;
use crate::control_plane::{ControlPlane, Outcome, Registration};
use crate::failure::Failure;
use crate::package::{Offer, build as managed_application};
use crate::remote::{self, https_url};
use crate::secret;
use crate::staged::{Staged, refuse_existing, sync};

/// Name of a result that most steps have.
pub(super) const MANIFEST_SHA256: &str = "manifest sha256";

/// Whether a step had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It made something.
    Now,
    /// Everything was as an earlier run left it.
    Before,
}

impl Taken {
    pub(super) fn now(changed: bool) -> Self {
        if changed { Self::Now } else { Self::Before }
    }
}

/// A publication whose arguments were judged.
pub(super) struct Plan<'a> {
    pub(super) args: &'a Args,
    endpoint: String,
    base_url: String,
    inputs: BTreeMap<Step, Inputs>,
}

impl<'a> Plan<'a> {
    /// Judges the arguments of every step that will be taken.
    pub(super) fn new(args: &'a Args) -> Result<Self, Failure> {
        check_asset_id(&args.asset_id)
            .map_err(|rule| Failure::usage(format!("--asset-id {:?}: {rule}", args.asset_id)))?;
        let endpoint = https_url("--edc-endpoint", &args.edc_endpoint)?;
        let folder = args.target.place()?.blob(&format!("models/{}", args.asset_id));
        let mut plan = Self {
            args,
            endpoint: endpoint.as_str().trim_end_matches('/').to_owned(),
            base_url: folder.as_str().to_owned(),
            inputs: BTreeMap::new(),
        };
        for step in Step::ALL {
            if !plan.skips(step) {
                let inputs = plan.judged(step)?;
                plan.inputs.insert(step, inputs);
            }
        }
        Ok(plan)
    }

    /// Refuses arguments that a step could not work with; answers what decides about its result.
    pub(super) fn judged(&self, step: Step) -> Result<Inputs, Failure> {
        let args = self.args;
        let one = |name: &str, value: &str| Inputs::from([(name.to_owned(), value.to_owned())]);
        match step {
            Step::Encrypt => {
                let missing =
                    || Failure::usage("publish: --in FILE|DIR is missing; it names the model to encrypt");
                let mut inputs = source::inputs(args.input.as_deref().ok_or_else(missing)?)?;
                inputs.insert("chunk bytes".to_owned(), args.chunk_bytes.to_string());
                inputs.insert("allow finetune".to_owned(), args.allow_finetune.to_string());
                inputs.insert("exclude".to_owned(), args.exclude.join(", "));
                Ok(inputs)
            }
            Step::Upload => {
                args.credential.check(args.target.place()?.url())?;
                args.remote.client()?;
                Ok(one("blob base url", &self.base_url))
            }
            Step::Register => {
                args.identity.check_files(&args.remote)?;
                Ok(one("control plane", &self.endpoint))
            }
            Step::Build => args.build.facts(),
            Step::Package => {
                if let Some(image) = &args.image {
                    Reference::parse("--image", image)?;
                } else if self.skips(Step::Build) {
                    return Err(Failure::usage(
                        "publish: --skip build leaves the package without an image; give --image IMAGE, or --skip package",
                    ));
                }
                Ok(one("control plane", &self.endpoint))
            }
            Step::Modelasset => {
                let id = &args.asset_id;
                if !modelasset::is_object_name(id) {
                    return Err(Failure::usage(format!(
                        "--asset-id {id:?}: {}; choose such an id, or --skip modelasset",
                        modelasset::OBJECT_NAME
                    )));
                }
                Ok(one("min gpu", &args.min_gpu.to_string()))
            }
        }
    }

    /// Whether a step is left out.
    pub(super) fn skips(&self, step: Step) -> bool {
        self.args.skip.contains(&step)
    }

    /// What decides about a step's result.
    pub(super) fn inputs(&self, step: Step) -> &Inputs {
        static NONE: Inputs = Inputs::new();
        self.inputs.get(&step).unwrap_or(&NONE)
    }

    /// Takes a step, or sees that it was taken. `again`: it was begun before with the same inputs.
    pub(super) fn take(&self, step: Step, again: bool, state: &mut State) -> Result<Taken, Failure> {
        match step {
            Step::Encrypt => self.encrypt(again, state),
            Step::Upload => self.upload(state),
            Step::Register => self.register(state),
            Step::Build => self.build(state),
            Step::Package => self.package(state),
            Step::Modelasset => self.modelasset(state),
        }
    }

    /// Refuses what lies in a step's place before its first begin: it is somebody else's.
    pub(super) fn refuse_foreign(&self, step: Step) -> Result<(), Failure> {
        if step == Step::Encrypt {
            refuse_existing("--out", &self.folder())?;
            refuse_existing("--out", &self.key_path())?;
        }
        Ok(())
    }

    /// The encrypted asset, with the key that it commits to.
    pub(super) fn asset(&self) -> Result<Asset, Failure> {
        Asset::open(&AssetArgs {
            input: None,
            manifest: Some(self.manifest_path()),
        })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.args.out.join("asset")
    }

    pub(super) fn manifest_path(&self) -> PathBuf {
        self.folder().join(MANIFEST_NAME)
    }

    /// Where the key is.
    pub(super) fn key_path(&self) -> PathBuf {
        self.args.out.join("asset.key")
    }

    /// Where the package is.
    pub(super) fn package_path(&self) -> PathBuf {
        self.args.out.join("package.zip")
    }

    /// Where the ModelAsset is.
    pub(super) fn modelasset_path(&self) -> PathBuf {
        self.args.out.join("modelasset.yaml")
    }

    /// The asset's folder in its container.
    pub(super) fn blob_base_url(&self) -> &str {
        &self.base_url
    }

    /// The image of the package: built, or given.
    pub(super) fn image(&self, state: &State) -> Option<String> {
        let built = state.result(Step::Build, "image").map(str::to_owned);
        self.args.image.clone().or(built)
    }

    /// Asks the container every time: what is there with the right digest is not sent again.
    fn upload(&self, state: &mut State) -> Result<Taken, Failure> {
        let args = self.args;
        let source = Source::read(&LocalArgs {
            asset_dir: Some(self.folder()),
            encrypted_file: None,
            manifest: None,
            asset_id: Some(args.asset_id.clone()),
        })?;
        let target = TargetArgs {
            // Where the upload was done, the container is there; asking to make it would be a write.
            create_container: args.target.create_container && state.progress(Step::Upload) != Progress::Done,
            ..args.target.clone()
        };
        let uploaded = remote::block_on(upload(&source, &target, &args.credential, &args.remote))?;
        let result = [
            ("blob base url", uploaded.blob_base_url.clone()),
            (MANIFEST_SHA256, uploaded.manifest_sha256.clone()),
        ];
        state.finish(Step::Upload, &result)?;
        Ok(Taken::now(!uploaded.is_unchanged()))
    }

    /// Registers every time: the same registration changes nothing.
    fn register(&self, state: &mut State) -> Result<Taken, Failure> {
        let asset = self.asset()?;
        let key = secret::read_key(&self.key_path())?;
        asset.check_key(&key)?;
        let registration = Registration::new(&asset.manifest, &asset.manifest_sha256, &self.base_url, &key);
        let (args, endpoint) = (self.args, &self.endpoint);
        let outcome = remote::block_on(async {
            ControlPlane::open(endpoint, &args.identity, &args.remote)?
                .register(&registration)
                .await
        })?;
        state.finish(
            Step::Register,
            &[(MANIFEST_SHA256, asset.manifest_sha256.clone())],
        )?;
        Ok(Taken::now(outcome == Outcome::Created))
    }

    fn build(&self, state: &mut State) -> Result<Taken, Failure> {
        let of = |name: &str| state.result(Step::Build, name).map(str::to_owned);
        if state.progress(Step::Build) == Progress::Done {
            match (of("image id"), of("digest")) {
                (Some(id), Some(digest)) if build::still_there(&self.args.build, &id, &digest)? => {
                    return Ok(Taken::Before);
                }
                // Built, but not to be pushed: the same files give the same image.
                (Some(_), None) => return Ok(Taken::Before),
                _ => {}
            }
        }
        let built = build::build(&self.args.build)?;
        let mut result = vec![("image", built.image), ("image id", built.image_id)];
        result.extend(built.digest.map(|digest| ("digest", digest)));
        state.finish(Step::Build, &result)?;
        Ok(Taken::Now)
    }

    fn package(&self, state: &mut State) -> Result<Taken, Failure> {
        let asset = self.asset()?;
        let Some(image) = self.image(state) else {
            return Err(Failure::usage(
                "publish: the package needs an image; leave out --skip build, or give --image IMAGE",
            ));
        };
        let offer = Offer {
            asset_id: self.args.asset_id.clone(),
            edc_endpoint: self.endpoint.clone(),
            image: Reference::parse("--image", &image)?,
            manifest_sha256: Some(asset.manifest_sha256.clone()),
        };
        let path = self.package_path();
        let intended = [
            ("sha256", sha256(&managed_application(&offer)?)),
            ("image", image),
        ];
        // Noted before it is written, so that what a killed run left is known as ours.
        let earlier = state
            .result(Step::Package, "image")
            .zip(state.result(Step::Package, "sha256"));
        if let Some((_, own)) = earlier.filter(|(image, _)| *image != intended[1].1) {
            remove_own(&path, own)?;
        }
        state.intend(Step::Package, &intended)?;
        let packaged = package::make(&offer, &path)?;
        state.finish(Step::Package, &intended)?;
        Ok(Taken::now(packaged.written))
    }

    fn modelasset(&self, state: &mut State) -> Result<Taken, Failure> {
        let asset = self.asset()?;
        let place = modelasset::Place {
            edc_endpoint: &self.endpoint,
            blob_base_url: &self.base_url,
            min_gpu: self.args.min_gpu,
        };
        let (yaml, _) = modelasset::model_asset(&asset, &place)?;
        let path = self.modelasset_path();
        let changed = match fs::read(&path) {
            Ok(there) if there == yaml.as_bytes() => false,
            Ok(_) => {
                return Err(Failure::data(format!(
                    "{}: was changed since it was written; move it away and run again",
                    path.display()
                )));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                write(&path, &yaml)?;
                true
            }
            Err(e) => return Err(Failure::file("reading", &path, &e)),
        };
        state.finish(Step::Modelasset, &[(MANIFEST_SHA256, asset.manifest_sha256)])?;
        Ok(Taken::now(changed))
    }
}

/// Makes way for a package for another image. A file that this publication did not write stays.
fn remove_own(path: &Path, own: &str) -> Result<(), Failure> {
    match fs::read(path) {
        Ok(there) if sha256(&there) == own => {
            fs::remove_file(path).map_err(|e| Failure::file("removing", path, &e))
        }
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Failure::file("reading", path, &e)),
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut sha256 = Sha256::new();
    sha256.update(bytes);
    sha256.finish_hex()
}

fn write(path: &Path, yaml: &str) -> Result<(), Failure> {
    let (staged, mut file) = Staged::public(path)?;
    file.write_all(yaml.as_bytes())
        .map_err(|e| Failure::file("writing", path, &e))?;
    sync(&file, path)?;
    staged.commit()
}
