//! T2: one real node. The statements A-F of the specification's section 11.6, the acceptance checks of its section 9
//! (`acceptance_9_1_...`; where both say the same, one test carries both names), what bad input comes to, a node pool
//! that ARM refuses, and the end. Each test stands alone: what several need is made once, when it is first needed.

// A harness of its own: clippy does not see that these are tests.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod access;
mod bad_input;
mod everywhere;
mod expiry;
mod gating;
mod heartbeat;
mod isolation;
mod lab;
mod plaintext;
mod quota;
mod scan;
mod sequel;
mod usage;

use anyhow::Result;
use lab::Lab;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use trustbridge_e2e::world::World;

/// The trials of a module: name and work.
type Work = fn(Arc<Lab>) -> futures::future::BoxFuture<'static, Result<()>>;

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // One node, one ARM: the tests take turns.
    arguments.test_threads = Some(1);
    let world = World::enter()?;
    let runtime = Arc::new(World::runtime()?);
    let lab = Arc::new(runtime.block_on(Lab::open(world))?);
    let mut trials = Vec::new();
    for (name, work) in all() {
        let (runtime, lab) = (Arc::clone(&runtime), Arc::clone(&lab));
        trials.push(Trial::test(name, move || {
            Ok(runtime
                .block_on(work(lab))
                .map_err(|error| format!("{error:#}"))?)
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(lab.close())?;
    println!(
        "T2: {} tests on the node, {} failed; A-F among them",
        conclusion.num_passed, conclusion.num_failed
    );
    Ok(conclusion.exit_code())
}

macro_rules! work {
    ($path:path) => {
        |lab| Box::pin(async move { $path(&lab).await })
    };
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each test")]
fn all() -> Vec<(&'static str, Work)> {
    vec![
        (
            "acceptance_9_3_a_gating_a_denied_contract_never_opens_port_8000",
            work!(gating::a_denied_contract),
        ),
        (
            "heartbeat_a_sentinel_renews_its_lease_and_the_tunepod_says_so",
            work!(heartbeat::renewed_and_said),
        ),
        (
            "b_integrity_one_flipped_byte_never_reaches_ready",
            work!(gating::a_flipped_byte),
        ),
        (
            "acceptance_9_1_c_interop_the_runtime_reads_exactly_the_providers_bytes",
            work!(isolation::interop),
        ),
        (
            "acceptance_9_2_d_no_plaintext_on_disk_or_in_deleted_files",
            work!(plaintext::none_on_disk),
        ),
        (
            "acceptance_9_2_nothing_secret_in_logs_events_environments_and_files",
            work!(everywhere::nothing_secret),
        ),
        (
            "acceptance_9_4_a_sas_that_expires_on_the_way_is_asked_for_again",
            work!(expiry::mid_flight),
        ),
        (
            "acceptance_9_5_one_port_of_65535_answers_the_organisation_and_none_a_stranger",
            work!(scan::of_the_pod),
        ),
        (
            "acceptance_9_5_e_proxy_and_isolation_of_the_runtimes_port",
            work!(isolation::ports),
        ),
        (
            "access_only_over_tls_with_the_orders_token",
            work!(access::only_with_the_token),
        ),
        (
            "access_a_rotation_leaves_no_gap_and_ends_the_old_token",
            work!(access::a_rotation_leaves_no_gap),
        ),
        (
            "f_audit_each_call_leaves_a_chained_record",
            work!(isolation::audit),
        ),
        (
            "nobody_enters_a_protected_namespace",
            work!(bad_input::nobody_enters),
        ),
        (
            "an_unknown_offer_is_said_and_heals",
            work!(bad_input::unknown_offer),
        ),
        (
            "a_wrong_manifest_digest_is_said_and_heals",
            work!(bad_input::wrong_digest),
        ),
        (
            "a_labelled_pod_with_host_network_is_refused",
            work!(bad_input::host_network),
        ),
        (
            "a_quota_error_says_pool_error_and_next_step_and_heals",
            work!(quota::said_and_healed),
        ),
        (
            "usage_is_recorded_and_the_last_interval_outlives_the_pod",
            work!(usage::recorded_to_the_end),
        ),
        ("a_live_order_is_not_deleted", work!(sequel::live_orders_stay)),
        ("the_end_leaves_no_pod_pool_or_plaintext", work!(sequel::the_end)),
        ("helm_test_passes", work!(sequel::helm_test)),
    ]
}
