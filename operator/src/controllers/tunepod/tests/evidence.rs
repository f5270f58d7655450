//! The two looks, and the evidence: what must be observed before a TunePod is called wiped.

use super::*;
use crate::controllers::tunepod::observe::Attest;
use crate::nodepool::OperationView;
use crate::seller::Signer;
use trustbridge_api::tunepod::{PoolOperation, PoolRequest};
use trustbridge_api::{WipeEvidence, WipeEvidenceSpec};
use trustbridge_domain::wipe::{WipeMethod, WipeStepKind};

const APART: i64 = 600;

fn signer() -> Signer {
    Signer::from_seed(&[7; 32]).unwrap()
}

/// Wiping, its pod gone, and the provider says that there is no pool.
fn absent() -> Observed {
    let mut seen = in_phase(Phase::Wiping);
    seen.looked_for_pod = true;
    seen.pool_view = Some(Ok(PoolView::Absent));
    seen.attest = Some(Attest {
        found: None,
        keys: vec![],
        signer: Ok(signer()),
    });
    seen
}

/// The evidence that a plan writes.
fn written(plan: &Plan<TunePodStatus>) -> Option<WipeEvidence> {
    plan.writes.iter().find_map(|write| match write {
        Write::Create(_, built) if built.target.resource.kind == "WipeEvidence" => {
            Some(serde_json::from_value(built.body.clone()).unwrap())
        }
        _ => None,
    })
}

/// `seen` after that plan was written.
fn after(mut seen: Observed, plan: Plan<TunePodStatus>) -> Observed {
    seen.tunepod.status = Some(plan.status);
    seen
}

/// Both looks, up to the plan that writes the evidence.
fn proven(seen: Observed) -> (Observed, Plan<TunePodStatus>) {
    let first = decide(&seen, now());
    let seen = after(seen, first);
    let second = decide(&seen, later(APART));
    (seen, second)
}

#[test]
fn one_look_is_not_believed_and_the_provider_is_left_alone_until_the_next() {
    let seen = absent();
    let first = decide(&seen, now());
    assert_eq!(first.status.phase, Phase::Wiping);
    assert!(first.writes.is_empty() && first.call.is_none());
    let seen = after(seen, first);
    assert!(!asks_provider(&seen.tunepod, "aks", later(APART - 1)));
    assert!(asks_provider(&seen.tunepod, "aks", later(APART)));
    let early = decide(&seen, later(APART - 1));
    assert!(early.status.phase == Phase::Wiping && written(&early).is_none());
    let plan = decide(&seen, later(APART));
    assert_eq!(
        plan.status.phase,
        Phase::Wiping,
        "nothing is wiped without evidence"
    );
    let record = written(&plan).unwrap().spec.record;
    assert_eq!(record.method, WipeMethod::Clear);
    let steps: Vec<WipeStepKind> = record.steps.iter().map(|step| step.step).collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    let looks: Vec<&str> = record
        .steps
        .iter()
        .filter(|step| step.step == WipeStepKind::PoolAbsent)
        .map(|step| step.at.as_str())
        .collect();
    assert_eq!(looks, [now().to_string(), later(APART).to_string()]);
    assert_eq!(
        (record.provider.as_str(), record.node_pool.as_ref()),
        ("arm-double", Some(&seen.pool.name))
    );
}

#[test]
fn a_pool_that_arrives_between_the_looks_is_deleted_and_both_begin_anew() {
    let seen = absent();
    let first = decide(&seen, now());
    let mut seen = after(seen, first);
    seen.pool_view = Some(Ok(PoolView::Ready));
    let found = decide(&seen, later(APART));
    assert!(matches!(found.call, Some(PoolCall::Delete(_))));
    let mut seen = after(seen, found);
    seen.pool_view = Some(Ok(PoolView::Absent));
    let again = decide(&seen, later(2 * APART));
    assert!(written(&again).is_none(), "this is the first look again");
    let seen = after(seen, again);
    assert!(written(&decide(&seen, later(3 * APART))).is_some());
    // The control: an operator that believes the first look calls it wiped while the request is on its way.
    let mut hasty = absent();
    hasty.settings.second_look = None;
    let record = written(&decide(&hasty, now())).unwrap().spec.record;
    assert_eq!(
        record.method,
        WipeMethod::None,
        "and even then the evidence does not claim it"
    );
}

