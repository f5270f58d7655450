//! Certificates as clients see them, and when they are renewed.

use super::material::Material;
use super::validity::{AUTHORITY_LIFE, Due, LEAF_LIFE, SETTLE, dns_names, due};
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
fn two_new_authorities_never_follow_each_other_without_a_leaf_between() {
    let first = authority::found(now(), &names()).unwrap();
    let second = authority::with_new_authority(&first, later(10)).unwrap();
    let at = |seconds| due(&second.validity, later(seconds), &names());
    // The first leaf is of the first authority: a third one would push that out of the bundle.
    assert_eq!(at(10 + AUTHORITY_LIFE * 2 / 3 + 5), Due::Leaf);
    // A leaf of the second authority waits until API servers have seen it, but not when the old one is over.
    let young = |founded: i64, at: i64| {
        let mut validity = second.validity.clone();
        validity.authority.from = later(founded).as_second();
        due(&validity, later(at), &names())
    };
    let founded = LEAF_LIFE - 100;
    assert_eq!(young(founded, founded + SETTLE - 1), Due::Nothing);
    assert_eq!(young(founded, founded + SETTLE), Due::Leaf);
    assert_eq!(young(LEAF_LIFE, LEAF_LIFE - 1), Due::Nothing);
    assert_eq!(young(LEAF_LIFE, LEAF_LIFE), Due::Leaf);
}

#[test]
fn a_clock_far_past_every_end_is_caught_up_with_in_two_steps() {
    let mut material = authority::found(now(), &names()).unwrap();
    let then = later(AUTHORITY_LIFE * 3);
    let mut steps = Vec::new();
    loop {
        let step = due(&material.validity, then, &names());
        material = match step {
            Due::Nothing => break,
            Due::Leaf => authority::with_new_leaf(&material, then, &names()).unwrap(),
            Due::Authority => authority::with_new_authority(&material, then).unwrap(),
        };
        steps.push(step);
        assert!(steps.len() < 8, "{steps:?}");
    }
    assert_eq!(steps, [Due::Authority, Due::Leaf]);
    assert!(!material.validity.leaf.is_over(then.as_second()));
    assert_eq!(material.bundle(then).matches("BEGIN CERTIFICATE").count(), 1);
}

#[test]
fn a_secret_of_the_first_version_is_read() {
    let mut data = authority::found(now(), &names()).unwrap().to_data();
    let text = String::from_utf8(data["validity.json"].0.clone()).unwrap();
    let old = text.replace("\"leafIsCurrent\":true,", "");
    assert_ne!(old, text);
    data.insert("validity.json".into(), k8s_openapi::ByteString(old.into_bytes()));
    assert!(Material::from_data(&data).unwrap().validity.leaf_is_current);
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

async fn serve(leaf: Arc<resolver::CurrentLeaf>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let tls = tokio_rustls::TlsAcceptor::from(resolver::server_config(leaf));
    let answer = |_| std::future::ready(crate::listen::text(hyper::StatusCode::OK, "ok"));
    let never = std::future::pending();
    tokio::spawn(crate::listen::serve(
        listener,
        Some(tls),
        answer,
        never,
        std::time::Duration::ZERO,
    ));
    address
}

#[tokio::test]
async fn clients_trust_the_bundle_through_every_renewal() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let leaf = Arc::new(resolver::CurrentLeaf::default());
    let address = serve(leaf.clone()).await;
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
