//! Reads what a TunePod's decision needs.

mod ending;
mod keyed;

pub(super) use ending::Attest;

use super::access::{self, AccessSight};
use super::folding::{self, Folding};
use super::heartbeat::{self, LeaseSight};
use super::usage::{self, Heard};
use super::{build, status, workspace};
use crate::context::{Context, Error};
use crate::nodepool::{OperationView, PoolError, PoolIntent, PoolView};
use crate::sentinel_port::{self, SentinelReport};
use crate::settings::Settings;
use crate::workspace_probe::Reading;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, Pod, PodStatus};
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::tunepod::{FoldedIntervals, MeteredInterval};
use trustbridge_api::{Mode, Probe, TunePod, labels};
use trustbridge_azure::arm::pool_name;
use trustbridge_domain::names::{org_of_namespace, protected_namespace};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_kit::apply::{Built, Target};
use trustbridge_kit::clock::plus;
use trustbridge_kit::cover::covers;

/// What a decision sees.
#[allow(clippy::struct_excessive_bools)] // Independent facts, not states.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) tunepod: TunePod,
    pub(crate) org: String,
    pub(crate) provider: String,
    pub(crate) pool: PoolIntent,
    pub(crate) node_selector: BTreeMap<String, String>,
    /// What the provider says; `None` when it was not asked.
    pub(crate) pool_view: Option<Result<PoolView, PoolError>>,
    /// Whether its namespace is being deleted; looked at only where the end waits for usage to be stored.
    pub(crate) is_namespace_leaving: bool,
    /// Whether the pod was looked for: if not, `pod` says nothing.
    pub(crate) looked_for_pod: bool,
    pub(crate) pod: Option<PodSight>,
    /// What its sentinel says of usage.
    pub(crate) heard: Heard,
    /// Token and certificate, and what port 8000 answers.
    pub(crate) access: AccessSight,
    /// The sentinel's sign of life.
    pub(crate) lease: LeaseSight,
    /// What was found of the lines of a workspace's definition of ready.
    pub(crate) readings: Vec<(Probe, Reading)>,
    /// The buyer's door: what should be there and whether it is, and what is there by name with its UID.
    pub(crate) door: Vec<(Built, bool)>,
    pub(crate) leftovers: Vec<(Target, String)>,
    pub(crate) settings: Settings,
    /// Whether the provider makes machines, and so can destroy them.
    pub(crate) makes_nodes: bool,
    /// Who answers for the provider, as evidence names it.
    pub(crate) observer: String,
    /// How far the operations are that are written down and were not at their end, by URL; asked once the pool is absent.
    pub(crate) operations: Vec<(String, Result<OperationView, PoolError>)>,
    /// What evidence there is and who can sign it; looked at once there is nothing left to wipe.
    pub(crate) attest: Option<Attest>,
    /// What the order keeps of TunePods of this name that are gone; looked up while this one is pending.
    pub(crate) earlier: Vec<MeteredInterval>,
    pub(crate) earlier_folded: Option<FoldedIntervals>,
    /// The day whose intervals are to be folded, and its UsageRecord.
    pub(crate) folding: Option<Folding>,
    /// Whether the order still has to take over the intervals of this one, which is to go.
    pub(crate) is_ledger_owed: bool,
    /// Whether the order has no room for them.
    pub(crate) is_ledger_full: bool,
}

impl Observed {
    /// The phase that is written down.
    pub(super) fn phase(&self) -> TunePodPhase {
        phase(&self.tunepod)
    }
}

/// Time after the request to delete a pod in which it should be gone, unless its grace is longer.
pub(super) const GONE_WITHIN: Duration = Duration::from_mins(5);

/// What matters of a pod.
#[allow(clippy::struct_excessive_bools)] // Independent facts, not states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodSight {
    pub(crate) uid: String,
    pub(crate) phase: String,
    pub(crate) is_ours: bool,
    pub(crate) is_leaving: bool,
    /// When a pod that is leaving should be gone at the latest.
    pub(crate) gone_by: Option<Timestamp>,
    pub(crate) is_ready: bool,
    /// The node on which it runs.
    pub(crate) node: Option<String>,
    /// The webhook has put the sentinel in.
    pub(crate) is_guarded: bool,
    /// The sentinel has the TunePod's certificate and list of tokens: a version before put neither in.
    pub(crate) is_keyed: bool,
    pub(crate) created: Option<Timestamp>,
    /// When the first of its containers ended, of a pod that ended.
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) ip: Option<String>,
    /// The scheduler's words while it has no node.
    pub(crate) unscheduled: Option<String>,
    /// The last words of the sentinel or the runtime, or what they wait for.
    pub(crate) said: Option<Said>,
    /// What a living sentinel says at its admin port; asked only while the pod is not ready.
    pub(crate) sentinel: Option<SentinelReport>,
}

impl PodSight {
    /// Our own, guarded, ready, and there to stay: buyers may be let in, or are.
    pub(super) const fn is_up(&self) -> bool {
        self.is_ours && self.is_guarded && self.is_ready && !self.is_leaving && self.ip.is_some()
    }
}

