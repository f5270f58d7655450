//! The whole operator against the API server in memory and the ARM double, in simulated time: the story of an order
//! from nothing to closed, with one fault at one call, for every call and every fault.
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
//! | [`story`] | what is asked for, and how time goes on |
//! | [`end`] | what is compared |

mod arm;
mod boundary;
mod cluster;
mod end;
mod sentinel;
mod story;

use boundary::{Fault, Plan};
use std::collections::BTreeMap;
use story::{Told, tell};

/// Plans of the size for every day; `TB_CAMPAIGN=1` plays all.
const EVERY_DAY: usize = 80;

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
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
fn the_story_without_a_fault_ends_closed_and_at_rest() {
    let told = runtime().block_on(tell(&Plan::none()));
    assert_eq!(told.stuck, None, "{told:#?}");
    assert!(told.at_rest.is_empty(), "{:?}", told.at_rest);
    assert_eq!(told.pools, 1);
    assert!(told.calls.len() > 40, "{:?}", told.calls);
}

#[test]
fn two_clean_runs_end_alike() {
    let [one, other] = [(), ()].map(|()| runtime().block_on(tell(&Plan::none())));
    assert_eq!(differences(&one, &other), Vec::<String>::new());
    assert_eq!(one.calls, other.calls);
}

#[test]
fn every_fault_at_every_call_ends_as_the_clean_run() {
    let clean = runtime().block_on(tell(&Plan::none()));
    let plans: Vec<Plan> = (0..clean.calls.len())
        .flat_map(|at| Fault::ALL.map(|fault| Plan::at(at, fault)))
        .collect();
    let is_full = std::env::var_os("TB_CAMPAIGN").is_some();
    let mut stride = if is_full {
        1
    } else {
        (plans.len() / EVERY_DAY).max(1)
    };
    // The faults of a call stand side by side: such a stride would visit the same one at each.
    if stride % Fault::ALL.len() == 0 {
        stride += 1;
    }
    let chosen: Vec<&Plan> = plans.iter().step_by(stride).collect();
    let mut failed = Vec::new();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for plan in &chosen {
        let told = runtime().block_on(tell(plan));
        *met.entry(plan.name()).or_default() += usize::from(told.was_met);
        let mut wrong = differences(&clean, &told);
        wrong.extend(told.stuck.clone());
        if !wrong.is_empty() {
            failed.push(format!("{plan:?} ({}): {wrong:#?}", clean.calls[plan.position()]));
        }
    }
    println!(
        "{} of {} plans played over {} calls; faults met: {met:?}",
        chosen.len(),
        plans.len(),
        clean.calls.len()
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
fn an_end_that_differs_is_found() {
    let clean = runtime().block_on(tell(&Plan::none()));
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
