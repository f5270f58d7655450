//! The two organisations, and the pod that the injector makes.

use super::{ASSET, Ask, Gate, TUNEPOD, Who};
use crate::examples::example;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;
use trustbridge_e2e::install::NAMESPACE;

impl Gate {
    /// A pod as the injector makes it, moved to the namespace that the webhooks leave out.
    pub(super) async fn injected(&self) -> Result<Value> {
        let ask = Ask {
            who: Who::Operator,
            method: "POST",
            path: Self::tried(&self.protected()),
            body: Self::pod(&self.protected(), "whole"),
        };
        let answer = self.ask(&ask).await?;
        let answer = answer.map_err(|refusal| {
            anyhow::anyhow!("a pod at once after the installation: {}", refusal.message)
        })?;
        let mut pod = Self::pod(&self.bare(), "whole");
        pod["spec"] = answer["spec"].clone();
        let mark = "trustbridge.io/injected-spec-sha256";
        pod["metadata"]["annotations"][mark] = answer["metadata"]["annotations"][mark].clone();
        Ok(pod)
    }

    /// The namespaces as the operator makes them, and a TunePod.
    pub async fn organisation(&self, org: &str) -> Result<()> {
        for (name, is_protected) in [
            (format!("tb-{org}"), false),
            (format!("tb-{org}-protected"), true),
        ] {
            let labels = json!({"trustbridge.io/org": org, "trustbridge.io/protected": is_protected.to_string(),
                "pod-security.kubernetes.io/enforce": "restricted"});
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
            self.made("/api/v1/namespaces", &namespace).await?;
            self.until_account(&name).await?;
        }
        // Of the operator's own rights those in the protected namespace are made by itself alone, and are not needed here.
        let rights = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "trustbridge-operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "trustbridge-operator-organisation"},
            "subjects": [{"kind": "ServiceAccount", "name": "trustbridge-operator", "namespace": NAMESPACE}]});
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/tb-{org}/rolebindings");
        self.made(&path, &rights).await?;
        let mut tunepod = example("TunePod", TUNEPOD);
        *tunepod
            .pointer_mut("/spec/modelAssetRef/name")
            .context("a spec")? = ASSET.into();
        let path = format!("/apis/trustbridge.io/v1alpha1/namespaces/tb-{org}/tunepods");
        self.made(&path, &tunepod).await.map(drop)
    }

    /// Pods need the default account, which a controller makes.
    async fn until_account(&self, namespace: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        for _ in 0..100 {
            if self.read(&path).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("{namespace} has no default account after 10 s")
    }

    /// Tells every webhook to leave the second organisation out.
    pub async fn leave_out_bare(&self) -> Result<()> {
        for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}/trustbridge");
            let mut webhooks = self.read(&path).await?;
            let webhooks = webhooks.pointer_mut("/webhooks").context("webhooks")?.take();
            let Value::Array(mut webhooks) = webhooks else {
                anyhow::bail!("{path} has no webhooks")
            };
            for webhook in &mut webhooks {
                let selector = webhook
                    .as_object_mut()
                    .context("a webhook")?
                    .entry("namespaceSelector")
                    .or_insert(json!({}));
                let rule = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [self.bare()]});
                let rules = selector.get_mut("matchExpressions");
                if let Some(rules) = rules.and_then(Value::as_array_mut) {
                    rules.push(rule);
                } else {
                    let fields = selector.as_object_mut().context("a selector")?;
                    fields.insert("matchExpressions".to_owned(), json!([rule]));
                }
            }
            let ask = Ask {
                who: Who::Admin,
                method: "PATCH",
                path,
                body: json!({"webhooks": webhooks}),
            };
            self.ask(&ask)
                .await?
                .map_err(|refusal| anyhow::anyhow!("{}", refusal.message))?;
        }
        // Until the API server goes by it: an unguarded pod is then refused by the policy and not by the webhook.
        let mut pod = Self::pod(&self.bare(), "probe");
        *pod.pointer_mut("/spec/containers/0/readinessProbe")
            .context("a probe")? = json!({"grpc": {"port": 1}});
        let ask = Ask {
            who: Who::Operator,
            method: "POST",
            path: Self::tried(&self.bare()),
            body: pod,
        };
        for _ in 0..100 {
            if let Err(refusal) = self.ask(&ask).await?
                && refusal
                    .message
                    .contains("ValidatingAdmissionPolicy 'trustbridge-guarded-pods'")
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!(
            "the policies do not refuse an unguarded pod in {} after 10 s",
            self.bare()
        )
    }
}
