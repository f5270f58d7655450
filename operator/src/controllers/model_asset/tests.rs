use super::decide::decide;
use super::observe::{Answer, Facts, read};
use crate::controllers::execute::status_write;
use jiff::{SignedDuration, Timestamp};
use trustbridge_api::model_asset::ModelAssetPhase;
use trustbridge_api::{ModelAsset, ModelAssetSpec};

fn asset() -> ModelAsset {
    let spec = ModelAssetSpec {
        endpoint: "https://edc.example".to_owned(),
        manifest_sha256: "a".repeat(64),
        plaintext_bytes: 7,
        ..ModelAssetSpec::default()
    };
    let mut asset = ModelAsset::new("tb-asset-1", spec);
    asset.metadata.generation = Some(1);
    asset
}

fn known(digest: &str, bytes: i64) -> Answer {
    Answer::Known(Facts {
        manifest_sha256: digest.to_owned(),
        plaintext_bytes: bytes,
    })
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

#[test]
fn every_answer_has_its_phase_and_reason() {
    let table = [
        (
            known(&"a".repeat(64), 7),
            ModelAssetPhase::Ready,
            "AsSpecified",
            300,
        ),
        (
            known(&"b".repeat(64), 7),
            ModelAssetPhase::Rejected,
            "ManifestMismatch",
            300,
        ),
        (
            known(&"a".repeat(64), 8),
            ModelAssetPhase::Rejected,
            "ManifestMismatch",
            300,
        ),
        (Answer::Unknown, ModelAssetPhase::Rejected, "AssetUnknown", 300),
        (
            Answer::Unusable("HTTP 500".to_owned()),
            ModelAssetPhase::Pending,
            "EndpointUnreachable",
            30,
        ),
    ];
    for (answer, phase, reason, pause) in table {
        let plan = decide(&asset(), &answer, now());
        assert_eq!(
            (plan.status.phase, plan.status.conditions[0].reason.as_str()),
            (phase, reason),
            "{answer:?}"
        );
        assert_eq!(plan.requeue.as_secs(), pause);
    }
}

#[test]
fn a_mismatch_names_field_both_values_and_the_next_step() {
    let plan = decide(&asset(), &known(&"b".repeat(64), 7), now());
    let message = &plan.status.conditions[0].message;
    for part in [
        "`spec.manifestSha256`",
        &"a".repeat(64),
        &"b".repeat(64),
        "register",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_second_look_writes_nothing_and_an_outage_takes_nothing_back() {
    let mut settled = asset();
    settled.status = Some(decide(&settled, &known(&"a".repeat(64), 7), now()).status);
    let later = now() + SignedDuration::from_hours(1);
    for answer in [known(&"a".repeat(64), 7), Answer::Unusable("down".to_owned())] {
        let again = decide(&settled, &answer, later);
        assert!(
            status_write(&settled, settled.status.as_ref(), &again.status).is_none(),
            "{answer:?}"
        );
    }
    settled.metadata.generation = Some(2);
    let plan = decide(&settled, &Answer::Unusable("down".to_owned()), later);
    assert_eq!(
        plan.status.phase,
        ModelAssetPhase::Pending,
        "a changed spec was confirmed by nobody"
    );
}

#[test]
fn answers_are_read_by_status() {
    let ok = br#"{"manifest_sha256":"aa","plaintext_bytes":7,"more":1}"#;
    assert_eq!(read(http::StatusCode::OK, ok), known("aa", 7));
    assert_eq!(read(http::StatusCode::NOT_FOUND, b""), Answer::Unknown);
    assert!(matches!(read(http::StatusCode::OK, b"{}"), Answer::Unusable(_)));
    assert!(matches!(
        read(http::StatusCode::BAD_GATEWAY, b""),
        Answer::Unusable(_)
    ));
}
