use super::*;
use crate::canonical::signed_text;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn step(step: WipeStepKind) -> WipeStep {
    WipeStep {
        step,
        at: "2026-01-07T14:00:00Z".to_owned(),
        observer: "arm-double".to_owned(),
        asked: "GET agentPools/tbabc".to_owned(),
        answered: "there is no such node pool".to_owned(),
        operation: None,
    }
}

fn record(steps: Vec<WipeStep>) -> WipeRecord {
    WipeRecord {
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
    }
}

fn printed(record: &WipeRecord) -> Value {
    let name = name(&record.org, &record.tune_pod, &record.tune_pod_uid);
    let document = Document {
        namespace: "tb-acme",
        name: &name,
        record,
    };
    let digest = document.digest().unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = pair.public_key().as_ref();
    let signature = pair.sign(signed_text(SIGNED_KIND, &digest).as_bytes());
    json!({"kind": "WipeEvidence", "metadata": {"name": name, "namespace": "tb-acme"}, "spec": {
        "record": record, "digest": digest, "publicKey": HEXLOWER.encode(public),
        "signature": {"keyId": HEXLOWER.encode(&Sha256::digest(public))[..16], "algorithm": "Ed25519",
            "value": HEXLOWER.encode(signature.as_ref())},
    }})
}

fn findings(printed: &Value, keys: &[String]) -> Vec<String> {
    let printed: Printed = serde_json::from_value(printed.clone()).unwrap();
    let is_signed = |key: &[u8; 32], text: &[u8], value: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key).verify(text, value).is_ok()
    };
    verify(&printed, keys, is_signed).findings
}

#[test]
fn one_look_wipes_nothing_and_two_clear() {
    use WipeStepKind::{PodGone, PoolAbsent, PoolDeletionEnded};
    for (steps, expected) in [
        (vec![], WipeMethod::None),
        (vec![PodGone], WipeMethod::None),
        (vec![PodGone, PoolDeletionEnded, PoolAbsent], WipeMethod::None),
        (vec![PodGone, PoolAbsent, PoolAbsent], WipeMethod::Clear),
        (vec![PoolAbsent, PoolAbsent], WipeMethod::Clear),
    ] {
        let steps: Vec<WipeStep> = steps.into_iter().map(step).collect();
        assert_eq!(method(&steps), expected, "{steps:?}");
        let says_pod = not_observed(&steps).iter().any(|text| text.contains("pod"));
        assert_eq!(says_pod, count(&steps, PodGone) == 0);
    }
}

#[test]
fn an_operation_whose_end_nobody_saw_is_named_as_not_observed() {
    use WipeStepKind::{PodGone, PoolAbsent, PoolOperationUntold};
    let says = |steps: Vec<WipeStepKind>| {
        let steps: Vec<WipeStep> = steps.into_iter().map(step).collect();
        not_observed(&steps).iter().any(|text| text.contains("untold"))
    };
    assert!(says(vec![PodGone, PoolOperationUntold, PoolAbsent, PoolAbsent]));
    assert!(!says(vec![PodGone, PoolAbsent, PoolAbsent]));
}

#[test]
fn evidence_that_was_signed_is_right_and_every_change_of_it_shows() {
    let whole = printed(&record(vec![
        step(WipeStepKind::PodGone),
        step(WipeStepKind::PoolAbsent),
        step(WipeStepKind::PoolAbsent),
    ]));
    let key = whole["spec"]["publicKey"].as_str().unwrap().to_owned();
    assert_eq!(findings(&whole, &[key]), Vec::<String>::new());
    assert!(!findings(&whole, &["ab".repeat(32)]).is_empty());
    let changes = [
        ("/metadata/name", json!("another")),
        ("/metadata/namespace", json!("tb-other")),
        ("/spec/record/provider", json!("aks")),
        ("/spec/record/steps/0/at", json!("2026-01-08T14:00:00Z")),
        ("/spec/record/notObserved", json!([])),
        ("/spec/digest", json!("ab".repeat(32))),
        ("/spec/signature/keyId", json!("0123456789abcdef")),
        ("/spec/signature/algorithm", json!("none")),
        ("/spec/signature/value", json!("ab".repeat(64))),
        ("/kind", json!("Invoice")),
    ];
    for (place, value) in changes {
        let mut touched = whole.clone();
        *touched.pointer_mut(place).unwrap() = value;
        assert!(!findings(&touched, &[]).is_empty(), "{place}");
    }
    let mut more = whole;
    more["spec"]["record"]["comment"] = json!("performed by hand");
    assert!(!findings(&more, &[]).is_empty());
}

#[test]
fn a_method_that_does_not_follow_is_found_though_it_was_signed() {
    let mut claimed = record(vec![step(WipeStepKind::PodGone), step(WipeStepKind::PoolAbsent)]);
    claimed.method = WipeMethod::Clear;
    let found = findings(&printed(&claimed), &[]);
    assert!(
        matches!(found.as_slice(), [one] if one.contains("spec.record.method")),
        "{found:?}"
    );
}
