//! The node that a pool brings.

#[cfg(test)]
mod tests;

use anyhow::Context;
use k8s_openapi::api::core::v1::{Node as KubeNode, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Duration;
use trustbridge_azure::arm::AgentPool;

const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// One node of a real cluster that joins pools and leaves them.
#[derive(Clone)]
pub struct Node {
    client: Client,
    name: String,
}

impl Node {
    /// Prepares a client; the API server need not answer yet.
    pub async fn connect(kubeconfig: &Path, name: String) -> anyhow::Result<Self> {
        let what = || format!("--kubeconfig {}", kubeconfig.display());
        let file = Kubeconfig::read_from(kubeconfig).with_context(what)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        Ok(Self {
            client: Client::try_from(config.with_context(what)?).with_context(what)?,
            name,
        })
    }

    /// Gives the node the labels of the pool.
    pub(super) async fn join(&self, pool: &AgentPool) -> anyhow::Result<()> {
        self.label(
            labels(pool)
                .into_iter()
                .map(|(key, value)| (key, json!(value)))
                .collect(),
        )
        .await
    }

    /// Takes the pool's labels from the node, if it still has them, and deletes the pods that chose the pool.
    pub(super) async fn leave(&self, pool: &AgentPool) -> anyhow::Result<()> {
        let name = pool.name.as_deref().unwrap_or_default();
        let node = within(Api::<KubeNode>::all(self.client.clone()).get(&self.name)).await?;
        if node
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(POOL_LABEL))
            .is_some_and(|now| now == name)
        {
            self.label(
                labels(pool)
                    .into_iter()
                    .map(|(key, _)| (key, Value::Null))
                    .collect(),
            )
            .await?;
        }
        let on_node = ListParams::default().fields(&format!("spec.nodeName={}", self.name));
        for pod in within(Api::<Pod>::all(self.client.clone()).list(&on_node)).await? {
            let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
            if selector
                .and_then(|selector| selector.get(POOL_LABEL))
                .is_some_and(|chosen| chosen == name)
            {
                self.delete(&pod).await?;
            }
        }
        Ok(())
    }

    #[cfg(test)]
    fn at(url: &str, name: &str) -> Self {
        let config = Config::new(url.parse().unwrap());
        Self {
            client: Client::try_from(config).unwrap(),
            name: name.to_owned(),
        }
    }

    async fn delete(&self, pod: &Pod) -> anyhow::Result<()> {
        let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name) else {
            return Ok(());
        };
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        match within(pods.delete(name, &DeleteParams::default())).await {
            Ok(_) => Ok(()),
            Err(error) if error.downcast_ref().is_some_and(is_not_found) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn label(&self, labels: Map<String, Value>) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"labels": labels}});
        let nodes = Api::<KubeNode>::all(self.client.clone());
        let params = PatchParams {
            field_manager: Some("tb-double-arm".to_owned()),
            ..PatchParams::default()
        };
        within(nodes.patch(&self.name, &params, &Patch::Merge(patch)))
            .await
            .map(|_| ())
    }
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .context("the API server did not answer in time")??)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// The labels that AKS puts on a node of the pool, and the pool's own.
fn labels(pool: &AgentPool) -> Vec<(String, String)> {
    let name = pool.name.clone().unwrap_or_default();
    let mut labels = vec![
        (POOL_LABEL.to_owned(), name.clone()),
        ("agentpool".to_owned(), name),
        ("kubernetes.azure.com/accelerator".to_owned(), "nvidia".to_owned()),
    ];
    let size = pool.properties.vm_size.clone();
    labels.extend(size.map(|size| ("node.kubernetes.io/instance-type".to_owned(), size)));
    labels.extend(pool.properties.node_labels.clone());
    labels
}
