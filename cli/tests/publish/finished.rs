//! A publication that is done, and what a second run does to it.

use std::fs;
use std::io::{Cursor, Read};

use serde_json::Value;
use trustbridge_api::ModelAsset;

use crate::provider::{ID, Provider, outcomes};

#[test]
fn everything_is_there_and_the_second_run_changes_nothing() {
    let provider = Provider::ready();
    let first = provider.publishes(&[]);
    for (step, outcome) in outcomes(&first) {
        assert_eq!(outcome, "done", "{step}");
    }
    assert_eq!(first["blobs"].as_array().unwrap().len(), 4);
    is_registered(&provider);
    is_packaged(&provider, first["image"].as_str().unwrap());
    is_a_model_asset(&provider, &first);

    let before = traces(&provider);
    let second = provider.publishes(&[]);
    for (step, outcome) in outcomes(&second) {
        assert_eq!(outcome, "unchanged", "{step}");
    }
    assert_eq!(traces(&provider), before);
    assert_eq!(second["image"], first["image"]);
}

/// Everything that a run could change: blobs' generations, writes to the registry, files with their times.
fn traces(provider: &Provider) -> Vec<String> {
    let etags = provider.azurite.etags("models");
    let mut traces: Vec<String> = etags
        .iter()
        .map(|(name, etag)| format!("{name} {etag}"))
        .collect();
    traces.push(format!("registry writes {}", provider.registry.writes()));
    traces.push(format!(
        "control plane {}",
        digest(provider.double.stored().as_bytes())
    ));
    for name in ["publish.json", "package.zip", "modelasset.yaml", "asset.key"] {
        let path = provider.path(&format!("pub/{name}"));
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        traces.push(format!(
            "{name} {changed:?} {}",
            digest(&fs::read(&path).unwrap())
        ));
    }
    let blob_writes = provider
        .azurite
        .quiet_log()
        .lines()
        .filter(|line| line.contains("\"PUT "))
        .count();
    traces.push(format!("blob writes {blob_writes}"));
    traces
}

fn digest(bytes: &[u8]) -> String {
    let mut sha256 = trustbridge_tbenc::Sha256::new();
    sha256.update(bytes);
    sha256.finish_hex()
}

fn is_registered(provider: &Provider) {
    let stored: Value = serde_json::from_str(&provider.double.stored()).unwrap();
    let key = fs::read_to_string(provider.path("pub/asset.key")).unwrap();
    assert_eq!(stored[ID]["decryption_key_hex"], key.trim());
    assert_eq!(
        stored[ID]["blob_base_url"],
        format!("{}/models/{ID}", provider.azurite.container_url("models"))
    );
    let verified = provider
        .bare()
        .args(["verify", "--in", "pub/asset", "--key-file", "pub/asset.key"])
        .output()
        .unwrap();
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
}

fn is_packaged(provider: &Provider, image: &str) {
    let bytes = fs::read(provider.path("pub/package.zip")).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    zip.by_name("mainTemplate.json")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let template: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(template["variables"]["image"], image);
    assert!(image.contains("@sha256:"), "{image}");
    let (_, digest) = image.split_once('@').unwrap();
    let there = provider.registry.ask(&format!("tb/runtime/manifests/{digest}"));
    assert_eq!(there.status(), 200);
    let judged = provider
        .bare()
        .args(["package", "--lint", "pub/package.zip"])
        .output()
        .unwrap();
    assert!(judged.status.success());
}

/// The YAML is read by the type that the operator reads it with, and every field is one of the schema's.
fn is_a_model_asset(provider: &Provider, report: &Value) {
    let yaml = fs::read_to_string(provider.path("pub/modelasset.yaml")).unwrap();
    let object: Value = serde_saphyr::from_str(&yaml).unwrap();
    let asset: ModelAsset = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(asset.metadata.name.as_deref(), Some(ID));
    assert_eq!(object["spec"]["manifestSha256"], report["manifest_sha256"]);
    let crds = trustbridge_api::crds();
    let crd = crds
        .iter()
        .find(|crd| crd.spec.names.kind == "ModelAsset")
        .unwrap();
    let schema = serde_json::to_value(crd).unwrap();
    let spec = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    fits(&object["spec"], spec, "spec");
}

/// Structural rules of a schema: types, required members, no unknown ones.
fn fits(value: &Value, schema: &Value, at: &str) {
    match value {
        Value::Object(object) => {
            assert_eq!(schema["type"], "object", "{at}");
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    object.contains_key(required.as_str().unwrap()),
                    "{at}: {required} is missing"
                );
            }
            for (name, member) in object {
                let known = &schema["properties"][name];
                assert!(!known.is_null(), "{at}: {name} is not in the schema");
                fits(member, known, &format!("{at}.{name}"));
            }
        }
        Value::Array(list) => {
            assert_eq!(schema["type"], "array", "{at}");
            for one in list {
                fits(one, &schema["items"], at);
            }
        }
        Value::String(_) => assert_eq!(schema["type"], "string", "{at}"),
        Value::Bool(_) => assert_eq!(schema["type"], "boolean", "{at}"),
        _ => assert!(
            ["integer", "number"].contains(&schema["type"].as_str().unwrap()),
            "{at}"
        ),
    }
}

#[test]
fn steps_may_be_left_out() {
    let provider = Provider::new();
    let said = provider.fails(64, &["--skip", "build"]);
    assert!(said.contains("--image"), "{said}");
    let report = provider.publishes(&[
        "--skip",
        "build",
        "--skip",
        "register",
        "--image",
        "acme.azurecr.io/tb/runtime:1.0",
    ]);
    let skipped: Vec<String> = outcomes(&report)
        .into_iter()
        .filter(|(_, outcome)| outcome == "skipped")
        .map(|(step, _)| step)
        .collect();
    assert_eq!(skipped, ["register", "build"]);
    assert!(provider.double.stored().is_empty());
}
