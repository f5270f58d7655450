//! An authority and what it signs. No `Debug`: keys are never printed.

use crate::{Error, Window};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// How far certificates reach back, for clocks that are behind ours, in seconds.
const BACKDATE: i64 = 300;

/// An authority: P-256, self-signed, for leaves alone (RFC 5280 path length 0).
#[derive(Clone)]
pub struct Authority {
    /// Its certificate, PEM.
    pub cert: String,
    /// Its key, PEM (PKCS #8).
    pub key: String,
    /// When it is good.
    pub window: Window,
}

/// A certificate of a server and its key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate, PEM.
    pub cert: String,
    /// Its key, PEM (PKCS #8).
    pub key: String,
    /// When it is good: never longer than the authority that signed it.
    pub window: Window,
}

impl Authority {
    /// A new authority called `name`, good for `life` seconds from `now`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn found(name: &str, now: Timestamp, life: i64) -> Result<Self, Error> {
        let window = Window::starting(now, life);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(&[], name, window)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key)?;
        Ok(Self {
            cert: cert.pem(),
            key: key.serialize_pem(),
            window,
        })
    }

    /// A server's certificate for `dns_names`, called `name`, good for `life` seconds from `now` or until the authority
    /// ends.
    ///
    /// # Errors
    /// When a name is no DNS name, or certificate and key of the authority cannot be read.
    pub fn sign(&self, name: &str, dns_names: &[String], now: Timestamp, life: i64) -> Result<Leaf, Error> {
        let mut window = Window::starting(now, life);
        window.to = window.to.min(self.window.to);
        let issuer = Issuer::from_ca_cert_pem(&self.cert, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(dns_names, name, window)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &issuer)?;
        Ok(Leaf {
            cert: cert.pem(),
            key: key.serialize_pem(),
            window,
        })
    }
}

fn params(dns_names: &[String], name: &str, window: Window) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(dns_names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |at: i64| std::time::Duration::from_secs(u64::try_from(at).unwrap_or_default());
    params.not_before = epoch + seconds(window.from.saturating_sub(BACKDATE));
    params.not_after = epoch + seconds(window.to);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let authority = Authority::found("a", now, 1_000).unwrap();
        let late = Timestamp::from_second(1_795_000_900).unwrap();
        let leaf = authority.sign("b", &["b.svc".to_owned()], late, 1_000).unwrap();
        assert_eq!(leaf.window.to, authority.window.to);
        assert!(leaf.cert.starts_with("-----BEGIN CERTIFICATE"));
        assert!(authority.sign("b", &["ü".to_owned()], now, 10).is_err());
    }
}