#[test]
fn no_look_counts_while_an_operation_may_run() {
    let operation = |url: &str| PoolOperation {
        request: PoolRequest::Create,
        id: "op-1".to_owned(),
        url: Some(url.to_owned()),
        accepted_at: Some(Time(now())),
        ..PoolOperation::default()
    };
    let mut seen = absent();
    let pool = seen.tunepod.status.as_mut().unwrap().node_pool.as_mut().unwrap();
    pool.operations = vec![operation("https://arm/op-1")];
    seen.operations = vec![("https://arm/op-1".to_owned(), Ok(OperationView::Running))];
    let early = decide(&seen, now()).status;
    assert_eq!(early.wipe.unwrap().absent_since, None);
    seen.operations = vec![("https://arm/op-1".to_owned(), Err(quota()))];
    let failed = decide(&seen, now()).status;
    assert_eq!(failed.wipe.unwrap().absent_since, None, "no answer is no end");
    seen.operations.clear();
    assert_eq!(
        decide(&seen, now()).status.wipe.unwrap().absent_since,
        None,
        "nobody asked"
    );
    seen.operations = vec![(
        "https://arm/op-1".to_owned(),
        Ok(OperationView::Ended("Succeeded".to_owned())),
    )];
    let (_, plan) = proven(seen);
    let record = written(&plan).unwrap().spec.record;
    let step = record
        .steps
        .iter()
        .find(|s| s.step == WipeStepKind::PoolCreationEnded)
        .unwrap();
    assert_eq!(step.operation.as_deref(), Some("op-1"));
    assert!(
        step.answered.contains("Succeeded") && !record.steps.iter().any(|s| s.asked.contains("https://"))
    );
}

#[test]
fn wiped_is_written_once_the_evidence_was_read_back() {
    let (mut seen, plan) = proven(absent());
    let evidence = written(&plan).unwrap();
    seen = after(seen, plan);
    let name = evidence.name_any();
    seen.attest = Some(Attest {
        found: Some(evidence.clone()),
        keys: vec![signer().public_key().to_owned()],
        signer: Err("signed".to_owned()),
    });
    let done = decide(&seen, later(APART + 1)).status;
    assert_eq!(done.phase, Phase::Wiped);
    assert_eq!(done.wipe.unwrap().evidence, Some(NameRef::new(name)));
    let foreign = WipeEvidenceSpec {
        record: trustbridge_domain::wipe::WipeRecord {
            tune_pod_uid: "another".to_owned(),
            ..evidence.spec.record.clone()
        },
        ..evidence.spec
    };
    seen.attest = Some(Attest {
        found: Some(WipeEvidence::new("x", foreign)),
        keys: vec![signer().public_key().to_owned()],
        signer: Ok(signer()),
    });
    let held = decide(&seen, later(APART + 1)).status;
    assert_eq!(
        (held.phase, reason(&held, ConditionType::Ready).as_str()),
        (Phase::Wiping, "False/EvidenceRefused")
    );
}

#[test]
fn what_cannot_be_signed_or_written_is_not_wiped() {
    let (mut seen, plan) = proven(absent());
    let refused = Outcome {
        refused: Some("admission webhook said no".to_owned()),
        ..Outcome::default()
    };
    let held = conclude(&seen, plan, refused.clone(), later(APART));
    assert_eq!(
        (
            held.status.phase,
            reason(&held.status, ConditionType::Ready).as_str()
        ),
        (Phase::Wiping, "False/EvidenceRefused")
    );
    let seen_again = after(seen.clone(), held.clone());
    let again = decide(&seen_again, later(APART + 60));
    let again = conclude(&seen_again, again, refused, later(APART + 60));
    assert_eq!(again.status, held.status, "the same refusal is the same status");
    seen.attest = Some(Attest {
        found: None,
        keys: vec![],
        signer: Err("SellerProfile 'seller' does not exist".to_owned()),
    });
    let unsigned = decide(&seen, later(APART)).status;
    assert_eq!(
        (unsigned.phase, reason(&unsigned, ConditionType::Ready).as_str()),
        (Phase::Wiping, "False/EvidenceUnsigned")
    );
    seen.is_namespace_leaving = true;
    assert_eq!(decide(&seen, later(APART)).status.phase, Phase::Wiped);
}

