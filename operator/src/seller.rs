//! The seller as quotes and invoices see it: what was decided, and the key that signs.
//!
//! A key signs only after its public half was published in the SellerProfile's status, so that whoever reads a signature
//! can check it. The private half is a Secret of the operator's namespace, 32 bytes for each generation, and is in no
//! log, error, event, status or `Debug`.

use crate::context::{Context, Error};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use trustbridge_api::condition::ConditionType;
use trustbridge_api::seller_profile::{NAME, PublishedKey, Signature};
use trustbridge_api::{SellerProfile, SellerProfileSpec};
use trustbridge_kit::conditions::find;

/// Hex digits of a key's id.
const ID_DIGITS: usize = 16;

/// A key of the seller.
#[derive(Clone)]
pub struct Signer {
    key_id: String,
    public_key: String,
    pair: Arc<Ed25519KeyPair>,
}

impl Signer {
    /// The key of this seed; `None`: it is not 32 bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref();
        let mut key_id = HEXLOWER.encode(&Sha256::digest(public));
        key_id.truncate(ID_DIGITS);
        Some(Self {
            key_id,
            public_key: HEXLOWER.encode(public),
            pair: Arc::new(pair),
        })
    }

    /// First 16 hex digits of SHA-256 of the public key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key, lower-case hex.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Signs `text`, see [`trustbridge_domain::canonical::signed_text`].
    #[must_use]
    pub fn sign(&self, text: &str) -> Signature {
        Signature {
            key_id: self.key_id.clone(),
            algorithm: "Ed25519".to_owned(),
            value: HEXLOWER.encode(self.pair.sign(text.as_bytes()).as_ref()),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key_id)
    }
}

/// The seller, ready to quote.
#[derive(Clone, Debug)]
pub struct Seller {
    /// What was decided.
    pub profile: SellerProfileSpec,
    /// The published key.
    pub signer: Signer,
}

/// The seller, or in words why nothing can be signed yet.
pub async fn observe(ctx: &Context) -> Result<Result<Seller, String>, Error> {
    let Some(profile) = ctx.writer.get::<SellerProfile>(None, NAME).await? else {
        return Ok(Err(format!(
            "SellerProfile '{NAME}' does not exist; the seller creates it (the chart's value `seller`)"
        )));
    };
    let key = match published(&profile) {
        Ok(key) => key.clone(),
        Err(why) => return Ok(Err(why)),
    };
    let secret: Option<Secret> = ctx
        .writer
        .get(Some(&ctx.settings.namespace), &profile.spec.signing_key_ref.name)
        .await?;
    let signer = secret.as_ref().and_then(|s| signer(s, key.generation));
    // Another key under the generation that was published would sign what nobody can check.
    let Some(signer) = signer.filter(|s| s.key_id == key.key_id) else {
        return Ok(Err(format!(
            "Secret '{}' does not hold the published key {} any more; restore it, or raise `spec.signingKeyRef.generation` of the SellerProfile",
            profile.spec.signing_key_ref.name, key.key_id
        )));
    };
    Ok(Ok(Seller {
        profile: profile.spec,
        signer,
    }))
}

/// The entry of a Secret that holds the key of `generation`.
#[must_use]
pub fn entry(generation: u32) -> String {
    format!("key-{generation}")
}

/// The key of `generation`; `None`: it is missing, or not 32 bytes.
#[must_use]
pub fn signer(secret: &Secret, generation: u32) -> Option<Signer> {
    let seed = secret.data.as_ref()?.get(&entry(generation))?;
    Signer::from_seed(&seed.0)
}

/// The key that signs now, of a profile that is Ready as it stands.
fn published(profile: &SellerProfile) -> Result<&PublishedKey, String> {
    let status = profile.status.as_ref();
    let ready = status.and_then(|s| find(&s.conditions, ConditionType::Ready));
    let is_current = ready.is_some_and(|c| c.observed_generation == profile.metadata.generation);
    let Some(condition) = ready.filter(|_| is_current) else {
        return Err(format!("SellerProfile '{NAME}' is being looked at"));
    };
    if condition.status != "True" {
        return Err(format!(
            "SellerProfile '{NAME}' is not Ready: {}",
            condition.message
        ));
    }
    let keys = status.map(|s| s.keys.as_slice()).unwrap_or_default();
    let key = keys.iter().rev().find(|key| key.until.is_none());
    key.ok_or_else(|| format!("SellerProfile '{NAME}' has published no key yet"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use trustbridge_domain::canonical::signed_text;

    /// A seller of defaults with a key that no other test knows.
    pub(crate) fn seller() -> Seller {
        Seller {
            profile: SellerProfileSpec::default(),
            signer: Signer::from_seed(&[7; 32]).unwrap(),
        }
    }

    #[test]
    fn what_is_signed_can_be_checked_with_what_is_published() {
        let signer = seller().signer;
        let text = signed_text("quote", &"d".repeat(64));
        let signature = signer.sign(&text);
        let public = HEXLOWER.decode(signer.public_key().as_bytes()).unwrap();
        let value = HEXLOWER.decode(signature.value.as_bytes()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(text.as_bytes(), &value).unwrap();
        let other = signed_text("invoice", &"d".repeat(64));
        assert!(key.verify(other.as_bytes(), &value).is_err());
        assert_eq!(
            (signature.key_id.len(), signature.key_id.as_str()),
            (16, signer.key_id())
        );
    }

    #[test]
    fn a_key_that_is_not_32_bytes_is_none_and_no_seed_is_printed() {
        assert!(Signer::from_seed(&[7; 31]).is_none());
        let said = format!("{:?}", seller());
        assert!(!said.contains("0707") && !said.contains("7, 7"), "{said}");
    }
}
