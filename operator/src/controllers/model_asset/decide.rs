//! What an answer of the control plane means.

use super::observe::{Answer, Facts};
use crate::controllers::execute::Plan;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::model_asset::ModelAssetPhase;
use trustbridge_api::{ModelAsset, ModelAssetStatus};
use trustbridge_kit::conditions::{Statement, set};

/// Pause before a control plane that gave nothing usable is asked again.
const SOON: Duration = Duration::from_secs(30);

pub(super) fn decide(asset: &ModelAsset, answer: &Answer, now: Timestamp) -> Plan<ModelAssetStatus> {
    let old = asset.status.clone().unwrap_or_default();
    let (phase, said, pause) = match answer {
        Answer::Known(facts) => {
            let (phase, said) = compare(asset, facts);
            (phase, said, None)
        }
        Answer::Unknown => (ModelAssetPhase::Rejected, unknown(asset), None),
        Answer::Unusable(_) if is_confirmed(asset, &old) => return Plan::rest(old).within(SOON),
        Answer::Unusable(why) => (ModelAssetPhase::Pending, unreachable(asset, why), Some(SOON)),
    };
    let mut status = ModelAssetStatus {
        observed_generation: asset.metadata.generation,
        phase,
        ..old.clone()
    };
    if let Answer::Known(facts) = answer {
        status.observed_manifest_sha256 = Some(facts.manifest_sha256.clone());
    }
    set(&mut status.conditions, &said, asset.metadata.generation, now);
    // The time is that of the last change: a check that confirms what is known writes nothing.
    if status != old && !matches!(answer, Answer::Unusable(_)) {
        status.checked_at = Some(Time(now));
    }
    Plan::rest(status).within(pause.unwrap_or(Duration::MAX))
}

fn is_confirmed(asset: &ModelAsset, old: &ModelAssetStatus) -> bool {
    old.phase == ModelAssetPhase::Ready && old.observed_generation == asset.metadata.generation
}

fn compare(asset: &ModelAsset, facts: &Facts) -> (ModelAssetPhase, Statement) {
    let spec = &asset.spec;
    let mismatch = |field: &str, ours: &str, theirs: &str| {
        format!(
            "`spec.{field}` is {ours}, but the control plane holds {theirs}; correct the field, or register the asset again"
        )
    };
    let wrong = if spec.manifest_sha256 != facts.manifest_sha256 {
        Some(mismatch(
            "manifestSha256",
            &spec.manifest_sha256,
            &facts.manifest_sha256,
        ))
    } else if spec.plaintext_bytes != facts.plaintext_bytes {
        Some(mismatch(
            "plaintextBytes",
            &spec.plaintext_bytes.to_string(),
            &facts.plaintext_bytes.to_string(),
        ))
    } else {
        None
    };
    if let Some(why) = wrong {
        let said = Statement::no(ConditionType::Ready, Reason::ManifestMismatch, why);
        return (ModelAssetPhase::Rejected, said);
    }
    let text = "the control plane holds the same manifest";
    (
        ModelAssetPhase::Ready,
        Statement::yes(ConditionType::Ready, Reason::AsSpecified, text),
    )
}

fn unknown(asset: &ModelAsset) -> Statement {
    let text = format!(
        "{} does not know asset '{}'; the provider runs `trustbridge register`, or `metadata.name` is corrected",
        asset.spec.endpoint,
        asset.name_any()
    );
    Statement::no(ConditionType::Ready, Reason::AssetUnknown, text)
}

fn unreachable(asset: &ModelAsset, why: &str) -> Statement {
    let text = format!(
        "{}: {why}; asked again every {} s",
        asset.spec.endpoint,
        SOON.as_secs()
    );
    Statement::no(ConditionType::Ready, Reason::EndpointUnreachable, text)
}
