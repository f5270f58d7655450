//! SellerProfile: the key that signs quotes and invoices, made on first use and published.
//!
//! ```text
//! no Secret, or no entry `key-<generation>` --> made (32 random bytes) --> published in `status.keys` --> signs
//! `signingKeyRef.generation` raised         --> the same again; the key before gets its `until` and stays published
//! ```
//!
//! What was published is remembered twice: in `status.keys`, and in an annotation of the Secret (module `history`), which
//! is written first. So a profile that is made again knows every key that ever signed: what they signed stays
//! checkable, and a key that was retired never signs again.
//!
//! The key is made before it is published and published before it signs: a crash in between leaves a Secret that is
//! found and published next time. An entry that is there is never written over.

mod decide;
mod history;
mod key;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use crate::seller::{Signer, signer};
use history::History;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use trustbridge_api::SellerProfile;
use trustbridge_api::seller_profile::NAME;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
pub(crate) struct Observed {
    pub(crate) profile: SellerProfile,
    pub(crate) key: Key,
    /// What the key's Secret remembers.
    pub(crate) history: History,
}

/// The key of the generation that the profile asks for.
#[derive(Debug)]
pub(crate) enum Key {
    /// Nobody asked: the profile is not the one that counts.
    NotOurs,
    /// It is there.
    Usable(Signer),
    /// There is an entry, and it is no key.
    Broken,
    /// The API server does not let us read or make it; its words.
    Refused(String),
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let controller = Controller::new("SellerProfile", Api::all(ctx.client.clone()), ctx.shared.clone());
    controller.run(reconcile, ctx, shutdown).await;
}

pub(crate) async fn reconcile(profile: Arc<SellerProfile>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(profile) = ctx.writer.get::<SellerProfile>(None, &profile.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let key = if profile.name_any() == NAME {
        let found = observe_key(&ctx, &profile).await;
        found.or_else(|error| refusal(error).map(|words| (Key::Refused(words), History::default())))?
    } else {
        (Key::NotOurs, History::default())
    };
    let (key, history) = key;
    let seen = Observed {
        profile,
        key,
        history,
    };
    let plan = decide::decide(&seen, ctx.now());
    execute::act(&ctx, &plan).await?;
    execute::settle(
        &ctx,
        FieldManager::SELLER_PROFILE_STATUS,
        &seen.profile,
        seen.profile.status.as_ref(),
        &plan,
    )
    .await
}

/// The key as it is, made where there is none.
async fn observe_key(ctx: &Context, profile: &SellerProfile) -> Result<(Key, History), Error> {
    let wanted = &profile.spec.signing_key_ref;
    let place = Some(ctx.settings.namespace.as_str());
    let mut secret: Option<Secret> = ctx.writer.get(place, &wanted.name).await?;
    if !key::is_there(secret.as_ref(), wanted.generation) {
        let Some(seed) = key::seed() else {
            let words = "the system gave no random bytes".to_owned();
            return Ok((Key::Refused(words), History::default()));
        };
        key::write(ctx, secret.as_ref(), wanted, &seed).await?;
        secret = ctx.writer.get(place, &wanted.name).await?;
    }
    let found = secret.as_ref().and_then(|s| signer(s, wanted.generation));
    let history = secret.as_ref().map(History::read).unwrap_or_default();
    Ok((found.map_or(Key::Broken, Key::Usable), history))
}

/// The words of a refusal that waiting alone does not cure; anything else stays an error.
fn refusal(error: Error) -> Result<String, Error> {
    let status = match &error {
        Error::Api(api) => api.status(),
        _ => None,
    };
    match status {
        Some(status) if matches!(status.code, 403 | 422) => Ok(status.message.clone()),
        _ => Err(error),
    }
}
