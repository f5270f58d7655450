//! `register` against the control plane's double, over TLS with a bearer token and with client certificates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "every function here is part of a test"
)]

#[path = "control_plane/double.rs"]
mod double;
#[path = "blob_store/pki.rs"]
mod pki;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use double::Double;
use serde_json::Value;
use tempfile::TempDir;

const BASE: &str = "https://acct.blob.core.windows.net/models";

fn trustbridge(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trustbridge"))
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("TB_PROVIDER_TOKEN_FILE")
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A folder with an encrypted asset `name`, and the provider's token.
fn asset(folder: &Path, name: &str) {
    fs::write(folder.join(format!("{name}.plain")), name).unwrap();
    fs::write(folder.join("token"), "provider-token\n").unwrap();
    let line = format!(
        "encrypt --in {name}.plain --out {name}/model.tbenc --manifest {name}/model.manifest.json --key-out {name}.key \
         --asset-id {name}"
    );
    done(&trustbridge(folder, &line));
}

fn register(folder: &Path, double: &Double, name: &str, more: &str) -> Output {
    let line = format!(
        "register --json --edc-endpoint {} --asset-id {name} --manifest {name}/model.manifest.json --key-file {name}.key \
         --container-url {BASE} --ca-file {} --timeout 5 {more}",
        double.url(),
        double.pki.ca.display()
    );
    let output = trustbridge(folder, &line);
    let key = fs::read_to_string(folder.join(format!("{name}.key"))).unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(
            !text.contains(key.trim()) && !text.contains("provider-token"),
            "a secret is printed"
        );
    }
    output
}

fn done(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn a_token_registers_and_registering_again_changes_nothing() {
    let folder = TempDir::new().unwrap();
    asset(folder.path(), "tb-1");
    let mut double = Double::absent(folder.path());
    refused(
        &register(folder.path(), &double, "tb-1", "--token-file token"),
        69,
    );
    double.listen(Some("provider-token"), None);
    let first = register(folder.path(), &double, "tb-1", "--token-file token");
    done(&first);
    let first: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(first["created"], true);
    assert_eq!(first["blob_base_url"], format!("{BASE}/models/tb-1"));
    let stored = double.stored();
    let key = fs::read_to_string(folder.path().join("tb-1.key")).unwrap();
    assert!(
        stored.contains(key.trim()),
        "the key went to the control plane, and the search above can find it"
    );
    let again = register(folder.path(), &double, "tb-1", "--token-file token");
    done(&again);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["created"], false);
    assert_eq!(double.stored(), stored);
}

#[test]
fn a_wrong_token_is_not_allowed_and_none_is_wrong_use() {
    let folder = TempDir::new().unwrap();
    asset(folder.path(), "tb-1");
    let mut double = Double::absent(folder.path());
    double.listen(Some("another"), None);
    let said = refused(
        &register(folder.path(), &double, "tb-1", "--token-file token"),
        77,
    );
    assert!(said.contains("--token-file"), "{said}");
    let said = refused(&register(folder.path(), &double, "tb-1", ""), 64);
    assert!(said.contains("--client-cert"), "{said}");
    assert!(double.stored().is_empty());
}

#[test]
fn a_key_of_another_asset_is_refused() {
    let folder = TempDir::new().unwrap();
    asset(folder.path(), "tb-1");
    let mut double = Double::absent(folder.path());
    double.listen(Some("provider-token"), None);
    done(&register(folder.path(), &double, "tb-1", "--token-file token"));
    // A manifest of the spec's fields alone carries no commitment: only the control plane can tell.
    let path = folder.path().join("tb-1/model.manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["asset_id"] = "tb-2".into();
    manifest.as_object_mut().unwrap().remove("key_commitment");
    fs::create_dir(folder.path().join("tb-2")).unwrap();
    fs::write(
        folder.path().join("tb-2/model.manifest.json"),
        manifest.to_string(),
    )
    .unwrap();
    for (from, to) in [("tb-1/model.tbenc", "tb-2/model.tbenc"), ("tb-1.key", "tb-2.key")] {
        fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let said = refused(
        &register(folder.path(), &double, "tb-2", "--token-file token"),
        65,
    );
    assert!(said.contains("KEY_REUSED"), "{said}");
    let said = refused(
        &trustbridge(
            folder.path(),
            &format!(
                "register --edc-endpoint {} --manifest tb-1/model.manifest.json --asset-id tb-2 --key-file tb-1.key \
                 --container-url {BASE} --token-file token",
                double.url()
            ),
        ),
        64,
    );
    assert!(said.contains("tb-1"), "{said}");
}

#[test]
fn a_client_certificate_registers_and_a_strangers_does_not() {
    let folder = TempDir::new().unwrap();
    asset(folder.path(), "tb-1");
    let provider = pki::write(folder.path(), "provider");
    let stranger = pki::write(folder.path(), "stranger");
    let mut double = Double::absent(folder.path());
    double.listen(None, Some(&provider.ca));
    let with = |pki: &pki::Pki| {
        let flags = format!(
            "--client-cert {} --client-key {}",
            pki.cert.display(),
            pki.key.display()
        );
        register(folder.path(), &double, "tb-1", &flags)
    };
    let said = refused(&with(&stranger), 77);
    assert!(said.contains("--client-cert"), "{said}");
    // A token alone does not get through the handshake.
    let said = refused(
        &register(folder.path(), &double, "tb-1", "--token-file token"),
        77,
    );
    assert!(said.contains("--client-cert"), "{said}");
    assert!(double.stored().is_empty());
    done(&with(&provider));
    assert!(double.stored().contains("tb-1"));
    let half = format!("--client-cert {}", provider.cert.display());
    refused(&register(folder.path(), &double, "tb-1", &half), 64);
}
