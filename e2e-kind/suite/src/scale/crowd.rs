//! The objects of a run at scale: the samples, many times.

use serde_json::{Value, json};
use trustbridge_api::labels;

/// Namespace of the quotes.
pub const NAMESPACE: &str = "tb-acme";

/// Name of a quote.
#[must_use]
pub fn name(number: usize) -> String {
    format!("quote-{number:05}")
}

/// What the seller has once: plural and object.
#[must_use]
pub fn seller() -> Vec<(&'static str, Value)> {
    let profile = json!({"metadata": {"name": "seller"}, "spec": {"orgId": "seller"}});
    vec![("sellerprofiles.trustbridge.io", of("SellerProfile", profile))]
}

/// So many offers, as the sample.
#[must_use]
pub fn offers(count: usize) -> Vec<Value> {
    let offer = |number: usize| {
        json!({
            "metadata": {"name": format!("offer-{number}")},
            "spec": {
                "sku": format!("Sample-{number}"), "modes": ["protectedModel"],
                "resources": {"gpus": 1, "vcpus": 24, "ramGb": 220, "nvmeGb": 960},
                "gpu": {"model": "A100-80GB", "vramGb": 80},
                "billing": {"currency": "USD", "models": [{"model": "hourly", "priceMinor": 175}]},
            },
        })
    };
    (0..count).map(|number| of("Offer", offer(number))).collect()
}

/// A quote at list price.
#[must_use]
pub fn quote(number: usize, offers: usize) -> Value {
    let offer = format!("offer-{}", number % offers.max(1));
    let quote = json!({
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {"offerRef": {"name": offer}},
    });
    of("Quote", quote)
}

/// A pod as the operator makes them, about 7 KB of it.
#[must_use]
pub fn pod(number: usize) -> Value {
    let variables: Vec<Value> = (0..60)
        .map(|n| json!({"name": format!("TB_SETTING_{n}"), "value": "a value of about sixty characters, as paths and addresses are"}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("pod-{number:05}"), "namespace": format!("{NAMESPACE}-protected"),
            "labels": {
                labels::MANAGED_BY: labels::OPERATOR, labels::ORG: "acme", labels::INJECT: labels::INJECT_VALUE,
            },
            "annotations": {labels::TUNEPOD: format!("{NAMESPACE}/pod-{number:05}")},
        },
        "spec": {"containers": [{"name": "runtime", "image": "runtime:1", "env": variables}]},
        "status": {"phase": "Running"},
    })
}

fn of(kind: &str, mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!("trustbridge.io/v1alpha1"));
        map.insert("kind".to_owned(), json!(kind));
    }
    object
}
