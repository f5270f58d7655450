//! A `byoWorkspace` TunePod once its nodes are there: it is ready while every line of its definition of ready holds.
//!
//! Nothing is made on the nodes by this version. What checks the lines is at the edge ([`crate::workspace_probe`]); where
//! nothing can, the TunePod stays at Verifying and its condition names each line.

use super::decide::{degraded, pool_lost, said};
use super::observe::Observed;
use super::{readiness, status};
use crate::context::Context;
use crate::controllers::execute::Plan;
use crate::nodepool::PoolView;
use crate::workspace_probe::{self, Workspace};
use jiff::Timestamp;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::Reason;
use trustbridge_domain::phase::TunePodPhase as Phase;

/// Pause before the lines of a workspace that is ready are checked again.
const EACH: Duration = Duration::from_mins(1);

/// Checks each line, once there is something to check.
pub(super) async fn see(ctx: &Context, seen: &mut Observed) {
    if !matches!(seen.phase(), Phase::Verifying | Phase::Ready | Phase::Degraded) {
        return;
    }
    let workspace = Workspace {
        tunepod: seen.pool.tunepod.clone(),
        uid: seen.tunepod.uid().unwrap_or_default(),
        pool: seen.pool.name.clone(),
        gpus: seen.tunepod.spec.gpus,
    };
    let probes = readiness::lines(&seen.tunepod.spec);
    let probes = probes.into_iter().filter_map(|line| line.probe);
    seen.readings = workspace_probe::read(ctx.workspaces.as_ref(), &workspace, probes).await;
}

/// Verifying and Degraded: metering begins in the write that finds every line met.
pub(super) fn start(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if matches!(seen.pool_view, Some(Ok(PoolView::Absent))) {
        return pool_lost(seen, status, now);
    }
    if let Some(text) = status::elsewhere(seen) {
        return said(seen, status, now, Reason::ForeignNodePool, &text);
    }
    if let Some(text) = readiness::unmet(&status.readiness) {
        return said(seen, status, now, Reason::ReadinessUnmet, &text);
    }
    if !status::open_interval(&mut status, seen.tunepod.spec.gpus, now) {
        return said(seen, status, now, Reason::LedgerFull, status::FULL);
    }
    status.phase = Phase::Ready;
    status::ready(&mut status, seen.tunepod.metadata.generation, now);
    Plan::rest(status)
}

/// Ready: the first look that finds a line unmet stops the meter.
pub(super) fn serve(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if let Some(text) = readiness::unmet(&status.readiness) {
        return degraded(seen, status, now, Reason::ReadinessUnmet, &text);
    }
    status::ready(&mut status, seen.tunepod.metadata.generation, now);
    Plan::rest(status).within(EACH)
}
