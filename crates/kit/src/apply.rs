//! The only way in which a controller writes.
//!
//! Every call has a deadline and asks the leader first. Applies are forced, by a manager from the
//! registry; only objects that were built are applied, never ones that were read.

use crate::lease::Leader;
pub use crate::object::{Built, Created, StatusWrite, Target};
use crate::telemetry::Metrics;
use kube::Client;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Time for one call.
pub const CALL: Duration = Duration::from_secs(8);
/// Objects that one page of a list holds at most.
const PAGE: u32 = 200;

/// Who owns the fields of an apply. Every one in use is in [`FieldManager::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldManager(&'static str);

macro_rules! field_managers {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        impl FieldManager {
            $($(#[$doc])* pub const $name: Self = Self($text);)+
            /// The registry.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

field_managers! {
    /// What a BuyerOrg brings: namespaces, quota, policies, accounts.
    BUYER_ORG = "trustbridge-operator/buyerorg";
    /// Status of a BuyerOrg.
    BUYER_ORG_STATUS = "trustbridge-operator/buyerorg-status";
    /// The Secret with the seller's keys.
    SELLER_KEY = "trustbridge-operator/seller-key";
    /// Status of the SellerProfile.
    SELLER_PROFILE_STATUS = "trustbridge-operator/sellerprofile-status";
    /// Status of an Offer.
    OFFER_STATUS = "trustbridge-operator/offer-status";
    /// Status of a ModelAsset.
    MODEL_ASSET_STATUS = "trustbridge-operator/modelasset-status";
    /// Status of a Quote by its own controller.
    QUOTE_STATUS = "trustbridge-operator/quote-status";
    /// Objects that an Order creates.
    ORDER = "trustbridge-operator/order";
    /// The `termination` that an Order sets on its TunePods.
    ORDER_TERMINATION = "trustbridge-operator/order-termination";
    /// The asking for a new token that an Order hands to its TunePods.
    ORDER_ROTATION = "trustbridge-operator/order-rotation";
    /// The disk that an Order wants its TunePods to have, after a change.
    ORDER_DISK = "trustbridge-operator/order-disk";
    /// Status of an Order.
    ORDER_STATUS = "trustbridge-operator/order-status";
    /// Changes that were accepted or are over, in the status of their Order.
    CHANGE_ORDER = "trustbridge-operator/changeorder";
    /// Status of a ChangeOrder.
    CHANGE_ORDER_STATUS = "trustbridge-operator/changeorder-status";
    /// What a TunePod brings: its pod, Service and EndpointSlice.
    TUNEPOD = "trustbridge-operator/tunepod";
    /// Secrets of a TunePod: its token, the sums of accepted ones, its certificate.
    ACCESS = "trustbridge-operator/access";
    /// The Secret with the authority of those certificates, and its public half in each organisation.
    ACCESS_CA = "trustbridge-operator/access-ca";
    /// Karpenter's NodePool and `AKSNodeClass` of a TunePod.
    NODE_POOL = "trustbridge-operator/node-pool";
    /// The finalizer of a TunePod.
    TUNEPOD_FINALIZER = "trustbridge-operator/tunepod-finalizer";
    /// Status of a TunePod.
    TUNEPOD_STATUS = "trustbridge-operator/tunepod-status";
    /// UsageRecords, which a TunePod creates.
    USAGE = "trustbridge-operator/usage";
    /// Status of a UsageRecord: what was used.
    USAGE_STATUS = "trustbridge-operator/usage-status";
    /// WipeEvidence of a TunePod.
    EVIDENCE = "trustbridge-operator/evidence";
    /// What the Secret with the seller's keys remembers of published keys.
    SELLER_KEY_HISTORY = "trustbridge-operator/seller-key-history";
    /// Invoices, which follow from an Order.
    INVOICE = "trustbridge-operator/invoice";
    /// Status of an Invoice: what it says.
    INVOICE_STATUS = "trustbridge-operator/invoice-status";
    /// Status of a `SupportTicket`.
    SUPPORT_TICKET_STATUS = "trustbridge-operator/supportticket-status";
    /// Incidents that the operator declares.
    INCIDENT = "trustbridge-operator/incident";
    /// Status of an Incident.
    INCIDENT_STATUS = "trustbridge-operator/incident-status";
}

impl FieldManager {
    /// The name that appears in `metadata.managedFields`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Why a call to the API server did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else holds the lease, or ours was not renewed in time.
    #[error("not the leader any more; nothing was written")]
    NotLeader,
    /// No answer in time; the write may or may not have happened.
    #[error("{verb} {target}: no answer within {} s; it is looked at again", CALL.as_secs())]
    Timeout {
        /// What was asked.
        verb: &'static str,
        /// Of which object.
        target: String,
    },
    /// The API server refused.
    #[error("{verb} {target}: {}", crate::client::words(source))]
    Api {
        /// What was asked.
        verb: &'static str,
        /// Of which object.
        target: String,
        /// Its words.
        source: kube::Error,
    },
}

impl Error {
    /// The status that the API server answered, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Api {
                source: kube::Error::Api(status),
                ..
            } => Some(status),
            _ => None,
        }
    }

    /// Whether a precondition (resource version, UID) did not hold any more.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status()
            .is_some_and(|s| s.code == 409 && !s.is_already_exists())
    }

    /// Whether it lost a race, so that looking again is all there is to do: the object changed, or went.
    #[must_use]
    pub fn lost_race(&self) -> bool {
        // Something missing that was to be written anew is no race: it may stay missing for long.
        let existed = matches!(
            self,
            Self::Api {
                verb: "status" | "finalizers" | "delete",
                ..
            }
        );
        self.is_conflict() || (existed && self.status().is_some_and(|s| s.code == 404))
    }

    /// One word for the metric.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NotLeader => "not_leader",
            Self::Timeout { .. } => "timeout",
            Self::Api {
                source: kube::Error::Api(s),
                ..
            } => match s.code {
                409 => "conflict",
                403 => "forbidden",
                404 => "not_found",
                422 => "invalid",
                429 => "throttled",
                _ => "api",
            },
            Self::Api { .. } => "transport",
        }
    }
}

