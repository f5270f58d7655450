//! From the authorisation to the audit record, and every way to be refused.

use std::path::Path;
use std::sync::atomic::Ordering;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trustbridge_domain::audit::Verifier;
use trustbridge_tbenc::{Sha256, hex_digest};

use crate::world::asset::CANARY;
use crate::world::{Asset, Runtime, World, eventually, get, post, weights};

fn audit(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.audit_path()).unwrap();
    let mut prev = "0".repeat(64);
    for line in text.lines() {
        let (body, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
        let mut digest = Sha256::new();
        digest.update(prev.as_bytes());
        digest.update(format!("{body}}}").as_bytes());
        let sum = digest.finish_hex();
        assert_eq!(format!("{sum}\"}}"), hash);
        prev = sum;
    }
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Every regular file below, read whole.
fn holds(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            return holds(&entry.path(), needle);
        }
        let bytes = if kind.is_file() {
            std::fs::read(entry.path()).unwrap()
        } else {
            Vec::new()
        };
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

#[test]
fn an_allowed_contract_is_served_and_audited() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    std::fs::create_dir_all(world.model_dir()).unwrap();
    std::fs::write(world.ready_signal(), "of an earlier start").unwrap();
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    eventually("the runtime may start", || sentinel.probe("/startupz") == 200);
    assert_eq!(sentinel.probe("/readyz"), 503);
    assert!(
        !world.public_is_open(),
        "the port must not be open before the weights were read"
    );
    eventually("the signal", || {
        std::fs::read_to_string(world.ready_signal()).is_ok_and(|text| text == "ready\n")
    });
    for small in ["config.json", "tokenizer.json"] {
        assert_eq!(
            std::fs::read(world.model_dir().join(small)).unwrap(),
            asset.plain[small]
        );
    }

    let runtime = Runtime::start(&world, weights(&world, &asset));
    let sums = runtime.sums();
    for path in asset.weights() {
        assert_eq!(sums[&path], asset.sha256(&path));
    }
    let status = sentinel.wait_for("Ready");
    assert_eq!(status["anchored"], false);
    let demo = get(world.public, "/v1/demo");
    assert_eq!(demo.status, 200);
    let seen: Value = serde_json::from_str(&demo.body).unwrap();
    assert!(
        !seen["headers"]
            .as_array()
            .unwrap()
            .contains(&json!("authorization")),
        "{seen}"
    );
    assert_eq!(get(world.public, "/health").status, 200);
    assert_eq!(get(world.public, "/metrics").status, 404);
    let question = "{\"prompt\":\"hello\"}";
    assert_eq!(post(world.public, "/v1/completions", question).body, question);
    let streamed = post(world.public, "/v1/chat/completions", "{\"stream\":true}");
    assert!(
        streamed.head.contains("text/event-stream") && streamed.body.contains("[DONE]"),
        "{}",
        streamed.body
    );

    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
    the_audit_tells_what_was_asked(&world, question);
    the_log_is_whole(&world.audit_path(), status["audit_public_key"].as_str().unwrap());
    let written = std::fs::read_to_string(world.audit_path()).unwrap();
    assert!(written.lines().all(|line| sentinel.log().contains(line)));
    nothing_is_left(&world, &asset);
}

fn the_audit_tells_what_was_asked(world: &World, question: &str) {
    let mut records = audit(world);
    // Between them stand the checkpoints of start and end.
    records.retain(|record| record.get("checkpoint").is_none());
    let paths: Vec<_> = records
        .iter()
        .map(|record| record["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["/v1/demo", "/metrics", "/v1/completions", "/v1/chat/completions"]
    );
    assert_eq!(records[2]["req_sha256"], hex_digest(question.as_bytes()));
    assert_eq!(records[2]["resp_sha256"], hex_digest(question.as_bytes()));
    assert_eq!(
        (&records[0]["outcome"], &records[1]["outcome"]),
        (&json!("ok"), &json!("refused"))
    );
    assert_eq!(records[3]["outcome"], "ok");
}

/// A stranger's judgement: the reader of the command line, and the program of the reference page.
fn the_log_is_whole(path: &Path, public_key: &str) {
    let check = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .is_ok()
    };
    let mut verifier = Verifier::new(vec![public_key.to_owned()], None, check);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        verifier.line(line.as_bytes()).unwrap();
    }
    let summary = verifier.finish(b"").unwrap();
    assert_eq!((summary.starts, summary.unsigned_records), (1, 0));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/audit-log.md");
    let page = std::fs::read_to_string(page).unwrap();
    let program = page
        .split("```python\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let mut python = std::process::Command::new("python3");
    let told = python.arg("-c").arg(program).arg(path).output().expect("python3");
    let told = String::from_utf8(told.stdout).unwrap();
    assert_eq!(
        told.trim(),
        format!("whole: {}:{}", summary.head.seq, summary.head.hash)
    );
}

fn nothing_is_left(world: &World, asset: &Asset) {
    // Nothing of the model is left in memory, and nothing ever was on the disk; nor was a secret told.
    assert!(!world.ready_signal().exists());
    assert_eq!(std::fs::read_dir(world.model_dir()).unwrap().count(), 0);
    assert!(!holds(world.disk.path(), CANARY));
    assert!(!holds(world.disk.path(), "secret-"));
    assert!(!holds(world.disk.path(), asset.key.to_hex().as_str()));
}

