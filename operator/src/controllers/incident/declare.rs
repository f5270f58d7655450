//! Whether a TunePod has lost what was sold, and the Incident that says so. Pure.

use jiff::Timestamp;
use kube::ResourceExt;
use std::collections::BTreeMap;
use trustbridge_api::condition::ConditionType;
use trustbridge_api::incident::ReadyLost;
use trustbridge_api::seller_profile::IncidentTerms;
use trustbridge_api::{Incident, IncidentSpec, NameRef, TunePod, labels};
use trustbridge_domain::names::{MAX_LABEL, readable_name};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::apply::Built;
use trustbridge_kit::conditions::find;

/// What closes the interval of a TunePod that is not ready any more, and is not ended, changed or suspended either.
const DEGRADED: &str = "Degraded";
/// Longest impact.
const MAX_IMPACT: usize = 512;

/// Since when a TunePod that was Ready is without it, through no wish of anybody; `None`: it is not.
///
/// `Degraded` says it by itself. What comes after it on the way back looks like the way to the first Ready, but for the
/// interval that the loss has closed. It may have closed before Ready went, at the last sign of life; one from before the
/// TunePod was made is of the one before it under its name.
pub(super) fn lost_since(tunepod: &TunePod) -> Option<Timestamp> {
    let status = tunepod.status.as_ref()?;
    let is_ending = tunepod.spec.termination.is_some() || tunepod.metadata.deletion_timestamp.is_some();
    let ready = find(&status.conditions, ConditionType::Ready).filter(|c| c.status != "True")?;
    let since = ready.last_transition_time.0;
    let made = tunepod.metadata.creation_timestamp.as_ref();
    let was_lost = status.intervals.last().is_some_and(|interval| {
        let is_its_own = made.is_none_or(|made| interval.from.0 >= made.0);
        is_its_own && interval.to.is_some() && interval.closed_by.as_deref() == Some(DEGRADED)
    });
    let is_lost = match status.phase {
        Phase::Degraded => true,
        Phase::Failed | Phase::Scheduling | Phase::Provisioning | Phase::Verifying => was_lost,
        Phase::Pending
        | Phase::Ready
        | Phase::Updating
        | Phase::Suspended
        | Phase::Draining
        | Phase::Wiping
        | Phase::Wiped => false,
    };
    (is_lost && !is_ending).then_some(since)
}

/// The Incident of that loss, and its name. Nobody owns it: it stays when the TunePod goes.
pub(super) fn incident(
    tunepod: &TunePod,
    org: &str,
    since: Timestamp,
    terms: &IncidentTerms,
) -> (String, Built) {
    let (pod, uid) = (tunepod.name_any(), tunepod.uid().unwrap_or_default());
    let instant = since.as_millisecond().to_string();
    let name = readable_name(&format!("{pod}-ready-lost"), &[org, "Incident", &uid, &instant]);
    let conditions = tunepod
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let why = find(conditions, ConditionType::Ready).map(|c| c.message.as_str());
    let impact = format!(
        "TunePod {pod} is without Ready: {}",
        why.unwrap_or("nobody says why")
    );
    let spec = IncidentSpec {
        severity: terms.severity,
        impact: impact.chars().take(MAX_IMPACT).collect(),
        tune_pods: vec![NameRef::new(&pod)],
        started_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since)),
        eta_update_minutes: terms.eta_update_minutes,
        ready_lost: Some(ReadyLost { tune_pod_uid: uid }),
        updates: Vec::new(),
        resolution: None,
    };
    let mut incident = Incident::new(&name, spec);
    incident.metadata.namespace = tunepod.namespace();
    incident.metadata.labels = Some(labelled(org, &tunepod.spec.order_ref.name, &pod));
    (name, Built::of(&incident))
}

fn labelled(org: &str, order: &str, tunepod: &str) -> BTreeMap<String, String> {
    let pairs = [
        (labels::MANAGED_BY, labels::OPERATOR),
        (labels::ORG, org),
        (labels::ORDER, order),
        (labels::TUNEPOD, tunepod),
    ];
    let fits = pairs.into_iter().filter(|(_, value)| value.len() <= MAX_LABEL);
    fits.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
