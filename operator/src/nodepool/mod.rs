//! Where GPU nodes come from.
//!
//! A provider is asked for what is (`observe`), for a pool to be there (`ensure`) and for it to be gone
//! (`delete`). All three may be repeated at any time: the name of a pool follows from its TunePod's UID,
//! and a pool is touched only when its tags carry that UID. So a crash after a request was sent, whether
//! or not it arrived, is answered by asking again, and there is never a second pool.

pub mod absence;
pub mod aks;
pub mod capacity;
pub mod karpenter;
mod room;
pub mod static_nodes;
pub mod sweep;

use crate::settings::{Arm, Flags, Provider};
use capacity::{CapacityView, Wanted};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_azure::arm::{AgentPools, Cluster};
use trustbridge_azure::token::{ARM_SCOPE, Identity, Proof, TokenSource};
use trustbridge_kit::apply::Writer;
use trustbridge_kit::clock::Clock;

/// The pool that a TunePod needs. Written to its status before the first request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolIntent {
    /// Name at the provider, made from the TunePod's UID.
    pub name: String,
    /// UID of the TunePod; the pool's tag.
    pub tunepod_uid: String,
    /// `namespace/name` of the TunePod.
    pub tunepod: String,
    /// Name of the order.
    pub order: String,
    /// The buyer's organisation.
    pub org: String,
    /// VM size.
    pub vm_size: String,
    /// GPUs that were sold.
    pub gpus: i64,
    /// The provider's running operation, when one was written down.
    pub operation_url: Option<String>,
}

/// Labels of the nodes of pools that are made, besides the operator's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLabels {
    /// Of every pool.
    pub every: BTreeMap<String, String>,
    /// Entry of the NVIDIA device plug-in's configuration, for pools of one GPU alone: a fraction of one of several GPUs
    /// cannot be chosen.
    pub device_plugin_config: Option<String>,
}

impl NodeLabels {
    /// The label by which a node chooses an entry of the device plug-in's configuration.
    pub const DEVICE_PLUGIN_CONFIG: &str = "nvidia.com/device-plugin.config";

    /// Those of `pool`.
    #[must_use]
    pub fn of(&self, pool: &PoolIntent) -> BTreeMap<String, String> {
        let mut all = self.every.clone();
        let shared = self.device_plugin_config.as_ref().filter(|_| pool.gpus == 1);
        all.extend(shared.map(|entry| (Self::DEVICE_PLUGIN_CONFIG.to_owned(), entry.clone())));
        all
    }
}

/// What a provider says about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolView {
    /// There is no such pool.
    Absent,
    /// The provider works on it; asked again after `retry_after`.
    Working {
        /// What it says that it does. Example: `Creating`.
        state: String,
        /// URL of the operation, when the provider gave one.
        operation_url: Option<String>,
        /// The provider's wish.
        retry_after: Duration,
    },
    /// It is there.
    Ready,
    /// It is there, and its creation failed: it is deleted before the next attempt.
    Broken(PoolError),
}

/// A refusal or failure of a provider, classified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct PoolError {
    /// The class; the same word is the condition's reason.
    pub class: Reason,
    /// The provider's code. Example: `OperationNotAllowed`.
    pub code: String,
    /// The provider's words.
    pub message: String,
    /// Pause before the first repetition; `None`: nothing helps before somebody changes something.
    pub first: Option<Duration>,
    /// Longest pause after many repetitions.
    pub longest: Duration,
}

impl PoolError {
    /// Pause before the next attempt after `failures` in a row, doubling.
    #[must_use]
    pub fn delay(&self, failures: i64) -> Option<Duration> {
        let doublings = u32::try_from(failures.clamp(1, 17) - 1).unwrap_or(0);
        self.first.map(|first| {
            first
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(self.longest.max(first))
        })
    }
}

/// What a provider answers.
pub type Answer<'a> = BoxFuture<'a, Result<PoolView, PoolError>>;

/// How far an operation is that a provider accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationView {
    /// It runs.
    Running,
    /// It came to an end; the provider's word for it, `Forgotten` where the provider knows it no more.
    Ended(String),
}

/// A pool that carries our tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedPool {
    /// Name at the provider.
    pub name: String,
    /// UID of the TunePod that it was made for.
    pub tunepod_uid: String,
    /// `namespace/name` of that TunePod.
    pub tunepod: String,
    /// Name of the order.
    pub order: String,
}

/// A source of GPU nodes.
pub trait NodePoolProvider: Send + Sync {
    /// The word in `status.nodePool.provider`.
    fn name(&self) -> &'static str;

    /// Who answers, as evidence names it; a double of the provider says so itself.
    fn observer(&self) -> String {
        self.name().to_owned()
    }

    /// Whether it makes machines, and so can destroy them.
    fn makes_nodes(&self) -> bool;

