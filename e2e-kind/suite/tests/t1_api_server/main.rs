//! T1: what the real API server makes of our kinds. Each CEL rule with an example that passes and one that is
//! refused in the rule's own words; each edge of each state machine; each sample. And what it makes of pods: the injector,
//! each rule of each policy, certificates, outages.

// A harness of its own: clippy does not see that these are tests.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admission;
mod edges;
mod examples;
mod karpenter;
mod lab;
mod replay;
mod rules;
mod samples;

use anyhow::Result;
use lab::Lab;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use trustbridge_e2e::world::World;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let world = World::enter()?;
    let runtime = Arc::new(World::runtime()?);
    let lab = Arc::new(runtime.block_on(Lab::open(&world))?);
    let mut trials = Vec::new();
    for rule in rules::all() {
        let lab = Arc::clone(&lab);
        trials.push(trial(
            &runtime,
            rule.title(),
            async move { rule.check(&lab).await },
        ));
    }
    for machine in edges::all() {
        let lab = Arc::clone(&lab);
        trials.push(trial(&runtime, machine.title(), async move {
            machine.check(&lab).await
        }));
    }
    for file in samples::all(&world)? {
        let lab = Arc::clone(&lab);
        trials.push(trial(
            &runtime,
            file.title(),
            async move { file.check(&lab).await },
        ));
    }
    let gate = Arc::new(runtime.block_on(admission::Gate::open(&world))?);
    for (title, work) in admission::all(&gate) {
        trials.push(trial(&runtime, title, work));
    }
    trials.push(trial(
        &runtime,
        karpenter::TITLE.to_owned(),
        karpenter::check(world.clone()),
    ));
    trials.push(trial(
        &runtime,
        replay::TITLE.to_owned(),
        replay::check(world.clone()),
    ));
    trials.push(Trial::test("every_rule_of_every_kind_has_an_example", || {
        Ok(rules::none_is_missing()?)
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let closed = runtime.block_on(gate.close());
    runtime.block_on(lab.close())?;
    closed?;
    println!(
        "T1: {} tests on the API server, {} failed",
        conclusion.num_passed, conclusion.num_failed
    );
    Ok(conclusion.exit_code())
}

fn trial(
    runtime: &Arc<Runtime>,
    title: String,
    work: impl Future<Output = Result<()>> + Send + 'static,
) -> Trial {
    let runtime = Arc::clone(runtime);
    Trial::test(title, move || {
        Ok(runtime.block_on(work).map_err(|error| format!("{error:#}"))?)
    })
}
