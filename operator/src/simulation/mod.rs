//! The whole operator against the API server in memory and the ARM double, in simulated time: the story of an order
//! from nothing to closed, with one fault at one call, for every call and every fault.
//! Mishaps besides are told once each: a request that lands late, a TunePod that is deleted by hand.
//!
//! Real are the reconciles, their client, the writer, the provider `aks` with its client, token and classifier. The
//! API server, ARM, kubelet and sentinels are played. A process that dies is one whose calls all fail from there on;
//! then a new one begins, and knows only what was written.
//!
//! | Module | Holds |
//! |---|---|
//! | [`boundary`] | the numbered calls and the fault that one of them meets |
//! | [`cluster`] | API server, kubelet, garbage collector |
//! | [`arm`] | the ARM double behind the boundary |
//! | [`sentinel`] | the admin port of each pod |
//! | [`ports`] | port 8000 of each pod |
//! | [`workspaces`] | what a prober finds in a workspace |
//! | [`story`] | what is asked for, and how time goes on |
//! | [`end`] | what is compared |
//! | [`refusals`] | what ARM refuses, class by class |
//! | [`record`] | what was asked, as logs for a real server |

mod arm;
mod boundary;
mod cluster;
mod end;
mod ports;
mod record;
mod refusals;
mod sentinel;
mod story;
mod workspaces;

use boundary::{Fault, Plan};
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use story::{Story, Told, mishap, record as record_story, tell, workspace};
use trustbridge_api::Probe;
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::wipe::WipeMethod;

/// Plans of the size for every day; `TB_CAMPAIGN=1` plays all.
const EVERY_DAY: usize = 80;
/// Plans that the full size must have.
const FULL: usize = 2_000;

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

fn clean(story: Story) -> Told {
    runtime().block_on(tell(story, &Plan::none()))
}

fn differences(clean: &Told, other: &Told) -> Vec<String> {
    let mut found = end::differences(&clean.end, &other.end);
    if clean.pools != other.pools {
        found.push(format!("node pools made: {} and {}", clean.pools, other.pools));
    }
    if !other.at_rest.is_empty() {
        found.push(format!("writes at rest: {:?}", other.at_rest));
    }
    found
}

#[test]
fn each_story_without_a_fault_ends_closed_and_at_rest() {
    for story in Story::ALL {
        let told = clean(story);
        assert_eq!(told.stuck, None, "{told:#?}");
        assert!(told.at_rest.is_empty(), "{:?}", told.at_rest);
        assert_eq!(told.pools, story.instances());
        assert!(told.calls.len() > 40, "{:?}", told.calls);
        let evidence = told.end.keys().filter(|place| place.starts_with("wipeevidences"));
        assert_eq!(evidence.count(), story.instances(), "{story:?}");
    }
}

#[test]
fn two_clean_runs_end_alike() {
    let [one, other] = [(), ()].map(|()| clean(Story::Two));
    assert_eq!(differences(&one, &other), Vec::<String>::new());
    assert_eq!(one.calls, other.calls);
}