/// Words of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) container: String,
    pub(crate) text: String,
}

pub(super) async fn observe(ctx: &Context, tunepod: &TunePod) -> Result<Option<Observed>, Error> {
    let namespace = tunepod.namespace().unwrap_or_default();
    // A fresh read: what follows may cost money, and must not be decided from an old view.
    let Some(tunepod) = ctx
        .writer
        .get::<TunePod>(Some(&namespace), &tunepod.name_any())
        .await?
    else {
        return Ok(None);
    };
    let org = org_of_namespace(&namespace).unwrap_or_default().to_owned();
    let mut pool = intent(&tunepod, &org);
    let written = tunepod.status.as_ref().and_then(|s| s.node_pool.as_ref());
    if written.is_some_and(|written| !status::is_watched(written, ctx.now())) {
        pool.operation_url = None;
    }
    let mut seen = unseen(ctx, tunepod, org, pool);
    if asks_provider(&seen.tunepod, &seen.provider, ctx.now()) {
        seen.pool_view = Some(ctx.pools.observe(&seen.pool).await);
    }
    // At the end the pod is looked for as long as its usage is not closed: a loss must be written down.
    let is_over = seen.phase() == TunePodPhase::Wiped && !usage::is_open(&seen.tunepod);
    let is_ending = super::decide::is_ending(&seen);
    let is_workspace = seen.tunepod.spec.mode == Mode::ByoWorkspace;
    if is_workspace && !is_ending && seen.phase() < TunePodPhase::Draining {
        // Neither pod nor token nor door is made for it.
        workspace::see(ctx, &mut seen).await;
    } else if seen.phase() >= TunePodPhase::Verifying && !is_over {
        see_pod(ctx, &mut seen).await?;
        access::see(ctx, &mut seen).await?;
        heartbeat::see(ctx, &mut seen).await?;
        usage::listen(ctx, &mut seen).await?;
    }
    folding::see(ctx, &mut seen).await?;
    let is_wiping = seen.phase() == TunePodPhase::Wiping;
    if is_wiping {
        ending::see_operations(ctx, &mut seen).await;
        ending::see_evidence(ctx, &mut seen).await?;
    }
    ending::see_ledger(ctx, &mut seen).await?;
    let is_kept = seen.phase() == TunePodPhase::Wiped && usage::keeps(&seen, ctx.now());
    if is_kept || seen.is_ledger_owed || (is_wiping && seen.attest.is_some()) {
        let found: Option<Namespace> = ctx.writer.get(None, &namespace).await?;
        seen.is_namespace_leaving = found.is_none_or(|n| n.metadata.deletion_timestamp.is_some());
    }
    Ok(Some(seen))
}

/// What is known before anything is looked at.
fn unseen(ctx: &Context, tunepod: TunePod, org: String, pool: PoolIntent) -> Observed {
    Observed {
        provider: ctx.pools.name().to_owned(),
        node_selector: ctx.pools.node_selector(&pool.name),
        pool_view: None,
        is_namespace_leaving: false,
        looked_for_pod: false,
        pod: None,
        heard: Heard::default(),
        access: AccessSight::default(),
        lease: LeaseSight::default(),
        readings: Vec::new(),
        door: Vec::new(),
        leftovers: Vec::new(),
        settings: ctx.settings.clone(),
        makes_nodes: ctx.pools.makes_nodes(),
        observer: String::new(),
        operations: Vec::new(),
        attest: None,
        earlier: Vec::new(),
        earlier_folded: None,
        folding: None,
        is_ledger_owed: false,
        is_ledger_full: false,
        tunepod,
        org,
        pool,
    }
}

/// The pool of a TunePod, by its UID.
pub(super) fn intent(tunepod: &TunePod, org: &str) -> PoolIntent {
    let uid = tunepod.uid().unwrap_or_default();
    let written = tunepod.status.as_ref().and_then(|s| s.node_pool.as_ref());
    PoolIntent {
        // What was written down counts, should the rule for names ever change.
        name: written.map_or_else(|| pool_name(&uid), |p| p.name.clone()),
        operation_url: written.and_then(|p| p.operation_url.clone()),
        tunepod: format!(
            "{}/{}",
            tunepod.namespace().unwrap_or_default(),
            tunepod.name_any()
        ),
        order: tunepod.spec.order_ref.name.clone(),
        vm_size: tunepod.spec.vm_size.clone(),
        gpus: tunepod.spec.gpus,
        org: org.to_owned(),
        tunepod_uid: uid,
    }
}

/// The provider is asked only about a pool whose intent was written down, and not before the time that is
/// written beside it: a watch event must not go around a breaker.
pub(super) fn asks_provider(tunepod: &TunePod, provider: &str, now: Timestamp) -> bool {
    use TunePodPhase::{Degraded, Provisioning, Verifying, Wiping};
    let written = tunepod.status.as_ref().and_then(|s| s.node_pool.as_ref());
    let is_time = written.is_some_and(|p| p.next_attempt_at.as_ref().is_none_or(|at| now >= at.0));
    let is_here = written.is_some_and(|p| !status::is_elsewhere(&p.provider, provider));
    is_time && is_here && matches!(phase(tunepod), Provisioning | Verifying | Degraded | Wiping)
}

