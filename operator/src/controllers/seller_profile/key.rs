//! The Secret with the seller's keys. Nothing of it passes through a plan, because plans can be printed.

use crate::context::{Context, Error};
use crate::seller::entry;
use aws_lc_rs::rand;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use std::collections::BTreeMap;
use trustbridge_api::labels;
use trustbridge_api::seller_profile::SigningKeyRef;
use trustbridge_kit::apply::{Built, FieldManager};

/// Bytes of an Ed25519 seed (RFC 8032).
const SEED_BYTES: usize = 32;

/// Whether the Secret has an entry of that generation, usable or not.
pub(super) fn is_there(secret: Option<&Secret>, generation: u32) -> bool {
    let data = secret.and_then(|s| s.data.as_ref());
    data.is_some_and(|data| data.contains_key(&entry(generation)))
}

/// A new seed; `None`: the system gave no random bytes.
pub(super) fn seed() -> Option<[u8; SEED_BYTES]> {
    let mut seed = [0_u8; SEED_BYTES];
    rand::fill(&mut seed).ok().map(|()| seed)
}

/// Writes the key of the generation: a Secret of its own, or an entry more of the very Secret that was read.
pub(super) async fn write(
    ctx: &Context,
    found: Option<&Secret>,
    wanted: &SigningKeyRef,
    seed: &[u8],
) -> Result<(), Error> {
    let built = Built::of(&with_entry(found, wanted, &ctx.settings.namespace, seed));
    match found {
        None => ctx
            .writer
            .create(FieldManager::SELLER_KEY, &built)
            .await
            .map(drop)?,
        Some(_) => ctx.writer.apply(FieldManager::SELLER_KEY, &built).await?,
    }
    Ok(())
}

/// The Secret with what it has and the new entry; at the version that was read, so that of two writers one is first.
fn with_entry(found: Option<&Secret>, wanted: &SigningKeyRef, namespace: &str, seed: &[u8]) -> Secret {
    let mut data: BTreeMap<String, ByteString> = found.and_then(|s| s.data.clone()).unwrap_or_default();
    data.insert(entry(wanted.generation), ByteString(seed.to_vec()));
    let label = (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned());
    Secret {
        metadata: ObjectMeta {
            name: Some(wanted.name.clone()),
            namespace: Some(namespace.to_owned()),
            uid: found.and_then(ResourceExt::uid),
            resource_version: found.and_then(ResourceExt::resource_version),
            labels: Some(BTreeMap::from([label])),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_takes_nothing_away_and_writes_over_what_was_read_alone() {
        let first = with_entry(None, &SigningKeyRef::default(), "ns", &[1; SEED_BYTES]);
        assert!(is_there(Some(&first), 1) && !is_there(Some(&first), 2) && !is_there(None, 1));
        let mut read = first.clone();
        read.metadata.resource_version = Some("9".to_owned());
        read.metadata.uid = Some("u".to_owned());
        let second = SigningKeyRef {
            generation: 2,
            ..SigningKeyRef::default()
        };
        let both = with_entry(Some(&read), &second, "ns", &[2; SEED_BYTES]);
        assert!(is_there(Some(&both), 1) && is_there(Some(&both), 2));
        assert_eq!(both.metadata.resource_version.as_deref(), Some("9"));
        assert_eq!(both.metadata.uid.as_deref(), Some("u"));
    }
}