    /// Whether its machines are `NodeClaims` of Karpenter, whose changes are worth a look.
    fn has_node_claims(&self) -> bool {
        false
    }

    /// How far the operation at `url` is.
    fn operation<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<OperationView, PoolError>>;

    /// Every pool of the cluster that carries our tags.
    fn owned(&self) -> BoxFuture<'_, Result<Vec<OwnedPool>, PoolError>>;

    /// Labels by which pods find the nodes of the pool of that name.
    fn node_selector(&self, pool: &str) -> BTreeMap<String, String>;

    /// What can be had now, as far as it is known without making a machine.
    fn capacity<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, CapacityView>;

    /// Selector of the nodes that are counted for [`Self::capacity`]; `None`: none are.
    fn counted_nodes(&self) -> Option<String> {
        None
    }

    /// Something changed of which [`Self::capacity`] hangs.
    fn changed(&self) {}

    /// What is.
    fn observe<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a>;

    /// Asks for the pool; one that is there and ours is adopted.
    fn ensure<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a>;

    /// Asks for the end of the pool; one that is gone is [`PoolView::Absent`].
    fn delete<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a>;
}

/// What a decision asks of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolCall {
    /// [`NodePoolProvider::ensure`]
    Ensure(PoolIntent),
    /// [`NodePoolProvider::delete`]
    Delete(PoolIntent),
}

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting is missing or wrong.
    #[error("`{flag}` {rule}; it is needed with `--node-pool-provider aks`")]
    Setting {
        /// Which flag.
        flag: &'static str,
        /// What it must be.
        rule: String,
    },
}

/// The provider that `flags` choose.
pub fn from_flags(
    flags: &Flags,
    client: &kube::Client,
    https: &trustbridge_azure::http::Client,
    writer: &Writer,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn NodePoolProvider>, SetupError> {
    let node_labels = NodeLabels {
        every: flags.pool_node_labels.iter().cloned().collect(),
        device_plugin_config: flags.device_plugin_config.clone(),
    };
    match flags.node_pool_provider {
        Provider::Static => {
            let labels = flags.static_node_labels.iter().cloned().collect();
            Ok(Arc::new(static_nodes::StaticNodes::new(client, labels)))
        }
        Provider::Aks => {
            let pools = agent_pools(&flags.arm, https)?;
            let cap = flags.pool_retry_cap_seconds.map(Duration::from_secs);
            let aks = aks::Aks::new(pools).with_node_labels(node_labels);
            Ok(Arc::new(aks.with_retry_cap(cap)))
        }
        Provider::Karpenter => {
            let wish = karpenter::Wish {
                image_family: flags.karpenter.karpenter_image_family.clone(),
                os_disk_gb: flags.karpenter.karpenter_os_disk_gb,
                placement_scope: flags
                    .karpenter
                    .karpenter_placement_scope
                    .map(|scope| scope.as_str().to_owned()),
                node_labels,
            };
            let (client, writer, clock) = (client.clone(), writer.clone(), Arc::clone(clock));
            Ok(Arc::new(karpenter::Karpenter::new(client, writer, clock, wish)))
        }
    }
}

fn agent_pools(arm: &Arm, https: &trustbridge_azure::http::Client) -> Result<AgentPools, SetupError> {
    let given = |flag: &'static str, value: &String| {
        let missing = || SetupError::Setting {
            flag,
            rule: "must be set".to_owned(),
        };
        Some(value.clone()).filter(|v| !v.is_empty()).ok_or_else(missing)
    };
    let proof = match (&arm.arm_client_secret_file, &arm.arm_federated_token_file) {
        (Some(secret), _) => Proof::ClientSecretFile(secret.clone()),
        (None, Some(token)) => Proof::AssertionFile(token.clone()),
        (None, None) => {
            let rule = "or the environment AZURE_FEDERATED_TOKEN_FILE must be set".to_owned();
            return Err(SetupError::Setting {
                flag: "--arm-client-secret-file",
                rule,
            });
        }
    };
    let endpoint = arm.arm_endpoint.parse().map_err(|error| SetupError::Setting {
        flag: "--arm-endpoint",
        rule: format!("must be a URL ({error})"),
    })?;
    let identity = Identity {
        authority: arm.arm_authority.clone(),
        tenant: given("--arm-tenant", &arm.arm_tenant)?,
        client_id: given("--arm-client-id", &arm.arm_client_id)?,
        scope: ARM_SCOPE.to_owned(),
        proof,
    };
    let cluster = Cluster {
        endpoint,
        subscription: given("--arm-subscription", &arm.arm_subscription)?,
        resource_group: given("--arm-resource-group", &arm.arm_resource_group)?,
        cluster: given("--arm-cluster", &arm.arm_cluster)?,
        api_version: arm.arm_api_version.clone(),
    };
    Ok(AgentPools::new(
        https.clone(),
        Arc::new(TokenSource::new(https.clone(), identity)),
        cluster,
    ))
}
