//! Certificates as clients see them, and when they are renewed.

use super::material::Material;
use super::validity::{AUTHORITY_LIFE, Due, LEAF_LIFE, dns_names, due};
use super::*;
use jiff::Timestamp;
use std::sync::Arc;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn now() -> Timestamp {
    at(Timestamp::now().as_second())
}

fn names() -> Vec<String> {
    dns_names("trustbridge-webhook", "trustbridge-system")
}

fn later(seconds: i64) -> Timestamp {
    at(now().as_second() + seconds)
}

#[test]
fn renewal_is_due_at_two_thirds() {
    let material = authority::found(now(), &names()).unwrap();
    let due_at = |seconds| due(&material.validity, later(seconds), &names());
    assert_eq!(due_at(0), Due::Nothing);
    assert_eq!(due_at(LEAF_LIFE * 2 / 3 - 5), Due::Nothing);
    assert_eq!(due_at(LEAF_LIFE * 2 / 3 + 5), Due::Leaf);
    assert_eq!(due_at(AUTHORITY_LIFE * 2 / 3 + 5), Due::Authority);
    assert_eq!(
        due(&material.validity, now(), &dns_names("other", "ns")),
        Due::Leaf
    );
}

#[test]
fn a_secret_gives_back_what_was_put_in() {
    let first = authority::found(now(), &names()).unwrap();
    let second = authority::with_new_authority(&first, later(10)).unwrap();
    let back = Material::from_data(&second.to_data()).unwrap();
    assert_eq!(back.validity, second.validity);
    assert_eq!(back.previous_cert.as_deref(), Some(first.authority_cert.as_str()));
    let mut torn = second.to_data();
    torn.insert("tls.key".into(), first.to_data()["ca.key"].clone());
    assert!(
        Material::from_data(&torn).is_none(),
        "a key of another certificate was accepted"
    );
    assert!(Material::from_data(&std::collections::BTreeMap::new()).is_none());
}

#[test]
fn the_bundle_overlaps_and_then_forgets() {
    let first = authority::found(now(), &names()).unwrap();
    let second = authority::with_new_authority(&first, later(10)).unwrap();
    assert_eq!(second.leaf_cert, first.leaf_cert);
    assert_eq!(second.bundle(later(10)).matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(
        second
            .bundle(later(AUTHORITY_LIFE + 1))
            .matches("BEGIN CERTIFICATE")
            .count(),
        1
    );
}

fn serve(leaf: Arc<resolver::CurrentLeaf>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(resolver::server_config(leaf));
    let app = axum::Router::new().route("/healthz", axum::routing::get(|| async { "ok" }));
    let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
    tokio::spawn(server.serve(app.into_make_service()));
    address
}

#[tokio::test]
async fn clients_trust_the_bundle_through_every_renewal() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let leaf = Arc::new(resolver::CurrentLeaf::default());
    let address = serve(leaf.clone());
    let name = "trustbridge-webhook.trustbridge-system.svc";
    let try_with = |bundle: String, name: &'static str| {
        let address = address.clone();
        async move { rotation::call(&address, Some(name), bundle.as_bytes(), "/healthz").await }
    };
    let first = authority::found(now(), &names()).unwrap();
    let second = authority::with_new_authority(&first, now()).unwrap();
    let third = authority::with_new_leaf(&second, now(), &names()).unwrap();
    assert!(
        try_with(first.bundle(now()), name).await.is_err(),
        "no leaf was served yet"
    );

    leaf.set(first.certified_key().unwrap());
    assert_eq!(try_with(first.bundle(now()), name).await.unwrap(), "ok");
    assert_eq!(try_with(second.bundle(now()), name).await.unwrap(), "ok");

    leaf.set(third.certified_key().unwrap());
    assert_eq!(try_with(second.bundle(now()), name).await.unwrap(), "ok");
    assert!(
        try_with(first.bundle(now()), name).await.is_err(),
        "the old authority alone vouched for the new leaf"
    );
    assert!(
        try_with(second.bundle(now()), "evil.example").await.is_err(),
        "a wrong name was accepted"
    );
}
