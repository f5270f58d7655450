//! A certificate authority and one server certificate for loopback.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// The files of one authority.
pub struct Pki {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Writes an authority `name` and its server's certificate below `folder`.
pub fn write(folder: &Path, name: &str) -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let cert = leaf.signed_by(&key, &issuer).unwrap();
    let put = |file: &str, text: String| {
        let path = folder.join(format!("{name}{file}"));
        fs::write(&path, text).unwrap();
        path
    };
    Pki {
        ca: put("-ca.crt", ca_cert.pem()),
        cert: put(".crt", cert.pem()),
        key: put(".key", key.serialize_pem()),
    }
}
