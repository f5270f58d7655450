//! The definition of ready, line by line. Pure.
//!
//! A TunePod is Ready only while every line was checked and holds. Lines that were quoted come first. With a protected
//! model the operator's own four checks come besides: asset delivered, runtime healthy, port 8000 answers, token
//! accepted. A workspace of which nothing was agreed has the lines that every workspace has.
//!
//! | Mode | Who checks | When |
//! |---|---|---|
//! | `protectedModel` | the pod's own state, and port 8000 as a buyer asks it | before the door opens; then what the pod says |
//! | `byoWorkspace` | [`crate::workspace_probe`] | at each look |

use super::observe::{Observed, PodSight};
use crate::public_port::PortAnswer;
use crate::workspace_probe::Reading;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::condition::Reason;
use trustbridge_api::{Met, Mode, Probe, ReadinessLine, ReadinessState, TunePodSpec};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::conditions::cut;

/// Lines that every TunePod of a mode has, unless one that was quoted is checked by the same probe.
const OWN: [(Probe, &str, &str); 7] = [
    (
        Probe::AssetDelivered,
        "asset-delivered",
        "The model was delivered and its digest verified",
    ),
    (
        Probe::RuntimeHealthy,
        "runtime-healthy",
        "The model server is healthy",
    ),
    (Probe::PortAnswers, "port-answers", "Port 8000 answers over TLS"),
    (
        Probe::TokenAccepted,
        "token-accepted",
        "Port 8000 accepts the token and refuses others",
    ),
    (
        Probe::SshAccess,
        "ssh-access",
        "SSH access works with provided keys",
    ),
    (
        Probe::GpuHealthy,
        "gpu-healthy",
        "GPU driver stack OK (nvidia-smi healthy)",
    ),
    (
        Probe::ContainerEngine,
        "container-engine",
        "Docker + GPU runtime ready",
    ),
];

/// Longest id of a line.
const MAX_ID: usize = 63;

/// The lines that must hold.
pub(super) fn lines(spec: &TunePodSpec) -> Vec<ReadinessLine> {
    let concerns = |line: &&ReadinessLine| line.probe.is_none_or(|probe| probe.mode() == spec.mode);
    let mut all: Vec<ReadinessLine> = spec.readiness.iter().filter(concerns).cloned().collect();
    if spec.mode == Mode::ByoWorkspace && !all.is_empty() {
        return all;
    }
    for (probe, id, text) in OWN.iter().filter(|(probe, ..)| probe.mode() == spec.mode) {
        if all.iter().any(|line| line.probe == Some(*probe)) {
            continue;
        }
        let line = ReadinessLine {
            id: free_id(&all, id),
            text: (*text).to_owned(),
            probe: Some(*probe),
        };
        all.push(line);
    }
    all
}

/// `id`, or where a quoted line has it already, one beside it: ids are the keys of the list.
fn free_id(all: &[ReadinessLine], id: &str) -> String {
    let is_taken = |id: &str| all.iter().any(|line| line.id == id);
    let mut free = id.to_owned();
    while is_taken(&free) && free.len() + 4 <= MAX_ID {
        free.push_str("-own");
    }
    free
}

/// What was found of each line by now. One of which the same was found before stays as it is.
pub(super) fn judge(seen: &Observed, before: &[ReadinessState], now: Timestamp) -> Vec<ReadinessState> {
    let judged = lines(&seen.tunepod.spec).into_iter().map(|line| {
        let (met, reason, message) = line.probe.map_or_else(no_probe, |probe| found(seen, probe));
        let known = before.iter().find(|known| known.id == line.id);
        let state = ReadinessState {
            id: line.id,
            text: line.text,
            met,
            reason: reason.as_str().to_owned(),
            message: cut(&message),
            checked_at: known.map_or(Time(now), |known| known.checked_at.clone()),
        };
        match known {
            Some(known) if *known != state => ReadinessState {
                checked_at: Time(now),
                ..state
            },
            _ => state,
        }
    });
    judged.collect()
}

/// Which lines are not met, in words; `None`: all are, and there is at least one.
pub(super) fn unmet(lines: &[ReadinessState]) -> Option<String> {
    let open: Vec<String> = lines
        .iter()
        .filter(|line| line.met != Met::True)
        .map(|line| {
            format!(
                "{} '{}' is {} ({})",
                line.id,
                line.text,
                line.met.as_str(),
                line.reason
            )
        })
        .collect();
    if open.is_empty() && !lines.is_empty() {
        return None;
    }
    Some(format!(
        "{} of {} lines of the definition of ready are not met: {}",
        open.len(),
        lines.len(),
        open.join("; ")
    ))
}

