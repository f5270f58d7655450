//! `build` with real buildah and a real registry.
//!
//! Needs the Debian packages buildah, runc and docker-registry. Run by name:
//! `cargo test -p trustbridge-cli --test container`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "every function here is part of a test"
)]

#[path = "container/packages.rs"]
mod packages;
#[path = "container/registry.rs"]
mod registry;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use registry::{Registry, storage};
use serde_json::Value;
use tempfile::TempDir;

/// A real program for x86-64.
const SENTINEL: &str = "/bin/true";

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        packages::require();
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .envs(storage(self.folder.path()))
            .env("HOME", self.folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null());
        command
    }

    fn build(&self, registry: &str, more: &[&str]) -> Output {
        self.program(env!("CARGO_BIN_EXE_trustbridge"))
            .args(["build", "--json", "--engine", "buildah", "--registry", registry])
            .args([
                "--image-name",
                "tb/runtime",
                "--tag",
                "1.0",
                "--sentinel-binary",
                SENTINEL,
            ])
            .args(more)
            .output()
            .unwrap()
    }

    /// An image in buildah's store with one file in it.
    fn base(&self, name: &str, path: &str, bytes: &[u8]) {
        let context = self.folder.path().join(format!("context-{name}"));
        fs::create_dir(&context).unwrap();
        fs::write(context.join("file"), bytes).unwrap();
        fs::write(
            context.join("Containerfile"),
            format!("FROM scratch\nCOPY file {path}\n"),
        )
        .unwrap();
        let built = self
            .program("buildah")
            .args(["build", "--timestamp", "0", "-t", &format!("localhost/{name}:1")])
            .arg(&context)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
    }
}

fn done(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// A safetensors file of one small tensor.
fn weights() -> Vec<u8> {
    let header = b"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat()
}

#[test]
fn the_image_is_pushed_runs_as_nobody_and_is_the_same_every_time() {
    let (bench, registry) = (Bench::new(), Registry::start());
    let plain = ["--base", "scratch", "--insecure-registry"];
    let first = done(&bench.build(&registry.host(), &plain));
    let digest = first["digest"].as_str().unwrap();
    assert_eq!(first["image"], format!("{}/tb/runtime@{digest}", registry.host()));
    assert_eq!(first["scanned"]["files"], 2);
    let manifest = registry.document("tb/runtime/manifests/1.0");
    assert_eq!(manifest["config"]["digest"], first["image_id"]);
    let config = registry.document(&format!(
        "tb/runtime/blobs/{}",
        first["image_id"].as_str().unwrap()
    ));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        config["config"]["Entrypoint"][0],
        "/usr/local/bin/trustbridge-entrypoint"
    );
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    // Another store, another folder: the same image.
    let other = Bench::new();
    let again = done(&other.build(&registry.host(), &plain));
    assert_eq!(again["digest"], first["digest"]);
}

#[test]
fn weights_hidden_in_the_base_are_found_when_asked_and_nothing_is_pushed() {
    let (bench, registry) = (Bench::new(), Registry::start());
    bench.base("hiding", "/usr/share/doc/readme.txt", &weights());
    let plain = ["--base", "localhost/hiding:1", "--insecure-registry"];
    let said = refused(
        &bench.build(&registry.host(), &[&plain[..], &["--scan-base"]].concat()),
        65,
    );
    assert!(
        said.contains("usr/share/doc/readme.txt") && said.contains("safetensors"),
        "{said}"
    );
    assert_eq!(registry.ask("tb/runtime/tags/list").status(), 404);
    assert_eq!(registry.writes(), 0);
    // The guard off: the very same image goes through.
    done(&bench.build(&registry.host(), &plain));
    assert_eq!(registry.document("tb/runtime/tags/list")["tags"][0], "1.0");
    // The guard on, and a base without weights.
    bench.base("clean", "/usr/share/doc/readme.txt", b"nothing to see");
    let clean = [
        "--base",
        "localhost/clean:1",
        "--insecure-registry",
        "--scan-base",
    ];
    let passed = done(&bench.build(&registry.host(), &clean));
    assert_eq!(passed["scanned"]["layers"], 2);
}

#[test]
fn weights_in_place_of_our_files_are_refused() {
    let bench = Bench::new();
    let path = bench.folder.path().join("entrypoint.sh");
    fs::write(&path, weights()).unwrap();
    let more = [
        "--base",
        "scratch",
        "--push=false",
        "--entrypoint",
        path.to_str().unwrap(),
    ];
    let said = refused(&bench.build("127.0.0.1:1", &more), 65);
    assert!(said.contains("safetensors"), "{said}");
    fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    let built = done(&bench.build("127.0.0.1:1", &more));
    assert_eq!(built["digest"], Value::Null);
}

#[test]
fn registries_that_are_away_closed_or_plain_have_their_own_errors() {
    let bench = Bench::new();
    let away = Registry::absent();
    let plain = ["--base", "scratch", "--insecure-registry"];
    refused(&bench.build(&away.host(), &plain), 69);
    let closed = Registry::closed();
    let said = refused(&bench.build(&closed.host(), &plain), 77);
    assert!(said.contains("login"), "{said}");
    let open = Registry::start();
    let said = refused(&bench.build(&open.host(), &["--base", "scratch"]), 69);
    assert!(said.contains("HTTPS"), "{said}");
    assert_eq!(open.writes(), 0);
    let said = refused(&bench.build("registry.example", &plain), 64);
    assert!(said.contains("--insecure-registry"), "{said}");
}

#[test]
fn an_engine_that_does_not_work_is_passed_over() {
    let bench = Bench::new();
    let bin = bench.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let docker = bin.join("docker");
    fs::write(&docker, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |path: &str| {
        bench
            .program(env!("CARGO_BIN_EXE_trustbridge"))
            .env("PATH", path)
            .args([
                "build",
                "--json",
                "--registry",
                "127.0.0.1:1",
                "--image-name",
                "r",
                "--tag",
                "1",
            ])
            .args(["--sentinel-binary", SENTINEL, "--base", "scratch", "--push=false"])
            .output()
            .unwrap()
    };
    let said = refused(&run(bin.to_str().unwrap()), 69);
    assert!(
        said.contains("docker") && said.contains("buildah") && said.contains("podman"),
        "{said}"
    );
    let system = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let built = done(&run(&system));
    assert_eq!(built["engine"], "buildah");
    assert!(
        built["passed_over"][0].as_str().unwrap().starts_with("docker"),
        "{built}"
    );
    assert!(Path::new(SENTINEL).exists());
}
