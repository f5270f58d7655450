//! A namespace of our own on the API server, with the operator held back.

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Client, discovery::ApiResource};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use trustbridge_api::crds;
use trustbridge_e2e::campaign::operator::scale;
use trustbridge_e2e::install;
use trustbridge_e2e::world::World;

/// The API server, for these tests.
pub struct Lab {
    client: Client,
    namespace: String,
    paused: Option<usize>,
    world: World,
    next: AtomicU32,
}

/// What the server said: the object, or its refusal.
pub type Answer = Result<Value, Box<Status>>;

impl Lab {
    /// Installs the CRDs from their chart and makes a namespace.
    pub async fn open(world: &World) -> Result<Self> {
        install::crds(world).await?;
        let client = world.client().await?;
        let namespace = format!("t1-{}", std::process::id());
        let api: Api<Namespace> = Api::all(client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        api.create(&PostParams::default(), &object).await?;
        let paused = pause_operator(world, &client).await?;
        Ok(Self {
            client,
            namespace,
            paused,
            world: world.clone(),
            next: AtomicU32::new(0),
        })
    }

    /// Takes away what was made, and lets the operator run again.
    pub async fn close(&self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.delete(&self.namespace, &DeleteParams::default()).await?;
        if let Some(replicas) = self.paused {
            scale(&self.world, replicas).await?;
        }
        Ok(())
    }

    /// A name that no other test uses.
    pub fn fresh_name(&self) -> String {
        format!(
            "t1-{}-{}",
            std::process::id(),
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// A create that changes nothing.
    pub async fn try_create(&self, kind: &str, object: &Value) -> Result<Answer> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        answer(self.api(kind)?.create(&params, &self.prepared(object)?).await)
    }

    /// A create that stays.
    pub async fn create(&self, kind: &str, object: &Value) -> Result<Value> {
        let made = self
            .api(kind)?
            .create(&PostParams::default(), &self.prepared(object)?)
            .await?;
        Ok(serde_json::to_value(made)?)
    }

    /// A merge patch of the object or its status that changes nothing.
    pub async fn try_patch(&self, kind: &str, name: &str, patch: &Value) -> Result<Answer> {
        self.patched(kind, name, patch, true).await
    }

    /// A merge patch of the object or its status that stays.
    pub async fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<Value> {
        self.patched(kind, name, patch, false)
            .await?
            .map_err(|refusal| anyhow::anyhow!("{}", refusal.message))
    }

    /// A server-side apply that stays.
    pub async fn apply(&self, kind: &str, object: &Value) -> Result<Value> {
        let object = self.prepared(object)?;
        let name = object.metadata.name.clone().context("the object needs a name")?;
        let params = PatchParams::apply("t1");
        Ok(serde_json::to_value(
            self.api(kind)?
                .patch(&name, &params, &Patch::Apply(&object))
                .await?,
        )?)
    }

    /// Deletes an object that a test made.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.api(kind)?.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    async fn patched(&self, kind: &str, name: &str, patch: &Value, dry_run: bool) -> Result<Answer> {
        let params = PatchParams {
            dry_run,
            ..PatchParams::default()
        };
        let api = self.api(kind)?;
        answer(match patch.get("status") {
            Some(_) => api.patch_status(name, &params, &Patch::Merge(patch)).await,
            None => api.patch(name, &params, &Patch::Merge(patch)).await,
        })
    }

    /// The object in our namespace.
    fn prepared(&self, object: &Value) -> Result<DynamicObject> {
        let mut object: DynamicObject = serde_json::from_value(object.clone())?;
        let kind = object
            .types
            .as_ref()
            .map(|types| types.kind.clone())
            .context("the object has no kind")?;
        object.metadata.namespace = namespaced(&kind)?.then(|| self.namespace.clone());
        Ok(object)
    }

    fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        let crd = crds()
            .into_iter()
            .find(|crd| crd.spec.names.kind == kind)
            .with_context(|| format!("no kind {kind}"))?;
        let resource = ApiResource {
            group: trustbridge_api::GROUP.to_owned(),
            version: trustbridge_api::VERSION.to_owned(),
            api_version: format!("{}/{}", trustbridge_api::GROUP, trustbridge_api::VERSION),
            kind: kind.to_owned(),
            plural: crd.spec.names.plural,
        };
        let client = self.client.clone();
        Ok(if namespaced(kind)? {
            Api::namespaced_with(client, &self.namespace, &resource)
        } else {
            Api::all_with(client, &resource)
        })
    }
}

fn namespaced(kind: &str) -> Result<bool> {
    let crd = crds()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .with_context(|| format!("no kind {kind}"))?;
    Ok(crd.spec.scope == "Namespaced")
}

fn answer(result: kube::Result<DynamicObject>) -> Result<Answer> {
    match result {
        Ok(object) => Ok(Ok(serde_json::to_value(object)?)),
        Err(kube::Error::Api(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}

/// An operator that runs would write status between our writes. Answers its replicas, when there is one.
async fn pause_operator(world: &World, client: &Client) -> Result<Option<usize>> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), install::NAMESPACE);
    let Some(deployment) = api.get_opt(install::OPERATOR).await? else {
        return Ok(None);
    };
    let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
    scale(world, 0).await?;
    Ok(Some(usize::try_from(replicas)?))
}
