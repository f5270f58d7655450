//! What is billed while TunePods go.

use super::super::account;
use super::*;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trustbridge_kit::apply::Writer;
use trustbridge_kit::lease::Leader;
use trustbridge_kit::telemetry::Metrics;

/// A writer to an API server in which the TunePod goes at the moment at which it is first asked for: the order has its
/// intervals, and then it is not there.
fn at_the_worst_moment(before: Value, after: Value) -> Writer {
    let is_gone = Arc::new(AtomicBool::new(false));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (code, body) = if request.uri().path().contains("/tunepods/") {
            is_gone.store(true, Ordering::SeqCst);
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"});
            (404, status)
        } else if is_gone.load(Ordering::SeqCst) {
            (200, after.clone())
        } else {
            (200, before.clone())
        };
        let answer = http::Response::builder().status(code);
        let answer = answer.body(Body::from(body.to_string().into_bytes())).unwrap();
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let client = kube::Client::new(service, "default");
    Writer::new(client, Leader::alone(), Arc::new(Metrics::default()))
}

#[tokio::test]
async fn hours_of_a_tunepod_that_goes_meanwhile_are_billed() {
    let before = running().order;
    let hours = vec![interval(0, "2026-01-15T02:00:00Z", Some("2026-01-15T20:00:00Z"))];
    let mut after = before.clone();
    let kept = &mut after.status.as_mut().unwrap().instances[0];
    kept.earlier.clone_from(&hours);
    kept.earlier_uids = vec!["t".to_owned()];
    let [old, new] = [&before, &after].map(|order| serde_json::to_value(order).unwrap());
    let seen = account(&at_the_worst_moment(old, new), &before).await.unwrap();
    let seen = seen.unwrap();
    assert_eq!(seen.tunepods.len(), 1);
    assert_eq!(seen.tunepods[0].status.as_ref().unwrap().intervals, hours);
}
