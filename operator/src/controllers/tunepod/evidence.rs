//! The evidence of a wipe: the record of what was observed, and the object that holds it. Pure.

use super::build;
use super::observe::Observed;
use crate::nodepool::PoolView;
use crate::seller::Signer;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use kube::ResourceExt;
use std::collections::BTreeMap;
use trustbridge_api::tunepod::{PoolOperation, PoolRequest, WipeProgress};
use trustbridge_api::{NameRef, TunePodStatus, WipeEvidence, WipeEvidenceSpec, labels};
use trustbridge_domain::canonical::{CanonicalError, signed_text};
use trustbridge_domain::names::MAX_LABEL;
use trustbridge_domain::wipe::{self, Document, SIGNED_KIND, WipeRecord, WipeStep, WipeStepKind};
use trustbridge_kit::apply::Built;

/// Whether the provider says that there is no pool of that name. One that is tagged as another's is there: its name is
/// made of our UID, so its tag may have been changed, and nobody can say that ours is gone.
pub(super) fn is_absent(seen: &Observed) -> bool {
    matches!(seen.pool_view, Some(Ok(PoolView::Absent)))
}

/// Name of the TunePod's evidence.
pub(super) fn name(seen: &Observed) -> String {
    wipe::name(&seen.org, &seen.tunepod.name_any(), &seen.pool.tunepod_uid)
}

/// What speaks against `found` being the evidence of this very TunePod, signed by one of the seller's `keys`.
pub(super) fn against(found: &WipeEvidence, seen: &Observed, keys: &[String]) -> Option<String> {
    if found.spec.record.tune_pod_uid != seen.pool.tunepod_uid {
        return Some("`spec.record.tunePodUid` is another TunePod's".to_owned());
    }
    if keys.is_empty() {
        return Some("SellerProfile 'seller' has published no key to check it with".to_owned());
    }
    let printed = serde_json::to_value(found).and_then(serde_json::from_value::<wipe::Printed>);
    let is_signed = |key: &[u8; 32], text: &[u8], value: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key).verify(text, value).is_ok()
    };
    match printed {
        Ok(printed) => wipe::verify(&printed, keys, is_signed)
            .findings
            .into_iter()
            .next(),
        Err(error) => Some(format!("it cannot be read: {error}")),
    }
}

/// What was observed until now. `absent_since` is the first of the two looks that prove the pool's absence; this one is
/// the second.
pub(super) fn record(
    seen: &Observed,
    status: &TunePodStatus,
    absent_since: Option<Timestamp>,
    now: Timestamp,
) -> WipeRecord {
    let progress = status.wipe.clone().unwrap_or_default();
    let pool = status.node_pool.as_ref();
    let provider = match pool {
        Some(_) => seen.observer.clone(),
        None => "none".to_owned(),
    };
    let mut steps: Vec<WipeStep> = pool_steps(seen, status, absent_since, now);
    steps.extend(pod_step(seen, &progress));
    steps.sort_by_key(|step| step.at.parse::<Timestamp>().ok());
    WipeRecord {
        org: seen.org.clone(),
        order: seen.tunepod.spec.order_ref.name.clone(),
        tune_pod: seen.tunepod.name_any(),
        tune_pod_uid: seen.pool.tunepod_uid.clone(),
        mode: seen.tunepod.spec.mode.as_str().to_owned(),
        provider,
        node_pool: pool.filter(|_| seen.makes_nodes).map(|pool| pool.name.clone()),
        node: progress.node,
        method: wipe::method(&steps),
        not_observed: wipe::not_observed(&steps),
        steps,
    }
}