#[test]
fn machines_that_stay_are_left_only_by_a_pod_that_is_gone() {
    let mut seen = absent();
    seen.makes_nodes = false;
    seen.pool_view = Some(Ok(PoolView::Ready));
    seen.pod = Some(pod());
    let held = decide(&seen, now()).status;
    assert_eq!(
        (held.phase, reason(&held, ConditionType::Ready).as_str()),
        (Phase::Wiping, "False/WipeIncomplete")
    );
    seen.pod = None;
    let plan = decide(&seen, now());
    let record = written(&plan).unwrap().spec.record;
    assert_eq!((record.method, record.node_pool), (WipeMethod::None, None));
    assert!(record.not_observed.iter().any(|text| text.contains("media")));
    let mut never = absent();
    never.tunepod.status.as_mut().unwrap().node_pool = None;
    never.pool_view = None;
    let record = written(&decide(&never, now())).unwrap().spec.record;
    assert_eq!(
        (record.method, record.provider.as_str()),
        (WipeMethod::None, "none")
    );
}

#[test]
fn a_pool_that_is_tagged_as_anothers_is_no_absence() {
    let seen = absent();
    let first = decide(&seen, now());
    let mut seen = after(seen, first);
    seen.pool_view = Some(Err(PoolError {
        class: Reason::ForeignNodePool,
        code: "ForeignNodePool".to_owned(),
        ..quota()
    }));
    let held = decide(&seen, later(APART));
    assert!(written(&held).is_none());
    assert_eq!(
        reason(&held.status, ConditionType::Ready),
        "False/ForeignNodePool",
        "its tag may have been changed"
    );
    assert_eq!(held.status.wipe.unwrap().absent_since, None, "a pool was seen");
}

/// A pool operation, accepted `now()`.
fn accepted(request: PoolRequest, id: &str) -> PoolOperation {
    PoolOperation {
        request,
        id: id.to_owned(),
        url: Some(format!("https://arm/{id}?s=signed")),
        accepted_at: Some(Time(now())),
        ..PoolOperation::default()
    }
}

fn with_operations(operations: Vec<PoolOperation>) -> Observed {
    let mut seen = absent();
    let pool = seen.tunepod.status.as_mut().unwrap().node_pool.as_mut().unwrap();
    pool.operations = operations;
    seen
}

#[test]
fn an_operation_that_never_reads_as_ended_holds_up_the_end_for_a_day() {
    const DAY: i64 = 86_400;
    let mut seen = with_operations(vec![accepted(PoolRequest::Delete, "op-1")]);
    seen.operations = vec![("https://arm/op-1?s=signed".to_owned(), Err(quota()))];
    let held = decide(&seen, later(DAY - 1)).status;
    assert_eq!(held.wipe.unwrap().absent_since, None);
    let words = &find(&held.conditions, ConditionType::Ready).unwrap().message;
    assert!(
        words.contains("op-1") && words.contains(&later(DAY).to_string()) && !words.contains("signed"),
        "{words}"
    );
    let seen = after(seen.clone(), decide(&seen, later(DAY)));
    let record = written(&decide(&seen, later(DAY + APART))).unwrap().spec.record;
    let untold = record
        .steps
        .iter()
        .find(|step| step.step == WipeStepKind::PoolOperationUntold)
        .unwrap();
    assert_eq!(untold.operation.as_deref(), Some("op-1"));
    assert!(record.not_observed.iter().any(|text| text.contains("untold")));
    assert!(!serde_json::to_string(&record).unwrap().contains("signed"));
}

#[test]
fn an_end_that_is_seen_otherwise_counts_and_what_came_back_is_stored() {
    let both = vec![
        accepted(PoolRequest::Create, "op-1"),
        accepted(PoolRequest::Delete, "op-2"),
    ];
    let outcomes = |status: &TunePodStatus| -> Vec<Option<String>> {
        let pool = status.node_pool.as_ref().unwrap();
        pool.operations.iter().map(|one| one.outcome.clone()).collect()
    };
    let ended = || Ok(OperationView::Ended("Succeeded".to_owned()));
    let mut seen = with_operations(both.clone());
    seen.operations = vec![
        ("https://arm/op-1?s=signed".to_owned(), Err(quota())),
        ("https://arm/op-2?s=signed".to_owned(), ended()),
    ];
    let first = decide(&seen, now()).status;
    assert_eq!(
        outcomes(&first),
        [Some("Superseded".to_owned()), Some("Succeeded".to_owned())]
    );
    assert!(first.wipe.unwrap().absent_since.is_some());
    seen.operations = vec![
        ("https://arm/op-1?s=signed".to_owned(), ended()),
        ("https://arm/op-2?s=signed".to_owned(), Err(quota())),
    ];
    let stored = decide(&seen, now()).status;
    assert_eq!(outcomes(&stored), [Some("Succeeded".to_owned()), None]);
    // The pool that was asked for is there: its creation is over, and its deletion is not.
    let mut there = with_operations(both);
    there.pool_view = Some(Ok(PoolView::Broken(quota())));
    let settled = decide(&there, now()).status;
    assert_eq!(outcomes(&settled), [Some("PoolSettled".to_owned()), None]);
    let pool = there.tunepod.status.as_mut().unwrap().node_pool.as_mut().unwrap();
    pool.operation_url = Some("https://arm/op-2?s=signed".to_owned());
    assert!(status::is_watched(pool, later(3599)) && !status::is_watched(pool, later(3600)));
}

