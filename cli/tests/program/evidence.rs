//! `evidence verify`: evidence as the operator writes it, whole and touched.

use std::fs;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use trustbridge_domain::canonical::signed_text;
use trustbridge_domain::wipe::{
    Document, SIGNED_KIND, WipeRecord, WipeStep, WipeStepKind, method, name, not_observed,
};

use crate::support::{fails, json as told, ok};

fn evidence() -> Value {
    let step = |step, at: &str| WipeStep {
        step,
        at: at.to_owned(),
        observer: "arm-double".to_owned(),
        asked: "GET agentPools/tbabc".to_owned(),
        answered: "there is no such node pool".to_owned(),
        operation: None,
    };
    let steps = vec![
        step(WipeStepKind::PodGone, "2026-01-07T14:00:00Z"),
        step(WipeStepKind::PoolAbsent, "2026-01-07T14:01:00Z"),
        step(WipeStepKind::PoolAbsent, "2026-01-07T14:11:00Z"),
    ];
    let record = WipeRecord {
        org: "acme".to_owned(),
        order: "order-1".to_owned(),
        tune_pod: "order-1-0".to_owned(),
        tune_pod_uid: "uid-1".to_owned(),
        mode: "protectedModel".to_owned(),
        provider: "arm-double".to_owned(),
        node_pool: Some("tbabc".to_owned()),
        node: None,
        method: method(&steps),
        not_observed: not_observed(&steps),
        steps,
    };
    let name = name("acme", "order-1-0", "uid-1");
    let document = Document {
        namespace: "tb-acme",
        name: &name,
        record: &record,
    };
    let digest = document.digest().unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = pair.public_key().as_ref();
    let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public);
    let signature = pair.sign(signed_text(SIGNED_KIND, &digest).as_bytes());
    json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "WipeEvidence",
        "metadata": {"name": name, "namespace": "tb-acme", "uid": "e-1", "creationTimestamp": "2026-01-07T14:11:01Z"},
        "spec": {
            "orderRef": {"name": "order-1"}, "tunePodRef": {"name": "order-1-0"}, "record": record, "digest": digest,
            "publicKey": HEXLOWER.encode(public),
            "signature": {"keyId": HEXLOWER.encode(id.as_ref())[..16], "algorithm": "Ed25519",
                "value": HEXLOWER.encode(signature.as_ref())},
        },
    })
}

#[test]
fn evidence_is_verified_without_a_cluster_and_says_what_was_not_observed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = evidence();
    fs::write(dir.path().join("evidence.json"), whole.to_string()).unwrap();
    let key = whole["spec"]["publicKey"].as_str().unwrap();
    let said = ok(
        dir.path(),
        &format!("evidence verify evidence.json --public-key {key}"),
    );
    assert!(said.contains("Clear") && said.contains("not observed"), "{said}");
    let document = told(dir.path(), "evidence verify evidence.json");
    assert_eq!(document["provider"], "arm-double");
    assert_eq!(document["public_keys_checked"], false);
    let other = "ab".repeat(32);
    fails(
        dir.path(),
        65,
        &format!("evidence verify evidence.json --public-key {other}"),
    );
}

#[test]
fn evidence_that_was_touched_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for (place, value) in [
        ("/spec/record/provider", json!("aks")),
        ("/spec/record/steps/2/at", json!("2026-01-07T14:01:00Z")),
        ("/spec/record/method", json!("None")),
        ("/metadata/namespace", json!("tb-other")),
    ] {
        let mut touched = evidence();
        *touched.pointer_mut(place).unwrap() = value;
        fs::write(dir.path().join("evidence.json"), touched.to_string()).unwrap();
        let said = fails(dir.path(), 65, "evidence verify evidence.json");
        assert!(said.contains("findings"), "{place}: {said}");
    }
    fs::write(dir.path().join("evidence.json"), "kind: [").unwrap();
    let said = fails(dir.path(), 65, "evidence verify evidence.json");
    assert!(said.contains("no WipeEvidence"), "{said}");
}
