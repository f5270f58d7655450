//! `trustbridge build`: the skeleton image, checked to hold no weights before it is pushed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ArgAction;
use serde::Serialize;
use tempfile::TempDir;
use trustbridge_tbenc::Sha256;

use crate::container::archive::Archive;
use crate::container::context::{Context, DEFAULT_BASE};
use crate::container::engine::{Engine, Kind};
use crate::container::reference::Reference;
use crate::container::registry::{self, Presence};
use crate::container::scan::{self, Scanned};
use crate::failure::{Exit, Failure};
use crate::remote;
use crate::report::{Report, lines};

/// Arguments of `build`.
#[derive(clap::Args)]
#[group(id = "image_build")]
#[command(
    after_help = "The image holds the base, the sentinel and the entrypoint, runs as user 65532, and carries no
time: the same files give the same image. Before anything is pushed, every layer that was added is read
and refused if it holds anything else; --scan-base reads the base's layers for weights too.

Registry credentials are the engine's own: log in with `docker login`, `buildah login` or `podman login`.

  trustbridge build --registry acme.azurecr.io --image-name tb/runtime --tag 1.0 \\
      --sentinel-binary trustbridge-sentinel --base vllm/vllm-openai:v0.32.0"
)]
pub(crate) struct Args {
    /// Registry to push to, HOST[:PORT] (required).
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// Repository in the registry (required).
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
    /// Tag (required); never 'latest'.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The sentinel: a static Linux program for x86-64 (required).
    #[arg(long, value_name = "FILE")]
    sentinel_binary: Option<PathBuf>,
    /// Image of the model server; best by digest.
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_BASE)]
    base: String,
    /// Script that waits for the weights and starts the model server [default: one that starts vLLM].
    #[arg(long, value_name = "FILE")]
    entrypoint: Option<PathBuf>,
    /// Push the image.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          default_missing_value = "true", require_equals = true)]
    push: bool,
    /// Engine to build with [default: the first that works of docker, buildah, podman].
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Kind>,
    /// Read every layer for weights, the base's too.
    #[arg(long)]
    scan_base: bool,
    /// Speak plain HTTP to a registry on this machine; refused for any other.
    #[arg(long)]
    insecure_registry: bool,
    /// Folder for what is in the making; needs room for the whole image [default: the system's].
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Seconds after which the build is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(1..=604_800))]
    build_timeout: u64,
}

/// An image that was built.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Built {
    /// By digest where it was pushed, else by tag.
    pub(crate) image: String,
    /// With its tag.
    pub(crate) tagged: String,
    /// Digest of the manifest in the registry; nothing where it was not pushed.
    pub(crate) digest: Option<String>,
    /// The engine's id of the image.
    pub(crate) image_id: String,
    /// The engine.
    engine: &'static str,
    /// Engines that were tried before, with the reason.
    passed_over: Vec<String>,
    base: String,
    scanned: Scanned,
    containerfile: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let built = build(args)?;
    let mut engine = built.engine.to_owned();
    if !built.passed_over.is_empty() {
        engine = format!("{engine} ({})", built.passed_over.join("; "));
    }
    let scanned = &built.scanned;
    let mut rows = vec![
        ("image", built.image.clone()),
        ("tag", built.tagged.clone()),
        ("image id", built.image_id.clone()),
        ("engine", engine),
        (
            "no weights",
            format!("{} files in {} layers were read", scanned.files, scanned.layers),
        ),
    ];
    if !built.base.contains("@sha256:") && built.base != "scratch" {
        rows.push((
            "base",
            format!(
                "{} (moves; name it by digest with --base for the same image every time)",
                built.base
            ),
        ));
    }
    Report::new(lines(&rows), &built)
}

impl Args {
    /// Where the image goes.
    pub(crate) fn reference(&self) -> Result<Reference, Failure> {
        let registry = required("--registry HOST", self.registry.as_ref())?;
        let name = required("--image-name NAME", self.image_name.as_ref())?;
        let tag = required("--tag TAG", self.tag.as_ref())?;
        let reference = Reference::tagged(registry, name, tag)?;
        if self.insecure_registry && !reference.is_loopback() {
            return Err(Failure::usage(format!(
                "--insecure-registry: {registry} is another machine, and only one's own may be spoken to without TLS; \
                 leave the flag out"
            )));
        }
        check_base(&self.base)?;
        Ok(reference)
    }

    /// The sentinel.
    pub(crate) fn sentinel(&self) -> Result<&Path, Failure> {
        required("--sentinel-binary FILE", self.sentinel_binary.as_ref()).map(PathBuf::as_path)
    }

