//! The buyer: an order, waiting for it, calling what was bought.

use crate::kubectl::Kubectl;
use crate::probe::Caller;
use crate::provider::ASSET;
use crate::seller::OFFER;
use crate::wait::{self, Seen};
use crate::world::World;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};
use std::time::Duration;
use trustbridge_api::{Order, TunePod};
use trustbridge_domain::names::{door_name, instance_name, org_namespace, protected_namespace, token_secret};
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};

/// The contract that the control plane allows.
pub const ALLOWED: &str = "contract-allow";
/// A contract that it denies.
pub const DENIED: &str = "contract-deny";
/// How long an order may take until it serves.
pub const SERVING: Duration = Duration::from_mins(4);

/// An order of one instance of a protected model.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// The buyer's organisation.
    pub org: String,
    /// Name of the order.
    pub order: String,
    /// The asset.
    pub asset: String,
    /// The licence contract.
    pub contract: String,
    /// The offer.
    pub offer: String,
}

impl Purchase {
    /// The story's order, in another organisation or under another name.
    #[must_use]
    pub fn new(org: &str, order: &str) -> Self {
        let own = str::to_owned;
        Self {
            org: own(org),
            order: own(order),
            asset: own(ASSET),
            contract: own(ALLOWED),
            offer: own(OFFER),
        }
    }

    /// The order of `samples/order.yaml`.
    #[must_use]
    pub fn sample() -> Self {
        Self::new("acme", "order-e2e-001")
    }

    /// The organisation's own namespace.
    #[must_use]
    pub fn namespace(&self) -> String {
        org_namespace(&self.org)
    }

    /// The namespace of its protected pods.
    #[must_use]
    pub fn protected(&self) -> String {
        protected_namespace(&self.org)
    }

    /// The only TunePod of the order.
    #[must_use]
    pub fn tunepod(&self) -> String {
        instance_name(&self.order, 0)
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "trustbridge.io/v1alpha1",
            "kind": "Order",
            "metadata": {"name": self.order, "namespace": self.namespace()},
            "spec": {
                "offerRef": {"name": self.offer},
                "modelAssetRef": {"name": self.asset},
                "contractId": self.contract,
            },
        })
    }

    /// Applies it.
    pub async fn place(&self, world: &World) -> Result<()> {
        Kubectl::of(world)
            .apply(&self.manifest().to_string())
            .await
            .map(drop)
    }

    /// Waits until the order has that phase, or one that comes after it: a short one may pass unseen.
    pub async fn until_phase(&self, world: &World, phase: OrderPhase, limit: Duration) -> Result<Order> {
        let api: Api<Order> = Api::namespaced(world.client().await?, &self.namespace());
        let what = format!("phase {phase}");
        wait::until(&api, &self.order, &what, limit, |order: &Order| {
            let seen = order
                .status
                .as_ref()
                .map(|status| status.phase)
                .unwrap_or_default();
            match seen {
                OrderPhase::Rejected | OrderPhase::Cancelled => Seen::Hopeless(format!("it is {seen}")),
                OrderPhase::Failed => Seen::NotYet,
                _ => Seen::from(seen >= phase),
            }
        })
        .await
    }

    /// Waits until the TunePod has that phase, or one that comes after it: a short one may pass unseen.
    pub async fn until_tunepod(
        &self,
        world: &World,
        phase: TunePodPhase,
        limit: Duration,
    ) -> Result<TunePod> {
        let api: Api<TunePod> = Api::namespaced(world.client().await?, &self.namespace());
        let what = format!("phase {phase}");
        let arrived = |pod: &TunePod| {
            let seen = pod.status.as_ref().map(|status| status.phase).unwrap_or_default();
            seen >= phase && seen != TunePodPhase::Failed
        };
        wait::until(&api, &self.tunepod(), &what, limit, arrived).await
    }

    /// Waits until a condition of the TunePod has that reason; answers its message.
    pub async fn until_reason(&self, world: &World, reasons: &[&str], limit: Duration) -> Result<String> {
        let api: Api<TunePod> = Api::namespaced(world.client().await?, &self.namespace());
        let what = format!("a condition with reason {}", reasons.join(" or "));
        let message = |pod: &TunePod| {
            let conditions = &pod.status.as_ref()?.conditions;
            conditions
                .iter()
                .find(|c| reasons.contains(&c.reason.as_str()))
                .map(|c| c.message.clone())
        };
        let pod = wait::until(&api, &self.tunepod(), &what, limit, |pod: &TunePod| {
            message(pod).is_some()
        })
        .await?;
        message(&pod).context("the condition is there")
    }

    /// The TunePod as it is now.
    pub async fn tunepod_now(&self, world: &World) -> Result<TunePod> {
        let api: Api<TunePod> = Api::namespaced(world.client().await?, &self.namespace());
        Ok(api.get(&self.tunepod()).await?)
    }

    /// The order as it is now.
    pub async fn order_now(&self, world: &World) -> Result<Order> {
        let api: Api<Order> = Api::namespaced(world.client().await?, &self.namespace());
        Ok(api.get(&self.order).await?)
    }

    /// The base URL at which the buyer calls the model.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "https://{}.{}.svc:8000",
            door_name(&self.tunepod()),
            self.namespace()
        )
    }

    /// A pod of the organisation that calls with the order's token.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            namespace: self.namespace(),
            token: Some(token_secret(&self.tunepod())),
        }
    }

    /// The token, read as a buyer reads it. It is never printed.
    pub async fn token(&self, world: &World) -> Result<String> {
        let api: Api<Secret> = Api::namespaced(world.client().await?, &self.namespace());
        let secret = api.get(&token_secret(&self.tunepod())).await?;
        let bytes = secret.data.as_ref().and_then(|data| data.get("token"));
        let bytes = bytes.context("the Secret has no entry 'token'")?;
        Ok(String::from_utf8(bytes.0.clone())?)
    }
}
