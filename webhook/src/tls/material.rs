//! The certificates with their keys, and how they lie in a Secret. No `Debug`: keys are never printed.

use super::Error;
use super::validity::Validity;
use k8s_openapi::ByteString;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;

const LEAF_CERT: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";
const AUTHORITY_CERT: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const PREVIOUS_CERT: &str = "previous-ca.crt";
const VALIDITY: &str = "validity.json";

/// An authority and a leaf, PEM.
#[derive(Clone)]
pub(crate) struct Material {
    /// Certificate of the authority.
    pub(crate) authority_cert: String,
    /// Its key.
    pub(crate) authority_key: String,
    /// Certificate of the authority before it.
    pub(crate) previous_cert: Option<String>,
    /// Certificate of the leaf.
    pub(crate) leaf_cert: String,
    /// Its key.
    pub(crate) leaf_key: String,
    /// When each of them is good.
    pub(crate) validity: Validity,
}

impl Material {
    /// The authorities to trust at `now`, newest first: `caBundle`.
    pub(crate) fn bundle(&self, now: jiff::Timestamp) -> String {
        let mut bundle = self.authority_cert.trim_end().to_owned();
        bundle.push('\n');
        let previous_lives = self
            .validity
            .previous
            .is_some_and(|w| !w.is_over(now.as_second()));
        if let Some(previous) = self.previous_cert.as_ref().filter(|_| previous_lives) {
            bundle.push_str(previous.trim_end());
            bundle.push('\n');
        }
        bundle
    }

    /// The leaf as the TLS library serves it.
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, Error> {
        certified(&self.leaf_cert, &self.leaf_key)
    }

    /// As data of a Secret.
    pub(crate) fn to_data(&self) -> BTreeMap<String, ByteString> {
        let validity = serde_json::to_string(&self.validity).unwrap_or_default();
        let mut data = BTreeMap::new();
        let mut put =
            |key: &str, text: &str| data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        put(LEAF_CERT, &self.leaf_cert);
        put(LEAF_KEY, &self.leaf_key);
        put(AUTHORITY_CERT, &self.authority_cert);
        put(AUTHORITY_KEY, &self.authority_key);
        put(VALIDITY, &validity);
        if let Some(previous) = &self.previous_cert {
            put(PREVIOUS_CERT, previous);
        }
        data
    }

    /// From data of a Secret; `None` if it holds no certificates of ours that belong together.
    pub(crate) fn from_data(data: &BTreeMap<String, ByteString>) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        let material = Self {
            authority_cert: text(AUTHORITY_CERT)?,
            authority_key: text(AUTHORITY_KEY)?,
            previous_cert: text(PREVIOUS_CERT),
            leaf_cert: text(LEAF_CERT)?,
            leaf_key: text(LEAF_KEY)?,
            validity: serde_json::from_str(&text(VALIDITY)?).ok()?,
        };
        material.certified_key().is_ok().then_some(material)
    }
}

/// A certificate with the chain behind it and its key, PEM, as the TLS library serves them; they must fit together.
pub(crate) fn certified(chain: &str, key: &str) -> Result<CertifiedKey, Error> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}