fn phase(tunepod: &TunePod) -> TunePodPhase {
    tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

async fn see_pod(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let protected = protected_namespace(&seen.org);
    let pod: Option<Pod> = ctx.writer.get(Some(&protected), &seen.tunepod.name_any()).await?;
    seen.pod = pod.as_ref().map(|p| sight(p, &seen.pool.tunepod_uid));
    seen.looked_for_pod = true;
    if let Some(pod) = seen.pod.as_mut().filter(|p| has_something_to_tell(p)) {
        let ip = pod.ip.clone().unwrap_or_default();
        pod.sentinel = sentinel_port::ask(&ctx.sentinels, &ip).await;
    }
    let service = build::service(&seen.tunepod, &seen.org);
    let address = seen.pod.as_ref().and_then(|p| p.ip.clone());
    let slice = build::endpoint_slice(&seen.tunepod, &seen.org, address.as_deref().unwrap_or_default());
    for mut built in [service, slice] {
        let found = ctx.writer.get_any(&built.target).await?;
        if address.is_none() {
            build::keep_address_type(&mut built, found.as_ref());
        }
        let uid = found
            .as_ref()
            .and_then(|f| f.pointer("/metadata/uid"))
            .and_then(|u| u.as_str());
        seen.leftovers
            .extend(uid.map(|uid| (built.target.clone(), uid.to_owned())));
        let is_there = found.as_ref().is_some_and(|f| covers(f, &built.body));
        seen.door.push((built, is_there));
    }
    Ok(())
}

/// A pod with a sentinel that is on its way, or fell from it.
fn has_something_to_tell(pod: &PodSight) -> bool {
    pod.is_ours && pod.is_guarded && !pod.is_ready && !pod.is_leaving && pod.ip.is_some()
}

/// What matters of `pod`.
pub(super) fn sight(pod: &Pod, tunepod_uid: &str) -> PodSight {
    let status = pod.status.clone().unwrap_or_default();
    let condition = |type_: &str| status.conditions.iter().flatten().find(|c| c.type_ == type_);
    let unscheduled = condition("PodScheduled").filter(|c| c.status == "False");
    PodSight {
        uid: pod.uid().unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        is_ours: pod
            .annotations()
            .get(build::TUNEPOD_UID)
            .is_some_and(|uid| uid == tunepod_uid),
        is_guarded: pod.annotations().contains_key(labels::INJECTED_HASH),
        is_keyed: keyed::is_keyed(pod),
        created: pod.metadata.creation_timestamp.as_ref().map(|t| t.0),
        finished_at: finished_at(&status),
        is_leaving: pod.metadata.deletion_timestamp.is_some(),
        gone_by: gone_by(pod),
        is_ready: condition("Ready").is_some_and(|c| c.status == "True"),
        unscheduled: unscheduled.map(|c| c.message.clone().unwrap_or_default()),
        said: said(&status),
        sentinel: None,
        ip: status.pod_ip.filter(|ip| !ip.is_empty()),
        phase: status.phase.unwrap_or_default(),
    }
}

/// When the first container of a pod that ended did. What is started again has not ended, and its pod neither.
fn finished_at(status: &PodStatus) -> Option<Timestamp> {
    let has_ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let containers = status.container_statuses.iter().flatten().filter(|_| has_ended);
    let ends = containers.filter_map(|container| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        Some(ended.finished_at.as_ref()?.0)
    });
    ends.min()
}

/// The deletion timestamp is the end of the grace period, which began when the deletion was asked for.
fn gone_by(pod: &Pod) -> Option<Timestamp> {
    let end = pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
    let limit = i64::try_from(GONE_WITHIN.as_secs()).unwrap_or(i64::MAX);
    Some(plus(end, limit.saturating_sub(grace).max(0)))
}

/// The first container that has something to say: last words before what it waits for, sidecars first.
fn said(status: &PodStatus) -> Option<Said> {
    let all = || {
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .flatten()
    };
    all().find_map(last_words).or_else(|| all().find_map(waits))
}

fn last_words(container: &ContainerStatus) -> Option<Said> {
    let states = [&container.state, &container.last_state];
    let ended = states.into_iter().flatten().find_map(|s| s.terminated.as_ref())?;
    // A container that ended well and runs again has nothing to say.
    let text = ended
        .message
        .clone()
        .filter(|m| !m.trim().is_empty())
        .or_else(|| {
            (ended.exit_code != 0).then(|| {
                format!(
                    "exit code {}, {}",
                    ended.exit_code,
                    ended.reason.clone().unwrap_or_else(|| "no reason".to_owned())
                )
            })
        })?;
    Some(Said {
        container: container.name.clone(),
        text,
    })
}

fn waits(container: &ContainerStatus) -> Option<Said> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone()?;
    // What every pod goes through says nothing.
    (!matches!(reason.as_str(), "PodInitializing" | "ContainerCreating")).then(|| Said {
        container: container.name.clone(),
        text: format!("{reason}: {}", waiting.message.clone().unwrap_or_default()),
    })
}
