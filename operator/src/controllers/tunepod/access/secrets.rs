//! The Secrets of a TunePod's access: how they lie, and what is read of them. Nothing of them passes through a plan,
//! because plans can be printed.

use super::rotation::Ledger;
use super::token::Token;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trustbridge_api::{TunePod, labels};
use trustbridge_domain::names::{
    door_name, org_namespace, protected_namespace, serving_secret, token_secret, token_sums_secret,
};
use trustbridge_issuer::{Leaf, Window};
use trustbridge_kit::apply::{Built, Target};

/// Entry with the token that a buyer reads.
pub(in super::super) const TOKEN: &str = "token";
/// Entry with the authorities, PEM.
pub(in super::super) const CA: &str = "ca.crt";
/// Entry with the sums that the sentinel accepts.
const SUMS: &str = "tokens";
/// Entry with what is kept beside them.
const LEDGER: &str = "ledger.json";
/// Entry with the token that comes next, until the buyer can read it.
const NEXT: &str = "next";
const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Annotation: what the certificate is for.
const CERTIFICATE: &str = "trustbridge.io/certificate";

/// What a certificate is for, as the Secret says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    pub(super) window: Window,
    pub(super) dns_names: Vec<String>,
    /// Certificate of the authority that signed it, SHA-256 in lower-case hex.
    pub(super) authority: String,
}

/// The buyer's token.
pub(super) fn token(found: Option<&Secret>) -> Option<Token> {
    found.and_then(|s| Token::of_bytes(entry(s, TOKEN)?))
}

/// What is kept of accepted tokens, and the next one.
pub(super) fn ledger(found: Option<&Secret>) -> Option<(Ledger, Option<Token>)> {
    let secret = found?;
    let ledger: Ledger = serde_json::from_slice(entry(secret, LEDGER)?).ok()?;
    let next = entry(secret, NEXT).and_then(Token::of_bytes);
    // A next one that is not known any more could never be read by anybody.
    let is_whole = ledger.next == next.as_ref().map(Token::sum);
    let sums = entry(secret, SUMS).is_some_and(|sums| sums == ledger.lines().as_bytes());
    (is_whole && sums).then_some((ledger, next))
}

/// What the certificate is for, of a Secret that has one.
pub(super) fn certificate(found: Option<&Secret>) -> Option<Certificate> {
    let secret = found?;
    let is_there = entry(secret, CERT).is_some() && entry(secret, KEY).is_some();
    let text = secret.annotations().get(CERTIFICATE).filter(|_| is_there)?;
    serde_json::from_str(text).ok()
}

/// The Secret that the buyer reads.
pub(super) fn with_token(tunepod: &TunePod, org: &str, found: Option<&Secret>, token: &Token) -> Built {
    let data = [(TOKEN, token.as_str().to_owned())];
    let mut secret = secret(tunepod, org, &token_secret(&tunepod.name_any()), found, data);
    secret.metadata.namespace = tunepod.namespace();
    // It goes with the TunePod at the latest. What lies in another namespace cannot be owned.
    secret.metadata.owner_references = tunepod.controller_owner_ref(&()).map(|owner| vec![owner]);
    Built::of(&secret)
}

/// The Secret that the sentinel reads.
pub(super) fn with_ledger(
    tunepod: &TunePod,
    org: &str,
    found: Option<&Secret>,
    ledger: &Ledger,
    next: Option<&Token>,
) -> Built {
    // Plain words: it always serialises.
    let kept = serde_json::to_string(ledger).unwrap_or_default();
    let next = next.map(|next| (NEXT, next.as_str().to_owned()));
    let data = [(SUMS, ledger.lines()), (LEDGER, kept)].into_iter().chain(next);
    Built::of(&secret(
        tunepod,
        org,
        &token_sums_secret(&tunepod.name_any()),
        found,
        data,
    ))
}

/// The Secret with the certificate.
pub(super) fn with_leaf(
    tunepod: &TunePod,
    org: &str,
    found: Option<&Secret>,
    leaf: &Leaf,
    certificate: &Certificate,
) -> Built {
    let data = [(CERT, leaf.cert.clone()), (KEY, leaf.key.clone())];
    let mut secret = secret(tunepod, org, &serving_secret(&tunepod.name_any()), found, data);
    let kept = serde_json::to_string(certificate).unwrap_or_default();
    secret.metadata.annotations = Some(BTreeMap::from([(CERTIFICATE.to_owned(), kept)]));
    secret.type_ = Some("kubernetes.io/tls".to_owned());
    Built::of(&secret)
}

/// The authorities, for buyers.
pub(super) fn authorities(org: &str, bundle: &str) -> Built {
    Built::of(&ConfigMap {
        metadata: ObjectMeta {
            name: Some(labels::ACCESS_CA.to_owned()),
            namespace: Some(org_namespace(org)),
            labels: Some(BTreeMap::from([
                (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned()),
                (labels::ORG.to_owned(), org.to_owned()),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(CA.to_owned(), bundle.to_owned())])),
        ..ConfigMap::default()
    })
}

/// Where the Secrets of a TunePod are, the buyer's first.
pub(super) fn targets(tunepod: &TunePod, org: &str) -> [Target; 3] {
    let (own, protected, name) = (tunepod.namespace(), protected_namespace(org), tunepod.name_any());
    [
        Target::new::<Secret>(own.as_deref(), &token_secret(&name)),
        Target::new::<Secret>(Some(&protected), &token_sums_secret(&name)),
        Target::new::<Secret>(Some(&protected), &serving_secret(&name)),
    ]
}

/// Names by which buyers call a TunePod's model.
pub(super) fn dns_names(tunepod: &TunePod) -> Vec<String> {
    let (door, namespace) = (
        door_name(&tunepod.name_any()),
        tunepod.namespace().unwrap_or_default(),
    );
    vec![
        format!("{door}.{namespace}.svc"),
        format!("{door}.{namespace}.svc.cluster.local"),
        format!("{door}.{namespace}"),
    ]
}

fn entry<'s>(secret: &'s Secret, key: &str) -> Option<&'s [u8]> {
    secret.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice())
}

/// A Secret of the protected namespace, at the version that was read, so that of two writers one is first.
fn secret(
    tunepod: &TunePod,
    org: &str,
    name: &str,
    found: Option<&Secret>,
    data: impl IntoIterator<Item = (&'static str, String)>,
) -> Secret {
    let labels = [
        (labels::MANAGED_BY, labels::OPERATOR.to_owned()),
        (labels::ORG, org.to_owned()),
        (labels::TUNEPOD, tunepod.name_any()),
    ];
    let data = data
        .into_iter()
        .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(protected_namespace(org)),
            uid: found.and_then(ResourceExt::uid),
            resource_version: found.and_then(ResourceExt::resource_version),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}