#[test]
fn a_url_that_is_too_long_is_known_by_its_id() {
    let mut status = absent().tunepod.status.unwrap();
    for length in [3000, 9000] {
        let url = format!("https://arm/op-{length}?c={}", "x".repeat(length));
        for _ in 0..2 {
            status::operation_accepted(&mut status, PoolRequest::Create, Some(&url), now());
        }
    }
    let kept: Vec<(String, bool)> = status
        .node_pool
        .unwrap()
        .operations
        .into_iter()
        .map(|one| (one.id, one.url.is_some()))
        .collect();
    assert_eq!(
        kept,
        [("op-3000".to_owned(), true), ("op-9000".to_owned(), false)]
    );
}

#[test]
fn evidence_that_somebody_made_by_hand_is_not_adopted() {
    let (mut seen, plan) = proven(absent());
    let evidence = written(&plan).unwrap();
    seen = after(seen, plan);
    let mut touched = evidence.clone();
    touched.spec.record.provider = "aks".to_owned();
    let ours = vec![signer().public_key().to_owned()];
    let table = [
        (evidence.clone(), ours.clone(), Phase::Wiped),
        (evidence.clone(), vec!["ab".repeat(32)], Phase::Wiping),
        (evidence, vec![], Phase::Wiping),
        (touched, ours, Phase::Wiping),
    ];
    for (found, keys, expected) in table {
        seen.attest = Some(Attest {
            found: Some(found),
            keys: keys.clone(),
            signer: Err("signed".to_owned()),
        });
        let status = decide(&seen, later(APART + 1)).status;
        assert_eq!(status.phase, expected, "{keys:?}");
        let is_refused = reason(&status, ConditionType::Ready) == "False/EvidenceRefused";
        assert_eq!(is_refused, expected == Phase::Wiping);
    }
}

#[test]
fn a_refusal_takes_back_nothing_that_was_said_of_usage() {
    let (seen, mut plan) = proven(absent());
    let usage =
        trustbridge_kit::conditions::Statement::no(ConditionType::UsageRecorded, Reason::InProgress, "lost");
    trustbridge_kit::conditions::set(&mut plan.status.conditions, &usage, Some(1), later(APART));
    let refused = Outcome {
        refused: Some("admission webhook said no".to_owned()),
        ..Outcome::default()
    };
    let held = conclude(&seen, plan, refused, later(APART)).status;
    assert_eq!(reason(&held, ConditionType::UsageRecorded), "False/InProgress");
    assert_eq!(reason(&held, ConditionType::Ready), "False/EvidenceRefused");
}

#[test]
fn accepted_operations_are_written_down_and_fold_before_there_are_too_many() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(PoolView::Absent));
    for number in 0..20 {
        let plan = decide(&seen, now());
        let url = format!("https://arm/operations/op-{number}?t=1");
        let answer = PoolView::Working {
            state: "Creating".to_owned(),
            operation_url: Some(url),
            retry_after: Duration::from_secs(7),
        };
        let outcome = Outcome {
            pool: Some(Ok(answer)),
            ..Outcome::default()
        };
        let plan = conclude(&seen, plan, outcome, now());
        seen = after(seen, plan);
    }
    let operations = seen.tunepod.status.unwrap().node_pool.unwrap().operations;
    assert_eq!((operations.len(), operations[15].id.as_str()), (16, "op-19"));
}

#[test]
fn a_tunepod_that_is_made_again_goes_on_counting() {
    let mut seen = seen(tunepod());
    let mut before = TunePodStatus::default();
    assert!(status::open_interval(&mut before, 1, now()));
    status::close_interval(&mut before, "Deleted", later(3600));
    seen.earlier = before.intervals.clone();
    let mut status = decide(&seen, later(4000)).status;
    assert_eq!(status.intervals, before.intervals);
    assert!(status::open_interval(&mut status, 1, later(5000)));
    let numbers: Vec<i64> = status.intervals.iter().map(|i| i.seq).collect();
    assert_eq!(numbers, [0, 1]);
}
