//! A TunePod of an order as `fulfillment.update`.

use crate::identity::id_of;
use crate::spelling::Spelling;
use trustbridge_acp::messages::fulfillment as wire;
use trustbridge_acp::messages::offer::Resources;
use trustbridge_api::order::FrozenTerms;
use trustbridge_api::reference::{Access, KeyRef, Mode};
use trustbridge_api::{Order, TunePod};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::quote::Rfq;

/// How an instance stands; `None` while it ends, which `fulfillment.terminated` tells, and before its order stands.
/// `rfq` is the request that the order's quote answered: the ways out that it named.
#[must_use]
pub fn update(order: &Order, tune_pod: &TunePod, rfq: Option<&Rfq>) -> Option<wire::FulfillmentUpdate> {
    let status = order.status.as_ref()?;
    let terms = status.pricing_snapshot.as_ref()?.terms.as_ref()?;
    let phase = tune_pod
        .status
        .as_ref()
        .map(|status| status.phase)
        .unwrap_or_default();
    let readiness = tune_pod.status.iter().flat_map(|status| &status.readiness);
    Some(wire::FulfillmentUpdate {
        order_id: id_of(order),
        service_instance: wire::ServiceInstance {
            instance_id: id_of(tune_pod),
            role: Some(role(terms, tune_pod.spec.mode).to_owned()),
            kind: kind(tune_pod).map(ToOwned::to_owned),
            region: terms.agreed.region.clone(),
            resources: Some(Resources {
                gpu: u32::try_from(tune_pod.spec.gpus).ok(),
                vcpus: Some(terms.resources.vcpus),
                ram_gb: Some(terms.resources.ram_gb),
                nvme_gb: u32::try_from(tune_pod.spec.nvme_gb).ok(),
            }),
            status: Some(word(phase)?.to_owned()),
            access: tune_pod
                .status
                .as_ref()
                .and_then(|status| status.access.as_ref())
                .map(access),
            network_policy: Some(network(terms, tune_pod.spec.mode, rfq)),
            security: Some(wire::Security {
                single_tenant: Some(terms.agreed.single_tenant),
                no_telemetry: Spelling::of(&terms.use_case).tuning(true),
                logging_policy: Some(terms.agreed.logging_policy.clone()),
                wipe_on_termination: Some(terms.agreed.wipe_on_termination),
            }),
            suspended: (phase == TunePodPhase::Suspended).then_some(true),
        },
        ready_definition: terms.readiness.iter().map(|line| line.text.clone()).collect(),
        order_status: Some(status.phase.as_str().to_owned()),
        readiness: readiness
            .map(|line| wire::Readiness {
                id: line.id.clone(),
                met: line.met.as_str().to_owned(),
                reason: Some(line.reason.clone()),
                checked_at: Some(line.checked_at.0.to_string()),
            })
            .collect(),
    })
}

/// The documents know three words for twelve phases; what rests is ready, and says so beside.
const fn word(phase: TunePodPhase) -> Option<&'static str> {
    match phase {
        TunePodPhase::Pending
        | TunePodPhase::Scheduling
        | TunePodPhase::Provisioning
        | TunePodPhase::Verifying
        | TunePodPhase::Updating => Some("PROVISIONING"),
        TunePodPhase::Ready | TunePodPhase::Degraded | TunePodPhase::Suspended => Some("READY"),
        TunePodPhase::Failed => Some("FAILED"),
        TunePodPhase::Draining | TunePodPhase::Wiping | TunePodPhase::Wiped => None,
    }
}

fn role(terms: &FrozenTerms, mode: Mode) -> &'static str {
    match (mode, Spelling::of(&terms.use_case)) {
        (Mode::ProtectedModel, _) => "protected_model",
        (Mode::ByoWorkspace, Spelling::FineTuning) => "finetune_workspace",
        (Mode::ByoWorkspace, Spelling::Studio) => "studio_generation",
    }
}

/// A machine of one tenant at Azure is a virtual machine to the buyer; of other machines nobody knows.
fn kind(tune_pod: &TunePod) -> Option<&'static str> {
    let pool = tune_pod.status.as_ref()?.node_pool.as_ref()?;
    match pool.provider.as_str() {
        "aks" => Some("vm"),
        "arm-double" => Some("container"),
        _ => None,
    }
}

fn access(access: &Access) -> wire::Access {
    let reference = |entry: &KeyRef| wire::KeyReference {
        name: entry.name.clone(),
        key: entry.key.clone(),
    };
    wire::Access {
        ssh: None,
        https: Some(wire::Https {
            url: access.url.clone(),
            token_secret: access.token_secret_ref.as_ref().map(reference),
            ca: access.ca_ref.as_ref().map(reference),
        }),
    }
}

fn network(terms: &FrozenTerms, mode: Mode, rfq: Option<&Rfq>) -> wire::NetworkPolicy {
    let inbound = rfq.iter().flat_map(|rfq| &rfq.requirements.network.inbound);
    let restricted = terms.agreed.outbound_mode == "restricted";
    let allowed = rfq
        .filter(|_| restricted)
        .map(|rfq| &rfq.requirements.network.outbound.allowlist);
    wire::NetworkPolicy {
        inbound_sources: inbound
            .filter(|_| mode == Mode::ByoWorkspace)
            .map(|way| way.source.clone())
            .filter(|source| !source.is_empty())
            .collect(),
        outbound_mode: Some(terms.agreed.outbound_mode.clone()),
        outbound_allowlist: allowed.cloned().unwrap_or_default(),
    }
}
