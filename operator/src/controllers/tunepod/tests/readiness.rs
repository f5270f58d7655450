//! The definition of ready: both documents' lines, one after another, and one lost again.

use super::*;
use crate::controllers::tunepod::readiness::{lines, unmet};
use crate::workspace_probe::Reading;
use trustbridge_api::{Met, Mode, Probe, ReadinessLine, ReadinessState};

const SSH: (&str, &str, Probe) = ("ssh", "SSH access works with provided keys", Probe::SshAccess);
const ENGINE: (&str, &str, Probe) = ("engine", "Docker + GPU runtime ready", Probe::ContainerEngine);

/// Of the studio's document.
fn studio() -> Vec<ReadinessLine> {
    let gpu = ("gpu", "GPU runtime OK (nvidia-smi healthy)", Probe::GpuHealthy);
    agreed(&[SSH, gpu, ENGINE])
}

/// Of the document on fine-tuning.
fn tuning() -> Vec<ReadinessLine> {
    let gpu = (
        "gpu",
        "GPU driver stack OK (nvidia-smi healthy)",
        Probe::GpuHealthy,
    );
    let out = (
        "outbound",
        "Outbound allowlist enforced",
        Probe::OutboundAllowlist,
    );
    agreed(&[SSH, gpu, ENGINE, out])
}

fn agreed(all: &[(&str, &str, Probe)]) -> Vec<ReadinessLine> {
    let line = |(id, text, probe): &(&str, &str, Probe)| ReadinessLine {
        id: (*id).to_owned(),
        text: (*text).to_owned(),
        probe: Some(*probe),
    };
    all.iter().map(line).collect()
}

/// A workspace whose nodes are there.
fn workspace(readiness: Vec<ReadinessLine>) -> Observed {
    let mut seen = in_phase(Phase::Verifying);
    let spec = &mut seen.tunepod.spec;
    (spec.mode, spec.readiness) = (Mode::ByoWorkspace, readiness);
    (spec.model_asset_ref, spec.contract_id) = (None, None);
    seen.access = AccessSight::default();
    seen
}

fn state<'a>(status: &'a TunePodStatus, id: &str) -> &'a ReadinessState {
    status.readiness.iter().find(|line| line.id == id).unwrap()
}

fn words(status: &TunePodStatus) -> String {
    find(&status.conditions, ConditionType::Ready)
        .unwrap()
        .message
        .clone()
}

/// What a prober finds that knows `met` and cannot check the rest.
fn found(seen: &mut Observed, met: &[Probe]) {
    let reading = |probe: Probe| {
        if met.contains(&probe) {
            Reading::Met
        } else {
            Reading::Unknown("nobody there".to_owned())
        }
    };
    let probes = lines(&seen.tunepod.spec)
        .into_iter()
        .filter_map(|line| line.probe);
    seen.readings = probes.map(|probe| (probe, reading(probe))).collect();
}

#[test]
fn each_documents_lines_are_met_one_after_another_and_one_is_lost() {
    for agreed in [studio(), tuning()] {
        let mut seen = workspace(agreed.clone());
        let mut met = Vec::new();
        for (step, line) in agreed.iter().enumerate() {
            found(&mut seen, &met);
            let plan = decide(&seen, later(60 + i64::try_from(step).unwrap()));
            assert_eq!(plan.status.phase, Phase::Verifying, "{met:?}");
            assert_eq!(reason(&plan.status, ConditionType::Ready), "False/ReadinessUnmet");
            for open in agreed.iter().filter(|line| !met.contains(&line.probe.unwrap())) {
                assert!(
                    words(&plan.status).contains(&open.text),
                    "{}",
                    words(&plan.status)
                );
                assert_eq!(state(&plan.status, &open.id).reason, "ProbeUnavailable");
            }
            assert!(plan.status.intervals.is_empty() && plan.writes.is_empty());
            seen.tunepod.status = Some(plan.status);
            met.push(line.probe.unwrap());
        }
        found(&mut seen, &met);
        let ready = decide(&seen, later(100)).status;
        assert_eq!((ready.phase, ready.intervals.len()), (Phase::Ready, 1));
        assert!(ready.url.is_none() && ready.access.is_none());
        assert_eq!(reason(&ready, ConditionType::Ready), "True/AsSpecified");
        seen.tunepod.status = Some(ready.clone());
        // The same again is no write.
        let again = decide(&seen, later(160));
        assert!(status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &again.status).is_none());
        let gone = seen
            .readings
            .iter_mut()
            .find(|(probe, _)| *probe == Probe::GpuHealthy)
            .unwrap();
        gone.1 = Reading::Unmet("nvidia-smi: no devices were found".to_owned());
        let lost = decide(&seen, later(200)).status;
        assert_eq!(
            (lost.phase, lost.intervals[0].to.clone()),
            (Phase::Degraded, Some(Time(later(200))))
        );
        let gpu = state(&lost, "gpu");
        assert_eq!((gpu.met, gpu.reason.as_str()), (Met::False, "ProbeFailed"));
        assert!(gpu.message.contains("no devices") && gpu.checked_at == Time(later(200)));
        assert_eq!(state(&lost, "ssh").checked_at, state(&ready, "ssh").checked_at);
        seen.tunepod.status = Some(lost);
        found(&mut seen, &met);
        assert_eq!(decide(&seen, later(260)).status.phase, Phase::Ready, "and back");
    }
}