/// What was found of a line.
type Finding = (Met, Reason, String);

fn no_probe() -> Finding {
    let text = "the line names no `probe`, so nothing can check it; it was quoted by a version before";
    (Met::Unknown, Reason::ProbeUnavailable, text.to_owned())
}

fn found(seen: &Observed, probe: Probe) -> Finding {
    if seen.phase() < Phase::Verifying {
        let text = "there are no nodes yet";
        return (Met::Unknown, Reason::InProgress, text.to_owned());
    }
    match probe.mode() {
        Mode::ByoWorkspace => in_workspace(seen, probe),
        Mode::ProtectedModel => of_model(seen, probe),
    }
}

fn in_workspace(seen: &Observed, probe: Probe) -> Finding {
    let reading = seen.readings.iter().find(|(asked, _)| *asked == probe);
    match reading.map(|(_, reading)| reading) {
        Some(Reading::Met) => (Met::True, Reason::AsSpecified, String::new()),
        Some(Reading::Unmet(words)) => (Met::False, Reason::ProbeFailed, words.clone()),
        Some(Reading::Unknown(words)) => (Met::Unknown, Reason::ProbeUnavailable, words.clone()),
        None => (
            Met::Unknown,
            Reason::InProgress,
            "it was not checked yet".to_owned(),
        ),
    }
}

fn of_model(seen: &Observed, probe: Probe) -> Finding {
    let pod = seen.pod.as_ref().filter(|pod| pod.is_ours && !pod.is_leaving);
    let Some(pod) = pod else {
        return (Met::False, Reason::PodPending, "there is no pod".to_owned());
    };
    if !pod.is_guarded {
        let text = "the pod has no sentinel";
        return (Met::False, Reason::PodRefused, text.to_owned());
    }
    match probe {
        Probe::AssetDelivered => loaded(pod, is_delivered(pod), "the model is not delivered yet"),
        Probe::RuntimeHealthy => loaded(pod, says_ready(pod), "the model server is not healthy yet"),
        _ if !pod.is_up() => (Met::False, Reason::PodPending, "the pod is not ready".to_owned()),
        _ => answered(seen, probe),
    }
}

/// The kubelet calls a pod ready only while its sentinel is `Ready`, which needs every file delivered and a healthy
/// model server; before that the sentinel itself says how far it is.
fn loaded(pod: &PodSight, is_told: bool, not_yet: &str) -> Finding {
    if pod.is_ready || is_told {
        return (Met::True, Reason::AsSpecified, String::new());
    }
    (Met::False, Reason::Hydrating, not_yet.to_owned())
}

fn is_delivered(pod: &PodSight) -> bool {
    says_ready(pod) || pod.sentinel.as_ref().is_some_and(|report| report.delivered)
}

fn says_ready(pod: &PodSight) -> bool {
    pod.sentinel
        .as_ref()
        .is_some_and(|report| report.state == "Ready")
}

/// What port 8000 answered. It is asked before the door opens; from then on what the pod says counts, and the port is
/// asked again only where that decides something, see [`super::port::over`].
fn answered(seen: &Observed, probe: Probe) -> Finding {
    let yes = || (Met::True, Reason::AsSpecified, String::new());
    let no = |reason, text: &str| (Met::False, reason, text.to_owned());
    let is_of_token = probe == Probe::TokenAccepted;
    match &seen.access.port {
        Some(PortAnswer::Accepted) => yes(),
        Some(PortAnswer::Refused) if !is_of_token || seen.phase() == Phase::Ready => yes(),
        Some(PortAnswer::Refused) => no(Reason::TokenRefused, "port 8000 refuses the token"),
        Some(PortAnswer::Open) if !is_of_token => yes(),
        Some(PortAnswer::Open) => no(Reason::PortOpen, "port 8000 accepts a token that nobody has"),
        Some(PortAnswer::Silent(_)) if is_of_token => {
            let text = "port 8000 gives no answer over TLS, so no token could be shown";
            (Met::Unknown, Reason::PortSilent, text.to_owned())
        }
        Some(PortAnswer::Silent(words)) => no(Reason::PortSilent, words),
        // It was asked before this phase was written.
        None if seen.phase() == Phase::Ready => yes(),
        None => {
            let text = "port 8000 was not asked yet";
            (Met::Unknown, Reason::InProgress, text.to_owned())
        }
    }
}
