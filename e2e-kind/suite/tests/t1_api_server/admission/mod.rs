//! Admission as the real API server does it: the injector, the policies of the chart, certificates, outages.
//!
//! The chart is installed with two webhooks and without an operator. Two organisations have protected namespaces: in
//! the one everything works as installed; the webhooks leave the other one out, so that the policies stand alone there,
//! as they would with every webhook down or deleted.
//!
//! `TB_CAMPAIGN=1` takes the full sizes. Each trial prints its counts.

mod bender;
mod certificates;
mod gate;
mod generated;
mod installation;
mod lifecycle;
mod outage;
mod policies;
mod upgrade;

/// The generator of pods, shared with the webhook's own tests.
#[path = "../../../../../webhook/src/inject/tests/generate.rs"]
#[expect(dead_code, reason = "the webhook's own tests use the rest")]
mod generate;

pub use gate::Gate;

use anyhow::Result;
use futures::future::BoxFuture;
use std::sync::Arc;

/// A trial: its name and its work.
pub type Work = (String, BoxFuture<'static, Result<()>>);

/// Every trial.
pub fn all(gate: &Arc<Gate>) -> Vec<Work> {
    let mut trials = policies::all(gate);
    let mut add = |name: &str, work: BoxFuture<'static, Result<()>>| trials.push((name.to_owned(), work));
    add(
        "generated_pods_are_guarded_by_the_real_server",
        Box::pin(generated::check(gate.clone())),
    );
    add(
        "rotations_under_load_fail_no_admission",
        Box::pin(certificates::rotations(gate.clone())),
    );
    add(
        "a_clock_past_every_expiry_recovers",
        Box::pin(certificates::expiry(gate.clone())),
    );
    add(
        "no_pod_runs_unguarded_when_webhooks_are_killed",
        Box::pin(outage::kills(gate.clone())),
    );
    add(
        "what_a_later_mutation_bends_is_put_right_or_refused",
        Box::pin(bender::bends(gate.clone())),
    );
    add(
        "a_protected_namespace_is_emptied_and_goes",
        Box::pin(lifecycle::namespace(gate.clone())),
    );
    add(
        "the_garbage_collector_ends_protected_pods",
        Box::pin(lifecycle::collected(gate.clone())),
    );
    add(
        "nodes_and_controllers_write_the_status_of_protected_pods",
        Box::pin(lifecycle::statuses(gate.clone())),
    );
    // Somebody else's installation is not taken away for a test.
    if gate.is_ours() {
        add(
            "the_first_pod_after_an_installation_is_guarded",
            Box::pin(installation::repeated(gate.clone())),
        );
        add(
            "an_upgrade_of_the_sentinel_refuses_no_pod_for_ever",
            Box::pin(upgrade::sentinel(gate.clone())),
        );
        add(
            "a_retried_upgrade_refuses_no_pod_of_the_webhooks_that_still_serve",
            Box::pin(upgrade::retried(gate.clone())),
        );
    }
    trials
}

/// The size for CI, or with `TB_CAMPAIGN` the full one.
pub fn size(ci: usize, full: usize) -> usize {
    if std::env::var_os("TB_CAMPAIGN").is_some() {
        full
    } else {
        ci
    }
}
