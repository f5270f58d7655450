//! `trustbridge-webhook check`: what `helm test` runs. Are the kinds served, and does the webhook answer by its
//! Service's name to somebody who trusts the published `caBundle` alone?

use crate::tls::publish::Publisher;
use crate::tls::rotation;
use anyhow::{Context, bail};
use kube::Client;
use std::time::Duration;
use trustbridge_api::{GROUP, VERSION};

const DEADLINE: Duration = Duration::from_secs(10);
const GROUP_VERSION: &str = "trustbridge.io/v1alpha1";

/// Prints one line for each check; fails at the first that does not hold.
pub(crate) async fn run(
    client: Client,
    configuration: &str,
    service: &str,
    namespace: &str,
) -> anyhow::Result<()> {
    kinds(&client).await?;
    let (mutating, validating) = Publisher::new(&client, configuration).published().await?;
    let mut bundles = mutating.into_iter().chain(validating);
    let Some((_, Some(bundle))) = bundles.next() else {
        bail!(
            "webhook configuration '{configuration}' has no caBundle yet; see the log of deployment '{service}'"
        )
    };
    if let Some((name, _)) = bundles.find(|(_, other)| other.as_deref() != Some(&bundle)) {
        bail!("webhook '{name}' has another caBundle; see the log of deployment '{service}'");
    }
    println!("ok: every webhook of '{configuration}' has the caBundle");
    let address = format!("https://{service}.{namespace}.svc");
    rotation::call(&address, None, &bundle, "/healthz")
        .await
        .context("the webhook's Service")?;
    println!("ok: {address} answers with a certificate of that authority");
    refusal(&address, &bundle).await
}

async fn kinds(client: &Client) -> anyhow::Result<()> {
    let asked = client.list_api_group_resources(GROUP_VERSION);
    let served = tokio::time::timeout(DEADLINE, asked)
        .await
        .context("the API server did not answer in time")?
        .context("the group is not served; install the chart `trustbridge-crds`")?;
    let plurals = trustbridge_api::plurals();
    for plural in &plurals {
        if !served.resources.iter().any(|r| r.name == *plural) {
            bail!("'{plural}.{GROUP}' is not served; install or upgrade the chart `trustbridge-crds`");
        }
    }
    println!("ok: {GROUP}/{VERSION} serves {}", plurals.join(", "));
    Ok(())
}

/// The positive control: a pod that must be refused is.
async fn refusal(address: &str, bundle: &[u8]) -> anyhow::Result<()> {
    let review = serde_json::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "check", "operation": "CREATE", "namespace": "default",
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "userInfo": {"username": "check"},
        "object": {"metadata": {"labels": {"trustbridge.io/inject": "true"}},
            "spec": {"hostNetwork": true, "containers": [{"name": "runtime", "image": "none"}]}}}});
    let answer = rotation::request(address, None, bundle, "/mutate", Some(review.to_string())).await?;
    if !answer.contains("spec.hostNetwork") || !answer.contains("\"allowed\":false") {
        bail!("the webhook let a pod with hostNetwork through: {answer}");
    }
    println!("ok: a pod with hostNetwork is refused");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_is_asked_for() {
        let defined = trustbridge_api::crds();
        let names: Vec<&str> = defined.iter().map(|crd| crd.spec.names.plural.as_str()).collect();
        assert_eq!(trustbridge_api::plurals(), names);
    }
}
