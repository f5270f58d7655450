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
//! | [`story`] | what is asked for, and how time goes on |
//! | [`end`] | what is compared |

mod arm;
mod boundary;
mod cluster;
mod end;
mod ports;
mod sentinel;
mod story;

use boundary::{Fault, Plan};
use std::collections::BTreeMap;
use std::time::Duration;
use story::{Story, Told, mishap, tell};
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

/// Every `stride`-th plan from `seed` on. The faults of a call stand side by side and are even in number: an odd stride
/// comes by each of them alike, whatever the seed.
fn chosen(plans: &[(Story, Plan)], seed: usize) -> Vec<&(Story, Plan)> {
    let is_full = std::env::var_os("TB_CAMPAIGN").is_some();
    let stride = if is_full {
        1
    } else {
        (plans.len() / EVERY_DAY).max(1) | 1
    };
    plans.iter().skip(seed % stride).step_by(stride).collect()
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
    let chosen = chosen(&plans, seed);
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
    assert!(
        Fault::ALL
            .iter()
            .all(|fault| met.get(fault.name()).is_some_and(|n| *n > 0)),
        "{met:?}"
    );
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
