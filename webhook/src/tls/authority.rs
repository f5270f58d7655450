//! Making certificates.

use super::Error;
use super::material::Material;
use super::validity::{AUTHORITY_LIFE, LEAF_LIFE, Validity};
use jiff::Timestamp;
use trustbridge_issuer::{Authority, Leaf};

/// Common name of the authority.
const AUTHORITY: &str = "trustbridge-webhook-ca";
/// Common name of the leaf.
const LEAF: &str = "trustbridge-webhook";

/// A first authority and leaf.
pub(crate) fn found(now: Timestamp, dns_names: &[String]) -> Result<Material, Error> {
    let authority = Authority::found(AUTHORITY, now, AUTHORITY_LIFE)?;
    let leaf = authority.sign(LEAF, dns_names, now, LEAF_LIFE)?;
    let validity = Validity {
        authority: authority.window,
        previous: None,
        leaf: leaf.window,
        leaf_is_current: true,
        dns_names: dns_names.to_vec(),
    };
    Ok(Material {
        authority_cert: authority.cert,
        authority_key: authority.key,
        previous_cert: None,
        leaf_cert: leaf.cert,
        leaf_key: leaf.key,
        validity,
    })
}

/// The same with a new leaf.
pub(crate) fn with_new_leaf(old: &Material, now: Timestamp, dns_names: &[String]) -> Result<Material, Error> {
    let authority = Authority {
        cert: old.authority_cert.clone(),
        key: old.authority_key.clone(),
        window: old.validity.authority,
    };
    let Leaf { cert, key, window } = authority.sign(LEAF, dns_names, now, LEAF_LIFE)?;
    let validity = Validity {
        leaf: window,
        leaf_is_current: true,
        dns_names: dns_names.to_vec(),
        ..old.validity.clone()
    };
    Ok(Material {
        leaf_cert: cert,
        leaf_key: key,
        validity,
        ..old.clone()
    })
}

/// The same with a new authority; the old one stays in the bundle until it ends.
pub(crate) fn with_new_authority(old: &Material, now: Timestamp) -> Result<Material, Error> {
    let authority = Authority::found(AUTHORITY, now, AUTHORITY_LIFE)?;
    let validity = Validity {
        authority: authority.window,
        previous: Some(old.validity.authority),
        leaf_is_current: false,
        ..old.validity.clone()
    };
    Ok(Material {
        authority_cert: authority.cert,
        authority_key: authority.key,
        previous_cert: Some(old.authority_cert.clone()),
        validity,
        ..old.clone()
    })
}