fn pod_step(seen: &Observed, progress: &WipeProgress) -> Option<WipeStep> {
    let at = progress.pod_gone_at.as_ref()?.0;
    let target = build::pod_target(&seen.tunepod, &seen.org);
    let answered = progress.pod.as_ref().map_or_else(
        || "there is no pod of this TunePod".to_owned(),
        |uid| format!("there is no pod with UID {uid}"),
    );
    Some(WipeStep {
        step: WipeStepKind::PodGone,
        at: at.to_string(),
        observer: "kubernetes".to_owned(),
        asked: format!(
            "GET pods/{} in {}",
            target.name,
            target.namespace.unwrap_or_default()
        ),
        answered,
        operation: None,
    })
}

fn pool_steps(
    seen: &Observed,
    status: &TunePodStatus,
    absent_since: Option<Timestamp>,
    now: Timestamp,
) -> Vec<WipeStep> {
    let Some(pool) = status.node_pool.as_ref().filter(|_| seen.makes_nodes) else {
        return Vec::new();
    };
    let operations = pool.operations.iter().map(|done| operation(seen, done, now));
    let absent = |at: Timestamp| WipeStep {
        step: WipeStepKind::PoolAbsent,
        at: at.to_string(),
        observer: seen.observer.clone(),
        asked: format!("GET agentPools/{}", pool.name),
        answered: "there is no such node pool".to_owned(),
        operation: None,
    };
    // One look is one step: where the first is believed, it stands there once, and nothing follows from it.
    let looks = absent_since.filter(|since| *since < now).into_iter().chain([now]);
    operations.chain(looks.map(absent)).collect()
}

fn operation(seen: &Observed, done: &PoolOperation, now: Timestamp) -> WipeStep {
    let ended = done.ended_at.as_ref().map(|at| at.0);
    let (kind, verb) = match done.request {
        PoolRequest::Create => (WipeStepKind::PoolCreationEnded, "PUT"),
        PoolRequest::Delete => (WipeStepKind::PoolDeletionEnded, "DELETE"),
    };
    let accepted = done.accepted_at.as_ref().map(|at| at.0.to_string());
    let outcome = match ended {
        Some(_) => format!("ended: {}", done.outcome.clone().unwrap_or_default()),
        None => "was not seen at its end".to_owned(),
    };
    WipeStep {
        step: ended.map_or(WipeStepKind::PoolOperationUntold, |_| kind),
        at: ended.unwrap_or(now).to_string(),
        observer: seen.observer.clone(),
        asked: format!("{verb} agentPools/{}", seen.pool.name),
        answered: format!(
            "accepted at {}; the operation {outcome}",
            accepted.unwrap_or_default()
        ),
        operation: Some(done.id.clone()),
    }
}

/// The evidence of that record, signed. Nobody owns it: it stays when TunePod and order go.
pub(super) fn build(seen: &Observed, record: WipeRecord, signer: &Signer) -> Result<Built, CanonicalError> {
    let name = name(seen);
    let namespace = seen.tunepod.namespace().unwrap_or_default();
    let digest = Document {
        namespace: &namespace,
        name: &name,
        record: &record,
    }
    .digest()?;
    let spec = WipeEvidenceSpec {
        order_ref: seen.tunepod.spec.order_ref.clone(),
        tune_pod_ref: NameRef::new(seen.tunepod.name_any()),
        record,
        public_key: signer.public_key().to_owned(),
        signature: signer.sign(&signed_text(SIGNED_KIND, &digest)),
        digest,
    };
    let mut evidence = WipeEvidence::new(&name, spec);
    evidence.metadata.namespace = Some(namespace);
    let pairs = [
        (labels::MANAGED_BY, labels::OPERATOR.to_owned()),
        (labels::ORG, seen.org.clone()),
        (labels::TUNEPOD, seen.tunepod.name_any()),
    ];
    let fits = pairs.into_iter().filter(|(_, value)| value.len() <= MAX_LABEL);
    let labels: BTreeMap<_, _> = fits.map(|(key, value)| (key.to_owned(), value)).collect();
    evidence.metadata.labels = Some(labels);
    Ok(Built::of(&evidence))
}
