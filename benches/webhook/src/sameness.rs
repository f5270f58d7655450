//! Whether both contenders do the same work: the pods that come out of their patches are compared whole, the digest of
//! the sentinel's container among them.

use crate::load;
use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use serde_json::Value;
use std::net::SocketAddr;
use tokio_rustls::TlsConnector;

/// Bytes of the answers, the webhook's and the peer's.
pub struct Answers(pub usize, pub usize);

/// Asks both the question `body` once. Fails with the places that differ.
pub async fn check(
    connector: &TlsConnector,
    webhook: SocketAddr,
    peer: SocketAddr,
    body: &str,
) -> Result<Answers> {
    let ours = load::whole_answer(connector, webhook, body).await?;
    let theirs = load::whole_answer(connector, peer, body).await?;
    let question: Value = serde_json::from_str(body)?;
    let pod = question
        .pointer("/request/object")
        .context("a question without a pod")?;
    let (one, other) = (patched(pod, &ours)?, patched(pod, &theirs)?);
    let places = json_patch::diff(&one, &other);
    ensure!(
        places.is_empty(),
        "the contenders do not answer the same; make benches/webhook/peer.go inject what the webhook injects: {places}"
    );
    Ok(Answers(ours.len(), theirs.len()))
}

/// `pod` after the patch of the answer `text`.
fn patched(pod: &Value, text: &str) -> Result<Value> {
    let review: Value = serde_json::from_str(text).with_context(|| format!("no review: {text}"))?;
    let patch = review.pointer("/response/patch").and_then(Value::as_str);
    let patch = patch.with_context(|| format!("an answer without a patch: {text}"))?;
    let patch: json_patch::Patch = serde_json::from_slice(&BASE64.decode(patch.as_bytes())?)?;
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch)?;
    Ok(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(patch: &Value) -> String {
        json!({"response": {"patch": BASE64.encode(patch.to_string().as_bytes())}}).to_string()
    }

    #[test]
    fn the_order_of_a_patch_does_not_matter_and_what_it_adds_does() {
        let pod = json!({"spec": {"containers": []}});
        let a = json!({"op": "add", "path": "/a", "value": 1});
        let b = json!({"op": "add", "path": "/b", "value": 2});
        let made = |patch: &Value| patched(&pod, &answer(patch)).unwrap();
        assert_eq!(made(&json!([a, b])), made(&json!([b, a])));
        assert_ne!(made(&json!([a, b])), made(&json!([a])));
        patched(&pod, "{}").unwrap_err();
    }
}
