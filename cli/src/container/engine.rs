//! docker, buildah or podman: whichever is there and works.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::Value;

use super::context::Context;
use super::process;
use super::reference::{Reference, is_digest, is_loopback};
use crate::failure::{Exit, Failure};

/// A program that builds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Docker, with its daemon.
    Docker,
    /// Buildah, without one.
    Buildah,
    /// Podman, without one.
    Podman,
}

impl Kind {
    /// Its name, and its program's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildah => "buildah",
            Self::Podman => "podman",
        }
    }
}

/// Time for a question to an engine.
const QUESTION: Duration = Duration::from_secs(30);

/// An engine that answered.
pub(crate) struct Engine {
    /// Which one.
    pub(crate) kind: Kind,
    program: PathBuf,
    /// Others that were tried before, each with the reason.
    pub(crate) passed_over: Vec<String>,
    /// Whether registries of this machine may speak plain HTTP.
    insecure_loopback: bool,
    deadline: Instant,
}

impl Engine {
    /// The wanted one, or the first that is there and works.
    pub(crate) fn find(
        wanted: Option<Kind>,
        insecure_loopback: bool,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let all = [Kind::Docker, Kind::Buildah, Kind::Podman];
        let candidates = wanted.map_or_else(|| all.to_vec(), |kind| vec![kind]);
        let mut passed_over = Vec::new();
        for kind in candidates {
            match working(kind) {
                Ok(program) => {
                    return Ok(Self {
                        kind,
                        program,
                        passed_over,
                        insecure_loopback,
                        deadline,
                    });
                }
                Err(why) => passed_over.push(format!("{}: {why}", kind.name())),
            }
        }
        Err(Failure::new(
            Exit::Unavailable,
            format!(
                "no engine to build images with ({}); install one (Debian: apt-get install buildah runc) or start its daemon",
                passed_over.join("; ")
            ),
        ))
    }

    /// The layers of the base image, lowest first; the image is fetched where it is not there.
    pub(crate) fn base_layers(&self, base: &str) -> Result<Vec<String>, Failure> {
        if base == "scratch" {
            return Ok(Vec::new());
        }
        if self.inspect(base).is_err() {
            let mut pull = self.command(&["pull"]);
            pull.args(self.tls_flags(base)).arg(base);
            self.run(&mut pull)?;
        }
        let document = self.inspect(base)?;
        let ids = match self.kind {
            Kind::Buildah => document.pointer("/OCIv1/rootfs/diff_ids"),
            Kind::Docker | Kind::Podman => document.pointer("/0/RootFS/Layers"),
        };
        let ids: Option<Vec<String>> = ids
            .and_then(Value::as_array)
            .map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        ids.ok_or_else(|| {
            Failure::new(
                Exit::Data,
                format!("--base {base}: {} does not say its layers", self.kind.name()),
            )
        })
    }

    /// Builds, tags, and answers the image's id (`sha256:...`).
    pub(crate) fn build(&self, context: &Context, tag: &Reference, base: &str) -> Result<String, Failure> {
        let id_file = context.path().join(".id");
        let mut build = self.command(&["build"]);
        match self.kind {
            // BuildKit takes the times of layers and configuration from here, and adds no record of the build.
            Kind::Docker => {
                build
                    .env("SOURCE_DATE_EPOCH", "0")
                    .env("DOCKER_BUILDKIT", "1")
                    .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
            }
            Kind::Buildah | Kind::Podman => {
                build.args([
                    "--timestamp",
                    "0",
                    "--identity-label=false",
                    "--format",
                    "oci",
                    "--pull=missing",
                ]);
                build.args(self.tls_flags(base));
            }
        }
        build.arg("--iidfile").arg(&id_file);
        build.args(["-t", &tag.to_string()]);
        build
            .arg("-f")
            .arg(context.containerfile_path())
            .arg(context.path());
        self.run(&mut build)?;
        let id = read_digest(&id_file)?;
        // The next thing made of this folder must not find it.
        std::fs::remove_file(&id_file).map_err(|e| Failure::file("removing", &id_file, &e))?;
        Ok(id)
    }