/// Writes, as the leader.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leader: Leader,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// A writer for `leader`.
    #[must_use]
    pub const fn new(client: Client, leader: Leader, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            leader,
            metrics,
        }
    }

    /// Reads an object as it is now.
    pub async fn get<K>(&self, namespace: Option<&str>, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let target = Target::new::<K>(namespace, name);
        let found = bounded("get", &target, target.api(&self.client).get_opt(name)).await?;
        let parse = |object: DynamicObject| serde_json::to_value(object).and_then(serde_json::from_value);
        found
            .map(parse)
            .transpose()
            .map_err(|e| api("get", &target, kube::Error::SerdeError(e)))
    }

    /// Reads an object of any kind as it is now.
    pub async fn get_any(&self, target: &Target) -> Result<Option<Value>, Error> {
        let found = bounded("get", target, target.api(&self.client).get_opt(&target.name)).await?;
        let value = found.map(serde_json::to_value).transpose();
        value.map_err(|e| api("get", target, kube::Error::SerdeError(e)))
    }

    /// Reads all objects of a namespace whose fields are as `selector` says, as they are now, in pages of bounded size.
    pub async fn list<K>(&self, namespace: &str, selector: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.pages(&Target::new::<K>(Some(namespace), ""), selector).await
    }

    /// Reads all objects of a kind that lies in no namespace, as they are now, in pages of bounded size.
    pub async fn list_cluster<K>(&self) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.pages(&Target::new::<K>(None, ""), "").await
    }

    async fn pages<K>(&self, target: &Target, selector: &str) -> Result<Vec<K>, Error>
    where
        K: DeserializeOwned,
    {
        let handle = target.api(&self.client);
        let mut params = ListParams::default().fields(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = bounded("list", target, handle.list(&params)).await?;
            for object in page.items {
                let parsed = serde_json::to_value(object).and_then(serde_json::from_value);
                all.push(parsed.map_err(|e| api("list", target, kube::Error::SerdeError(e)))?);
            }
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => params = params.continue_token(&more),
                None => return Ok(all),
            }
        }
    }

    /// Applies `built`.
    pub async fn apply(&self, manager: FieldManager, built: &Built) -> Result<(), Error> {
        let (handle, params) = (
            built.target.api(&self.client),
            PatchParams::apply(manager.0).force(),
        );
        let patch = Patch::Apply(&built.body);
        self.write(
            "apply",
            &built.target,
            handle.patch(&built.target.name, &params, &patch),
        )
        .await
        .map(drop)
    }

    /// Creates `built`, once: its name is the lock.
    pub async fn create(&self, manager: FieldManager, built: &Built) -> Result<Created, Error> {
        let handle = built.target.api(&self.client);
        let params = PostParams {
            field_manager: Some(manager.0.to_owned()),
            ..PostParams::default()
        };
        let object: DynamicObject = serde_json::from_value(built.body.clone())
            .map_err(|e| api("create", &built.target, kube::Error::SerdeError(e)))?;
        match self
            .write("create", &built.target, handle.create(&params, &object))
            .await
        {
            Ok(made) => Ok(Created::New(Box::new(made))),
            Err(error) if error.status().is_some_and(kube::core::Status::is_already_exists) => {
                Ok(Created::Exists)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes the object of that UID; one that is gone, or whose name another has now, is deleted already.
    pub async fn delete(&self, target: &Target, uid: &str) -> Result<(), Error> {
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        let params = DeleteParams::background().preconditions(preconditions);
        match self
            .write(
                "delete",
                target,
                target.api(&self.client).delete(&target.name, &params),
            )
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.lost_race() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Applies a status to the version that it was decided from.
    pub async fn status(&self, manager: FieldManager, write: &StatusWrite) -> Result<(), Error> {
        let mut body = write
            .target
            .header(Some(&write.uid), Some(&write.resource_version));
        if let Some(map) = body.as_object_mut() {
            map.insert("status".to_owned(), write.status.clone());
        }
        let (handle, params) = (
            write.target.api(&self.client),
            PatchParams::apply(manager.0).force(),
        );
        let patch = Patch::Apply(&body);
        self.write(
            "status",
            &write.target,
            handle.patch_status(&write.target.name, &params, &patch),
        )
        .await
        .map(drop)
    }

    /// Makes `finalizers` those that `manager` holds on the object of that UID; others' stay.
    pub async fn finalizers(
        &self,
        manager: FieldManager,
        target: &Target,
        uid: &str,
        finalizers: &[&str],
    ) -> Result<(), Error> {
        let mut body = target.header(Some(uid), None);
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut)
            && !finalizers.is_empty()
        {
            metadata.insert("finalizers".to_owned(), json!(finalizers));
        }
        let (handle, params) = (target.api(&self.client), PatchParams::apply(manager.0).force());
        let patch = Patch::Apply(&body);
        self.write("finalizers", target, handle.patch(&target.name, &params, &patch))
            .await
            .map(drop)
    }

    /// Fails unless this process leads; asked before an effect outside the cluster.
    pub fn check_leader(&self) -> Result<(), Error> {
        if self.leader.is_current() {
            Ok(())
        } else {
            Err(Error::NotLeader)
        }
    }

    async fn write<T>(
        &self,
        verb: &'static str,
        target: &Target,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        self.check_leader()?;
        let result = bounded(verb, target, call).await;
        self.metrics
            .wrote(verb, result.as_ref().map_or_else(Error::category, |_| "ok"));
        result
    }
}

async fn bounded<T>(
    verb: &'static str,
    target: &Target,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|source| api(verb, target, source)),
        Err(_) => Err(Error::Timeout {
            verb,
            target: target.to_string(),
        }),
    }
}

fn api(verb: &'static str, target: &Target, source: kube::Error) -> Error {
    Error::Api {
        verb,
        target: target.to_string(),
        source,
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
