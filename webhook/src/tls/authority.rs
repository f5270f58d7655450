//! Making certificates.

use super::Error;
use super::material::Material;
use super::validity::{AUTHORITY_LIFE, BACKDATE, LEAF_LIFE, Validity, Window};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// A first authority and leaf.
pub(crate) fn found(now: Timestamp, dns_names: &[String]) -> Result<Material, Error> {
    let (authority_cert, authority_key, authority) = new_authority(now)?;
    let (leaf_cert, leaf_key, leaf) = new_leaf(now, dns_names, &authority_cert, &authority_key, authority)?;
    Ok(Material {
        authority_cert,
        authority_key,
        previous_cert: None,
        leaf_cert,
        leaf_key,
        validity: Validity {
            authority,
            previous: None,
            leaf,
            leaf_is_current: true,
            dns_names: dns_names.to_vec(),
        },
    })
}

/// The same with a new leaf.
pub(crate) fn with_new_leaf(old: &Material, now: Timestamp, dns_names: &[String]) -> Result<Material, Error> {
    let (leaf_cert, leaf_key, leaf) = new_leaf(
        now,
        dns_names,
        &old.authority_cert,
        &old.authority_key,
        old.validity.authority,
    )?;
    let validity = Validity {
        leaf,
        leaf_is_current: true,
        dns_names: dns_names.to_vec(),
        ..old.validity.clone()
    };
    Ok(Material {
        leaf_cert,
        leaf_key,
        validity,
        ..old.clone()
    })
}

/// The same with a new authority; the old one stays in the bundle until it ends.
pub(crate) fn with_new_authority(old: &Material, now: Timestamp) -> Result<Material, Error> {
    let (authority_cert, authority_key, authority) = new_authority(now)?;
    let validity = Validity {
        authority,
        previous: Some(old.validity.authority),
        leaf_is_current: false,
        ..old.validity.clone()
    };
    Ok(Material {
        authority_cert,
        authority_key,
        previous_cert: Some(old.authority_cert.clone()),
        validity,
        ..old.clone()
    })
}

fn new_authority(now: Timestamp) -> Result<(String, String, Window), Error> {
    let window = Window::starting(now, AUTHORITY_LIFE);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = params(&[], "trustbridge-webhook-ca", window)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem(), window))
}

fn new_leaf(
    now: Timestamp,
    dns_names: &[String],
    authority_cert: &str,
    authority_key: &str,
    authority: Window,
) -> Result<(String, String, Window), Error> {
    let mut window = Window::starting(now, LEAF_LIFE);
    window.to = window.to.min(authority.to);
    let issuer = Issuer::from_ca_cert_pem(authority_cert, KeyPair::from_pem(authority_key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = params(dns_names, "trustbridge-webhook", window)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let cert = params.signed_by(&key, &issuer)?;
    Ok((cert.pem(), key.serialize_pem(), window))
}

fn params(dns_names: &[String], common_name: &str, window: Window) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(dns_names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |at: i64| std::time::Duration::from_secs(u64::try_from(at).unwrap_or_default());
    params.not_before = epoch + seconds(window.from.saturating_sub(BACKDATE));
    params.not_after = epoch + seconds(window.to);
    Ok(params)
}