    /// Saves the image with this id as a docker-archive.
    pub(crate) fn save(&self, id: &str, file: &Path) -> Result<(), Failure> {
        let mut save = match self.kind {
            Kind::Docker => self.command(&["save", "-o"]),
            Kind::Podman => self.command(&["save", "--quiet", "--format", "docker-archive", "-o"]),
            Kind::Buildah => self.command(&["push", "--quiet", id]),
        };
        if self.kind == Kind::Buildah {
            let mut target = OsString::from("docker-archive:");
            target.push(file);
            save.arg(target);
        } else {
            save.arg(file).arg(id);
        }
        self.run(&mut save).map(drop)
    }

    /// Whether the image with this id is in the engine's store.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.inspect(id).is_ok()
    }

    /// Pushes the image with this id, and answers the digest of its manifest there.
    pub(crate) fn push(&self, id: &str, to: &Reference, work: &Path) -> Result<String, Failure> {
        let reference = to.to_string();
        if self.kind == Kind::Docker {
            self.run(&mut self.command(&["tag", id, &reference]))?;
            self.run(&mut self.command(&["push", "--quiet", &reference]))?;
            return self.pushed_digest(to);
        }
        let file = work.join("digest");
        let mut push = self.command(&["push", "--quiet", "--digestfile"]);
        push.arg(&file).args(self.tls_flags(&reference)).arg(id);
        match self.kind {
            Kind::Buildah => push.arg(format!("docker://{reference}")),
            Kind::Docker | Kind::Podman => push.arg(&reference),
        };
        self.run(&mut push)?;
        read_digest(&file)
    }

    /// Docker notes where an image was pushed.
    fn pushed_digest(&self, to: &Reference) -> Result<String, Failure> {
        let document = self.inspect(&to.to_string())?;
        let place = format!("{}/{}@", to.registry, to.name);
        let known = document.pointer("/0/RepoDigests").and_then(Value::as_array);
        let digest = known
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find_map(|text| text.strip_prefix(&place))
            .filter(|digest| is_digest(digest));
        digest
            .map(str::to_owned)
            .ok_or_else(|| Failure::data(format!("{to}: docker does not say the digest that was pushed")))
    }

    fn inspect(&self, image: &str) -> Result<Value, Failure> {
        let mut inspect = match self.kind {
            Kind::Buildah => self.command(&["inspect", "--type", "image", image]),
            Kind::Docker | Kind::Podman => self.command(&["image", "inspect", image]),
        };
        let text = process::output(&mut inspect, Instant::now() + QUESTION)?;
        serde_json::from_str(&text)
            .map_err(|e| Failure::data(format!("{} inspect {image}: {e}", self.kind.name())))
    }

    /// Plain HTTP only where it was asked for, and only to this machine. Docker needs no flag for that.
    fn tls_flags(&self, image: &str) -> &'static [&'static str] {
        let registry = image.split('/').next().unwrap_or_default();
        if self.insecure_loopback && is_loopback(registry) && self.kind != Kind::Docker {
            &["--tls-verify=false"]
        } else {
            &[]
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    fn run(&self, command: &mut Command) -> Result<String, Failure> {
        process::output(command, self.deadline)
    }
}

fn working(kind: Kind) -> Result<PathBuf, String> {
    let program = on_path(kind.name()).ok_or("is not installed")?;
    let mut question = Command::new(&program);
    match kind {
        // The client alone builds nothing.
        Kind::Docker => question.args(["version", "--format", "{{.Server.Version}}"]),
        Kind::Buildah | Kind::Podman => question.arg("--version"),
    };
    match process::output(&mut question, Instant::now() + QUESTION) {
        Ok(_) => Ok(program),
        Err(_) if kind == Kind::Docker => Err("its daemon does not answer".to_owned()),
        Err(_) => Err("does not start".to_owned()),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn read_digest(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::file("reading what the engine wrote", file, &e))?;
    let digest = text.trim();
    if is_digest(digest) {
        return Ok(digest.to_owned());
    }
    Err(Failure::data(format!(
        "{}: {digest:?} is no digest",
        file.display()
    )))
}
