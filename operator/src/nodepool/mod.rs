//! Where GPU nodes come from.
//!
//! A provider is asked for what is (`observe`), for a pool to be there (`ensure`) and for it to be gone
//! (`delete`). All three may be repeated at any time: the name of a pool follows from its TunePod's UID,
//! and a pool is touched only when its tags carry that UID. So a crash after a request was sent, whether
//! or not it arrived, is answered by asking again, and there is never a second pool.

pub mod absence;
pub mod aks;
pub mod static_nodes;
pub mod sweep;

use crate::settings::{Arm, Flags, Provider};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_azure::arm::{AgentPools, Cluster};
use trustbridge_azure::token::{ARM_SCOPE, Identity, Proof, TokenSource};

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
    /// The provider's running operation, when one was written down.
    pub operation_url: Option<String>,
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

    /// How far the operation at `url` is.
    fn operation<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<OperationView, PoolError>>;

    /// Every pool of the cluster that carries our tags.
    fn owned(&self) -> BoxFuture<'_, Result<Vec<OwnedPool>, PoolError>>;

    /// Labels by which pods find the nodes of the pool of that name.
    fn node_selector(&self, pool: &str) -> BTreeMap<String, String>;

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
) -> Result<Arc<dyn NodePoolProvider>, SetupError> {
    match flags.node_pool_provider {
        Provider::Static => {
            let labels = flags.static_node_labels.iter().cloned().collect();
            Ok(Arc::new(static_nodes::StaticNodes::new(
                kube::Api::all(client.clone()),
                labels,
            )))
        }
        Provider::Aks => Ok(Arc::new(aks::Aks::new(agent_pools(&flags.arm, https)?))),
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
