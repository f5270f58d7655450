//! A TunePod's decisions, as tables: what was seen and when, and what follows.

mod access;
mod end;
mod evidence;
pub(crate) mod folding;
mod heartbeat;
mod life;
mod readiness;
mod rest;

use super::access::AccessSight;
use super::conclude::conclude;
use super::decide::decide;
use super::heartbeat::LeaseSight;
use super::observe::{Observed, PodSight, Said, asks_provider, intent, sight};
use super::usage::Heard;
use super::{build, status};
use crate::controllers::execute::{Outcome, Plan, Write, status_write};
use crate::nodepool::{PoolCall, PoolError, PoolView};
use crate::public_port::PortAnswer;
use crate::sentinel_port::SentinelReport;
use crate::settings::tests::settings;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::{NodePoolState, TunePodTermination};
use trustbridge_api::{NameRef, TunePod, TunePodSpec, TunePodStatus, labels};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::conditions::find;

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

pub(super) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(super) fn tunepod() -> TunePod {
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        model_asset_ref: Some(NameRef::new("tb-asset-1")),
        contract_id: Some("contract-allow".to_owned()),
        gpus: 1,
        gpu_sku: "StudioGen-1GPU".to_owned(),
        vm_size: "Standard_NC24ads_A100_v4".to_owned(),
        ..TunePodSpec::default()
    };
    let mut tunepod = TunePod::new("order-1-0", spec);
    tunepod.metadata.namespace = Some("tb-acme".to_owned());
    tunepod.metadata.uid = Some("uid-1".to_owned());
    tunepod.metadata.generation = Some(1);
    tunepod.metadata.finalizers = Some(vec![labels::TUNEPOD_CLEANUP.to_owned()]);
    tunepod
}

pub(super) fn seen(tunepod: TunePod) -> Observed {
    Observed {
        pool: intent(&tunepod, "acme"),
        tunepod,
        org: "acme".to_owned(),
        provider: "aks".to_owned(),
        node_selector: BTreeMap::from([("kubernetes.azure.com/agentpool".to_owned(), "tbx".to_owned())]),
        pool_view: None,
        is_namespace_leaving: false,
        looked_for_pod: false,
        pod: None,
        heard: Heard::default(),
        access: AccessSight {
            port: Some(PortAnswer::Accepted),
            ..AccessSight::default()
        },
        readings: vec![],
        lease: LeaseSight::default(),
        door: vec![],
        leftovers: vec![],
        settings: settings(),
        makes_nodes: true,
        observer: "arm-double".to_owned(),
        operations: vec![],
        attest: None,
        earlier: vec![],
        earlier_folded: None,
        folding: None,
        is_ledger_owed: false,
        is_ledger_full: false,
    }
}

/// A TunePod that went the legal way to `phase`.
pub(super) fn in_phase(phase: Phase) -> Observed {
    let mut seen = seen(tunepod());
    if phase == Phase::Pending {
        return seen;
    }
    let mut status = decide(&seen, now()).status;
    status.phase = phase;
    if matches!(phase, Phase::Ready) {
        status::pool_ready(&mut status, Some(1), now(), "tbx");
        assert!(status::open_interval(&mut status, 1, now()));
        status.url = Some(build::url(&seen.tunepod));
        status::ready(&mut status, Some(1), now());
    }
    seen.tunepod.status = Some(status);
    seen
}

pub(super) fn pod() -> PodSight {
    PodSight {
        uid: "pod-1".to_owned(),
        phase: "Running".to_owned(),
        is_ours: true,
        is_guarded: true,
        is_keyed: true,
        ..PodSight::default()
    }
}

pub(super) fn ready_pod() -> PodSight {
    PodSight {
        is_ready: true,
        ip: Some("10.244.0.7".to_owned()),
        ..pod()
    }
}

fn quota() -> PoolError {
    PoolError {
        class: Reason::QuotaFamily,
        code: "OperationNotAllowed".to_owned(),
        message: "Family Cores quota exceeded".to_owned(),
        first: Some(Duration::from_mins(10)),
        longest: Duration::from_hours(1),
    }
}

fn reason(status: &TunePodStatus, type_: ConditionType) -> String {
    find(&status.conditions, type_)
        .map(|c| format!("{}/{}", c.status, c.reason))
        .unwrap_or_default()
}

fn working(state: &str) -> PoolView {
    PoolView::Working {
        state: state.to_owned(),
        operation_url: Some("https://arm/op".to_owned()),
        retry_after: Duration::from_secs(7),
    }
}