#[test]
fn a_denied_contract_never_opens_the_port() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_CONTRACT_ID", "contract-deny")]);
    let status = sentinel.wait_for("Suspended");
    assert_eq!(status["reason"], "contract_unknown");
    assert_eq!(
        (sentinel.probe("/startupz"), sentinel.probe("/livez")),
        (503, 200)
    );
    assert!(!world.public_is_open());
    let report: Value = serde_json::from_slice(&std::fs::read(world.termination_log()).unwrap()).unwrap();
    assert_eq!(report["cause"], "Denied");
    assert_eq!(
        (&report["state"], &report["reason"]),
        (&json!("Suspended"), &json!("contract_unknown"))
    );
    assert_eq!(world.servers.world.questions.lock().unwrap().len(), 1);
    assert!(!world.pipe().exists() && !world.ready_signal().exists());
    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
}

#[test]
fn one_flipped_byte_of_ciphertext_never_gets_ready() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    {
        let mut blobs = world.servers.world.blobs.lock().unwrap();
        blobs
            .get_mut("files/model-00002-of-00002.safetensors.tbenc")
            .unwrap()[300_000] ^= 1;
    }
    let mut sentinel = world.sentinel(&[]);
    let status = sentinel.wait_for("Suspended");
    assert_eq!(status["reason"], "integrity");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("model-00002-of-00002.safetensors")
    );
    assert!(!world.public_is_open() && !world.ready_signal().exists());
}

#[test]
fn a_manifest_that_is_not_the_registered_one_is_refused() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_MANIFEST_SHA256", &"ab".repeat(32))]);
    sentinel.wait_for("Suspended");
    assert_eq!(world.servers.world.ranges.load(Ordering::SeqCst), 0);
}

#[test]
fn a_wrong_key_shows_before_the_first_byte_of_ciphertext() {
    let asset = Asset::single();
    let world = World::new(&asset);
    *world.servers.world.key.lock().unwrap() = crate::world::servers::other_key();
    let mut sentinel = world.sentinel(&[]);
    let status = sentinel.wait_for("Suspended");
    assert!(
        status["message"].as_str().unwrap().contains("key_commitment"),
        "{status}"
    );
    assert_eq!(world.servers.world.ranges.load(Ordering::SeqCst), 0);
}

#[test]
fn a_sas_that_runs_out_midway_is_renewed_once() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let shared = &world.servers.world;
    *shared.expire_after.lock().unwrap() = Some(10);
    *shared.anchored.lock().unwrap() = Some(hex_digest(&asset.manifest));
    let mut sentinel = world.sentinel(&[]);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    let status = sentinel.wait_for("Ready");
    assert_eq!(status["anchored"], true);
    assert_eq!(runtime.sums()["model-pipe"], asset.sha256("model.tbenc"));
    assert!(shared.refused.load(Ordering::SeqCst) >= 1);
    assert_eq!(shared.questions.lock().unwrap().len(), 2);
    let ranges = asset.blobs["model.tbenc"].len().div_ceil(65_536);
    assert_eq!(shared.ranges.load(Ordering::SeqCst), ranges);
}

#[test]
fn a_contract_that_ends_closes_the_model() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let shared = &world.servers.world;
    shared.lifetime_s.store(10, Ordering::SeqCst);
    let mut sentinel = world.sentinel(&[]);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    shared
        .answers
        .lock()
        .unwrap()
        .push(json!({"status": "denied", "reason": "contract_ended"}));
    let status = sentinel.wait_for("Suspended");
    assert_eq!(status["reason"], "contract_ended");
    assert_eq!(get(world.public, "/v1/demo").status, 403);
    assert!(!world.pipe().exists() && !world.ready_signal().exists());
}

#[test]
fn files_in_memory_serve_runtimes_that_cannot_read_a_pipe() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_DELIVERY", "ramfile")]);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    for (path, sum) in runtime.sums() {
        assert_eq!(sum, asset.sha256(&path));
        assert!(world.model_dir().join(&path).is_file());
    }
    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
    assert_eq!(std::fs::read_dir(world.model_dir()).unwrap().count(), 0);
}

#[test]
fn sigterm_while_files_are_written_leaves_none() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_DELIVERY", "ramfile")]);
    let written = || std::fs::read_dir(world.model_dir()).is_ok_and(|mut dir| dir.next().is_some());
    eventually("the first file in memory", written);
    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
    assert!(!written());
    assert!(!world.ready_signal().exists());
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[
        ("TB_EDC_ENDPOINT", "http://control.example"),
        ("TB_DELIVERY", "usb"),
    ]);
    assert_eq!(sentinel.ended().code(), Some(78));
    let log = sentinel.log();
    assert!(
        log.contains("TB_EDC_ENDPOINT") && log.contains("must be https") && log.contains("TB_DELIVERY"),
        "{log}"
    );
    let mut sentinel = world.sentinel(&[("TB_MODEL_DIR", "/proc/model")]);
    assert_eq!(sentinel.ended().code(), Some(1));
    assert!(sentinel.log().contains("must lie on a tmpfs"));
}