    /// What decides about the image, for a later run to compare: names and digests.
    pub(crate) fn facts(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut facts = BTreeMap::from([
            ("image".to_owned(), self.reference()?.to_string()),
            ("base".to_owned(), self.base.clone()),
            ("push".to_owned(), self.push.to_string()),
            (
                "sentinel binary".to_owned(),
                digest("--sentinel-binary", self.sentinel()?)?,
            ),
        ]);
        if let Some(path) = &self.entrypoint {
            facts.insert("entrypoint".to_owned(), digest("--entrypoint", path)?);
        }
        Ok(facts)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.build_timeout)
    }

    fn work(&self) -> Result<TempDir, Failure> {
        let folder = self.work_dir.clone().unwrap_or_else(std::env::temp_dir);
        TempDir::with_prefix_in("trustbridge-", &folder)
            .map_err(|e| Failure::file("--work-dir: making a folder in", &folder, &e))
    }
}

fn required<'a, T>(flag: &str, value: Option<&'a T>) -> Result<&'a T, Failure> {
    value.ok_or_else(|| Failure::usage(format!("{flag} is missing; an image cannot be built without it")))
}

fn digest(flag: &str, path: &Path) -> Result<String, Failure> {
    let doing = format!("{flag}: reading");
    let failed = |e: std::io::Error| Failure::file(&doing, path, &e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut sha256, mut buffer) = (Sha256::new(), vec![0_u8; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(sha256.finish_hex());
        }
        sha256.update(buffer.get(..read).unwrap_or_default());
    }
}

/// A name that goes into the Containerfile must be one word.
fn check_base(base: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_:@-[]".contains(c);
    if !base.is_empty() && base.chars().all(plain) && !base.starts_with('-') {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--base {base:?}: must be an image's name, best registry/name@sha256:..."
    )))
}

/// Builds, checks, and pushes where that is wanted.
pub(crate) fn build(args: &Args) -> Result<Built, Failure> {
    let reference = args.reference()?;
    let work = args.work()?;
    let context = Context::new(
        work.path(),
        &args.base,
        args.sentinel()?,
        args.entrypoint.as_deref(),
    )?;
    let engine = Engine::find(args.engine, args.insecure_registry, args.deadline())?;
    let base = engine.base_layers(&args.base)?;
    let image_id = engine.build(&context, &reference, &args.base)?;
    let saved = work.path().join("image.tar");
    engine.save(&image_id, &saved)?;
    let archive = Archive::open(&saved)?;
    archive.check_id(&image_id)?;
    let scanned = scan::check(&archive, &base, &context.files, args.scan_base)?;
    let digest = if args.push {
        Some(engine.push(&image_id, &reference, work.path())?)
    } else {
        None
    };
    let image = digest
        .as_ref()
        .map_or_else(|| reference.clone(), |digest| reference.at(digest));
    Ok(Built {
        image: image.to_string(),
        tagged: reference.to_string(),
        digest,
        image_id,
        engine: engine.kind.name(),
        passed_over: engine.passed_over,
        base: args.base.clone(),
        scanned,
        containerfile: context.containerfile,
    })
}

/// Makes sure that an image which was pushed before is still there: asks the registry, and where that tells
/// strangers nothing, lets the engine push the same image again. False: it must be built again.
pub(crate) fn still_there(args: &Args, image_id: &str, digest: &str) -> Result<bool, Failure> {
    let reference = args.reference()?;
    let asked = remote::block_on(registry::presence(&reference.at(digest), args.insecure_registry))?;
    match asked {
        Presence::There => return Ok(true),
        Presence::Missing => return Ok(false),
        Presence::Untold => {}
    }
    let engine = Engine::find(args.engine, args.insecure_registry, args.deadline())?;
    if !engine.has(image_id) {
        return Ok(false);
    }
    let pushed = engine.push(image_id, &reference, args.work()?.path())?;
    if pushed == digest {
        return Ok(true);
    }
    Err(Failure::new(
        Exit::Data,
        format!("{reference}: pushed again it has the digest {pushed}, not {digest}; choose another --tag"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(registry: &str, more: &[&str]) -> Args {
        let mut line = vec![
            "build",
            "--registry",
            registry,
            "--image-name",
            "r",
            "--tag",
            "1",
            "--sentinel-binary",
            "s",
        ];
        line.extend(more);
        Line::try_parse_from(line).unwrap().args
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        assert!(
            parsed("127.0.0.1:5000", &["--insecure-registry"])
                .reference()
                .is_ok()
        );
        let failure = parsed("acme.azurecr.io", &["--insecure-registry"])
            .reference()
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn a_base_is_one_word() {
        assert!(parsed("acme.azurecr.io", &[]).reference().is_ok());
        for bad in ["a b", "a\nRUN x", "", "--x"] {
            let args = parsed("acme.azurecr.io", &[&format!("--base={bad}")]);
            assert!(args.reference().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn push_may_be_switched_off() {
        assert!(parsed("a.io", &[]).push && parsed("a.io", &["--push"]).push);
        assert!(!parsed("a.io", &["--push=false"]).push);
    }
}
