//! Certificates and keys: the cluster's two authorities, every client and server of it,
//! and a third authority for the servers of the world outside.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

use crate::network;

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// File name without extension.
    pub file: &'static str,
    /// Common name: the user, for Kubernetes.
    pub name: String,
    /// Organisation: the group, for Kubernetes.
    pub group: Option<&'static str>,
    /// DNS names and addresses; a server certificate has some, a client certificate none.
    pub sans: Vec<String>,
}

/// A signing authority that has been written to disk.
type Authority = CertifiedIssuer<'static, KeyPair>;

/// Writes every certificate and key of a local cluster.
pub fn write_cluster(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let cluster = authority(folder, "ca", "trustbridge-cluster")?;
    let front_proxy = authority(folder, "front-proxy-ca", "trustbridge-front-proxy")?;
    for leaf in cluster_leaves() {
        write_leaf(folder, &leaf, &cluster)?;
    }
    write_leaf(
        folder,
        &client("front-proxy-client", "system:auth-proxy", None),
        &front_proxy,
    )?;
    write_service_account_key(folder)?;
    write_outside(folder, network::OUTSIDE_ADDRESS)
}

/// Writes the authority and the one server certificate of everything that stands outside the cluster.
pub fn write_outside(folder: &Path, address: IpAddr) -> Result<()> {
    fs::create_dir_all(folder)?;
    let outside = authority(folder, "outside-ca", "trustbridge-outside")?;
    let mut sans = vec![
        address.to_string(),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
    ];
    sans.extend(network::OUTSIDE_NAMES.iter().map(|name| (*name).to_owned()));
    let leaf = Leaf {
        file: "outside",
        name: "outside".to_owned(),
        group: None,
        sans,
    };
    write_leaf(folder, &leaf, &outside)
}

/// Path of a certificate.
#[must_use]
pub fn certificate(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!("{file}.crt"))
}

/// Path of a key.
#[must_use]
pub fn key(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!("{file}.key"))
}

fn cluster_leaves() -> Vec<Leaf> {
    let node = network::NODE_NAME;
    let node_address = network::NODE_ADDRESS.to_string();
    let api_names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut api_sans: Vec<String> = api_names.iter().map(|name| (*name).to_owned()).collect();
    api_sans.extend([
        "127.0.0.1".to_owned(),
        node_address.clone(),
        network::API_SERVICE_ADDRESS.to_string(),
    ]);
    vec![
        client("admin", "kubernetes-admin", Some("system:masters")),
        client("controller-manager", "system:kube-controller-manager", None),
        client("scheduler", "system:kube-scheduler", None),
        client("proxy", "system:kube-proxy", None),
        client("netpol", "tb-netpol", None),
        client("kubelet", &format!("system:node:{node}"), Some("system:nodes")),
        client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", None),
        Leaf {
            file: "apiserver",
            name: "kube-apiserver".to_owned(),
            group: None,
            sans: api_sans,
        },
        Leaf {
            file: "kubelet-server",
            name: format!("system:node:{node}"),
            group: Some("system:nodes"),
            sans: vec![node.to_owned(), node_address, "127.0.0.1".to_owned()],
        },
    ]
}

fn client(file: &'static str, name: &str, group: Option<&'static str>) -> Leaf {
    Leaf {
        file,
        name: name.to_owned(),
        group,
        sans: Vec::new(),
    }
}

fn authority(folder: &Path, file: &str, name: &str) -> Result<Authority> {
    let mut params = dated(CertificateParams::new(Vec::new())?);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let key_pair = KeyPair::generate()?;
    write_private(&key(folder, file), &key_pair.serialize_pem())?;
    let issuer = CertifiedIssuer::self_signed(params, key_pair)?;
    fs::write(certificate(folder, file), issuer.pem())?;
    Ok(issuer)
}

fn write_leaf(folder: &Path, leaf: &Leaf, issuer: &Authority) -> Result<()> {
    let mut params =
        dated(CertificateParams::new(leaf.sans.clone()).with_context(|| format!("names of {}", leaf.file))?);
    params.distinguished_name.remove(DnType::CommonName);
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.name.as_str());
    if let Some(group) = leaf.group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    let usage = if leaf.sans.is_empty() {
        ExtendedKeyUsagePurpose::ClientAuth
    } else {
        ExtendedKeyUsagePurpose::ServerAuth
    };
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key_pair = KeyPair::generate()?;
    let signed = params.signed_by(&key_pair, issuer)?;
    fs::write(certificate(folder, leaf.file), signed.pem())?;
    write_private(&key(folder, leaf.file), &key_pair.serialize_pem())
}

fn write_service_account_key(folder: &Path) -> Result<()> {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    write_private(&key(folder, "service-account"), &pair.serialize_pem())?;
    fs::write(folder.join("service-account.pub"), pair.public_key_pem())?;
    Ok(())
}

fn dated(mut params: CertificateParams) -> CertificateParams {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let day = |at: &jiff::Zoned| {
        let part = |value: i8| u8::try_from(value).unwrap_or(1);
        date_time_ymd(i32::from(at.year()), part(at.month()), part(at.day()))
    };
    if let (Ok(from), Ok(to)) = (now.checked_sub(2.days()), now.checked_add(1000.days())) {
        params.not_before = day(&from);
        params.not_after = day(&to);
    }
    params
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_answers_to_every_name_it_is_called_by() {
        let leaves = cluster_leaves();
        let api = leaves.iter().find(|leaf| leaf.file == "apiserver").unwrap();
        for name in ["127.0.0.1", "172.30.0.2", "10.96.0.1", "kubernetes.default.svc"] {
            assert!(api.sans.iter().any(|san| san == name), "{name}");
        }
    }

    #[test]
    fn the_kubelet_is_a_node_for_the_node_authorizer() {
        let leaves = cluster_leaves();
        let kubelet = leaves.iter().find(|leaf| leaf.file == "kubelet").unwrap();
        assert_eq!(kubelet.name, "system:node:tb-node");
        assert_eq!(kubelet.group, Some("system:nodes"));
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        write_outside(folder.path(), network::OUTSIDE_ADDRESS).unwrap();
        let mode = fs::metadata(key(folder.path(), "outside"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            fs::read_to_string(certificate(folder.path(), "outside"))
                .unwrap()
                .contains("BEGIN CERTIFICATE")
        );
    }
}