#[test]
fn nothing_is_assumed_before_there_are_nodes() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(working("Creating")));
    let status = decide(&seen, later(5)).status;
    assert_eq!(status.readiness.len(), 4, "the four checks of a protected model");
    assert!(status.readiness.iter().all(|line| line.met == Met::Unknown));
}

#[test]
fn a_protected_model_has_its_four_checks_whatever_was_agreed() {
    let mut spec = tunepod().spec;
    let ids = |spec: &TunePodSpec| lines(spec).into_iter().map(|line| line.id).collect::<Vec<_>>();
    let own = [
        "asset-delivered",
        "runtime-healthy",
        "port-answers",
        "token-accepted",
    ];
    assert_eq!(ids(&spec), own);
    // Lines of the other mode are not of it, one of its own takes the place of the operator's, and ids stay apart.
    spec.readiness = agreed(&[SSH, ("asset-delivered", "it answers", Probe::PortAnswers)]);
    let all = [
        "asset-delivered",
        "asset-delivered-own",
        "runtime-healthy",
        "token-accepted",
    ];
    assert_eq!(ids(&spec), all);
}

#[test]
fn a_workspace_of_which_nothing_was_agreed_is_checked_all_the_same() {
    let spec = workspace(Vec::new()).tunepod.spec;
    let probes: Vec<Probe> = lines(&spec).into_iter().filter_map(|line| line.probe).collect();
    assert_eq!(
        probes,
        [Probe::SshAccess, Probe::GpuHealthy, Probe::ContainerEngine]
    );
    assert!(unmet(&[]).is_some(), "of nothing, nothing is met");
}

#[test]
fn the_lines_of_a_model_follow_its_pod_and_its_port() {
    type Change = fn(&mut Observed);
    let table: [(Change, [Met; 4]); 7] = [
        (|s| s.pod = None, [Met::False; 4]),
        (|s| s.pod = Some(pod()), [Met::False; 4]),
        (
            |s| {
                let told = SentinelReport {
                    state: "Decrypt".to_owned(),
                    delivered: true,
                    ..SentinelReport::default()
                };
                s.pod = Some(PodSight {
                    sentinel: Some(told),
                    ..pod()
                });
            },
            [Met::True, Met::False, Met::False, Met::False],
        ),
        (
            |s| s.access.port = None,
            [Met::True, Met::True, Met::Unknown, Met::Unknown],
        ),
        (
            |s| s.access.port = Some(PortAnswer::Silent("refused".to_owned())),
            [Met::True, Met::True, Met::False, Met::Unknown],
        ),
        (
            |s| s.access.port = Some(PortAnswer::Open),
            [Met::True, Met::True, Met::True, Met::False],
        ),
        (|_| {}, [Met::True; 4]),
    ];
    for (row, (change, expected)) in table.into_iter().enumerate() {
        let mut seen = in_phase(Phase::Verifying);
        seen.pod = Some(ready_pod());
        change(&mut seen);
        let status = decide(&seen, later(60)).status;
        let met: Vec<Met> = status.readiness.iter().map(|line| line.met).collect();
        assert_eq!(met, expected, "row {row}");
        let is_ready = expected == [Met::True; 4];
        assert_eq!(status.phase == Phase::Ready, is_ready, "row {row}");
    }
}

#[test]
fn a_line_of_a_former_quote_that_names_no_probe_is_never_taken_for_met() {
    let mut seen = in_phase(Phase::Verifying);
    seen.pod = Some(ready_pod());
    seen.tunepod.spec.readiness = agreed(&[SSH]);
    seen.tunepod.spec.readiness[0].probe = None;
    let status = decide(&seen, later(60)).status;
    assert_eq!(status.phase, Phase::Verifying);
    assert!(words(&status).contains("SSH access"), "{}", words(&status));
}

#[test]
fn what_ends_has_no_lines() {
    let mut seen = workspace(studio());
    seen.tunepod.spec.termination = Some(TunePodTermination {
        reason: "OrderTerminated".to_owned(),
    });
    let status = decide(&seen, later(60)).status;
    assert_eq!((status.phase, status.readiness.len()), (Phase::Draining, 0));
}