/// Where the sample begins: `TB_SIMULATION_SEED`, 1 unless it is set.
fn seed() -> usize {
    let given = std::env::var("TB_SIMULATION_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The plans that `TB_SIMULATION_ONLY` names, to look again at some that failed. Example: `Two/32/500,Two/76/answer lost`.
fn named(plans: &[(Story, Plan)], only: &str) -> Vec<(Story, Plan)> {
    let is_named = |(story, plan): &&(Story, Plan)| {
        let name = format!("{story:?}/{}/{}", plan.position(), plan.name());
        only.split(',').any(|one| one == name)
    };
    let named: Vec<_> = plans.iter().filter(is_named).copied().collect();
    assert_eq!(
        named.len(),
        only.split(',').count(),
        "a plan of {only} is not known"
    );
    named
}

/// Every `stride`-th plan from `seed` on. The faults of a call stand side by side and are even in number: an odd stride
/// comes by each of them alike, whatever the seed.
fn chosen(plans: &[(Story, Plan)], seed: usize) -> Vec<(Story, Plan)> {
    let is_full = std::env::var_os("TB_CAMPAIGN").is_some();
    let stride = if is_full {
        1
    } else {
        (plans.len() / EVERY_DAY).max(1) | 1
    };
    plans
        .iter()
        .skip(seed % stride)
        .step_by(stride)
        .copied()
        .collect()
}

#[test]
fn every_fault_at_every_call_ends_as_the_clean_run() {
    let clean: Vec<(Story, Told)> = Story::ALL.map(|story| (story, clean(story))).into();
    let plans: Vec<(Story, Plan)> = clean
        .iter()
        .flat_map(|(story, told)| {
            let positions = 0..told.calls.len();
            positions.flat_map(|at| Fault::ALL.map(|fault| (*story, Plan::at(at, fault))))
        })
        .collect();
    assert!(plans.len() >= FULL, "{}", plans.len());
    let seed = seed();
    let only = std::env::var("TB_SIMULATION_ONLY").ok();
    let chosen = only
        .as_ref()
        .map_or_else(|| chosen(&plans, seed), |only| named(&plans, only));
    let mut failed = Vec::new();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for (story, plan) in &chosen {
        let undisturbed = clean.iter().find(|(one, _)| one == story).map(|(_, told)| told);
        let undisturbed = undisturbed.expect("each story was told");
        let told = runtime().block_on(tell(*story, plan));
        *met.entry(plan.name()).or_default() += usize::from(told.was_met);
        let mut wrong = differences(undisturbed, &told);
        wrong.extend(told.stuck.clone());
        if !wrong.is_empty() {
            let call = &undisturbed.calls[plan.position()];
            failed.push(format!("{story:?} {plan:?} ({call}): {wrong:#?}"));
        }
    }
    let calls: Vec<usize> = clean.iter().map(|(_, told)| told.calls.len()).collect();
    println!(
        "{} of {} plans played over {calls:?} calls of {:?}; TB_SIMULATION_SEED={seed}; faults met: {met:?}",
        chosen.len(),
        plans.len(),
        Story::ALL
    );
    assert!(
        failed.is_empty(),
        "{} plans failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    let is_met = |fault: &Fault| met.get(fault.name()).is_some_and(|n| *n > 0);
    assert!(only.is_some() || Fault::ALL.iter().all(is_met), "{met:?}");
}

#[test]
fn a_request_that_lands_late_leaks_no_pool() {
    let told = runtime().block_on(mishap::put_lands_late(Some(Duration::from_mins(10))));
    assert_eq!(told.left, Vec::<String>::new());
    assert_eq!(told.methods, [WipeMethod::Clear]);
    // The control: the same without the second look.
    let hasty = runtime().block_on(mishap::put_lands_late(None));
    assert_eq!(
        hasty.left.len(),
        1,
        "the first answer was believed, and the pool came into being after it"
    );
    assert_eq!(
        hasty.methods,
        [WipeMethod::None],
        "and the evidence does not claim a wipe"
    );
    assert_eq!(
        hasty.swept, hasty.left,
        "what was attested and came back is deleted by the sweep"
    );
    assert_eq!(hasty.left_after_sweep, Vec::<String>::new());
}

#[test]
fn a_tunepod_that_is_deleted_by_hand_takes_no_hours_with_it() {
    let told = runtime().block_on(mishap::deleted_by_hand());
    assert_eq!(told.uids.len(), 2, "it was made again");
    assert_eq!(told.intervals, [0, 1], "and went on counting");
    assert_eq!(told.billed_ms, told.metered_ms, "every hour is on an invoice");
    assert!(told.metered_ms > 0 && told.doubts.is_empty(), "{:?}", told.doubts);
}

#[test]
fn what_was_asked_is_recorded_without_a_secret() {
    let folder = std::env::var_os("TB_RECORD_LOGS").map(PathBuf::from);
    for story in Story::ALL {
        let logs = runtime().block_on(record_story(story));
        let lines: Vec<String> = logs.iter().map(ToString::to_string).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        assert!(logs.len() >= 10, "{story:?}: {} logs", logs.len());
        // Keys and certificates lie in Secrets as base64.
        assert!(!text.contains(&BASE64.encode(b"-----BEGIN ")[..12]), "{story:?}");
        assert!(text.contains("$version:") && text.contains("$uid:"), "{story:?}");
        if let Some(folder) = &folder {
            let name = format!("{story:?}.json").to_lowercase();
            std::fs::write(folder.join(name), text).expect("a written log");
        }
    }
}

#[test]
fn a_workspace_is_ready_line_by_line_and_ends_as_any_other() {
    let ssh = ("SSH access works with provided keys", Probe::SshAccess);
    let engine = ("Docker + GPU runtime ready", Probe::ContainerEngine);
    let studio = [
        ssh,
        ("GPU runtime OK (nvidia-smi healthy)", Probe::GpuHealthy),
        engine,
    ];
    let tuning = [
        ssh,
        ("GPU driver stack OK (nvidia-smi healthy)", Probe::GpuHealthy),
        engine,
        ("Outbound allowlist enforced", Probe::OutboundAllowlist),
    ];
    for lines in [studio.as_slice(), tuning.as_slice()] {
        let told = runtime().block_on(workspace::lived(lines));
        let (last, before) = told.phases.split_last().expect("phases");
        assert!(
            before.iter().all(|phase| *phase == TunePodPhase::Verifying),
            "{told:#?}"
        );
        assert_eq!(*last, TunePodPhase::Ready, "{told:#?}");
        for (met, words) in told.words.iter().enumerate() {
            assert!(words.starts_with("ReadinessUnmet"), "{words}");
            for (index, (text, _)) in lines.iter().enumerate() {
                assert_eq!(words.contains(text), index >= met, "{words}");
            }
        }
        assert_eq!(told.lost_and_found, [TunePodPhase::Degraded, TunePodPhase::Ready]);
        assert_eq!(told.at_rest, Vec::<String>::new());
        assert_eq!((told.pods, told.evidence), (0, 1));
        assert!(
            told.metered_ms > 0 && told.metered_ms == told.billed_ms,
            "{told:#?}"
        );
    }
}

#[test]
fn an_end_that_differs_is_found() {
    let clean = clean(Story::Sample);
    let (place, invoice) = clean
        .end
        .iter()
        .find(|(place, _)| place.starts_with("invoices"))
        .expect("an invoice");
    let total = invoice
        .pointer("/status/bill/totals")
        .or(invoice.pointer("/status/bill"));
    assert!(total.is_some(), "{invoice:#?}");
    let mut other = clean.end.clone();
    other.remove(place);
    assert_eq!(
        end::differences(&clean.end, &other),
        [format!("{place} is missing")]
    );
    let mut other = clean.end.clone();
    other.insert(
        "tunepods.trustbridge.io tb-acme/second".to_owned(),
        invoice.clone(),
    );
    assert_eq!(end::differences(&clean.end, &other).len(), 1);
    let mut other = clean.end.clone();
    if let Some(phase) = other
        .get_mut(place)
        .and_then(|object| object.pointer_mut("/status/phase"))
    {
        *phase = "Draft".into();
    }
    assert_eq!(end::differences(&clean.end, &other).len(), 1);
}
