//! The `caBundle` in the webhook configurations, by server-side apply under a field manager of its own: the
//! chart owns everything else and an upgrade of it takes nothing away.

use super::Error;
use super::store::bounded;
use data_encoding::BASE64;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Field manager of `clientConfig.caBundle`.
pub(crate) const FIELD_MANAGER: &str = "trustbridge-webhook/ca-bundle";

/// The two configurations.
pub(crate) struct Publisher {
    mutating: Api<MutatingWebhookConfiguration>,
    validating: Api<ValidatingWebhookConfiguration>,
    name: String,
}

/// Name of a webhook and the bundle that it has.
pub(crate) type Published = (String, Option<Vec<u8>>);

impl Publisher {
    /// The configurations called `name`.
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        Self {
            mutating: Api::all(client.clone()),
            validating: Api::all(client.clone()),
            name: name.to_owned(),
        }
    }

    /// Sees to it that every webhook of both has `bundle`; writes only where it differs.
    pub(crate) async fn publish(&self, bundle: &str) -> Result<(), Error> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let (mutating, validating) = self.published().await?;
        if let Some(patch) = self.wanted("MutatingWebhookConfiguration", &mutating, bundle)? {
            bounded(
                "caBundle",
                self.mutating.patch(&self.name, &params, &Patch::Apply(patch)),
            )
            .await?;
            tracing::info!(
                configuration = self.name,
                "caBundle of the mutating webhooks written"
            );
        }
        if let Some(patch) = self.wanted("ValidatingWebhookConfiguration", &validating, bundle)? {
            bounded(
                "caBundle",
                self.validating.patch(&self.name, &params, &Patch::Apply(patch)),
            )
            .await?;
            tracing::info!(
                configuration = self.name,
                "caBundle of the validating webhooks written"
            );
        }
        Ok(())
    }

    /// What each webhook of the mutating and of the validating configuration has.
    pub(crate) async fn published(&self) -> Result<(Vec<Published>, Vec<Published>), Error> {
        let mutating = bounded("the MutatingWebhookConfiguration", self.mutating.get(&self.name)).await?;
        let validating = bounded(
            "the ValidatingWebhookConfiguration",
            self.validating.get(&self.name),
        )
        .await?;
        let mutating = mutating.webhooks.into_iter().flatten();
        let validating = validating.webhooks.into_iter().flatten();
        Ok((
            mutating
                .map(|w| (w.name, w.client_config.ca_bundle.map(|b| b.0)))
                .collect(),
            validating
                .map(|w| (w.name, w.client_config.ca_bundle.map(|b| b.0)))
                .collect(),
        ))
    }

    fn wanted(&self, kind: &str, held: &[Published], bundle: &str) -> Result<Option<Value>, Error> {
        if held.is_empty() {
            return Err(Error::NothingToPublish(format!("{kind} '{}'", self.name)));
        }
        if held
            .iter()
            .all(|(_, has)| has.as_deref() == Some(bundle.as_bytes()))
        {
            return Ok(None);
        }
        let encoded = BASE64.encode(bundle.as_bytes());
        let webhooks: Vec<Value> = held
            .iter()
            .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": encoded}}))
            .collect();
        Ok(Some(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name},
            "webhooks": webhooks,
        })))
    }
}
