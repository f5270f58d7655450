//! Asks the control plane about an asset.

use bytes::Bytes;
use http::{Request, StatusCode};
use kube::ResourceExt;
use serde::Deserialize;
use std::time::Duration;
use trustbridge_api::ModelAsset;
use trustbridge_azure::http::{Client, Deadline};

/// Time for the answer.
const CALL: Duration = Duration::from_secs(10);

/// What the control plane said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It holds the asset.
    Known(Facts),
    /// It does not.
    Unknown,
    /// Nothing that can be used.
    Unusable(String),
}

/// Public facts of an asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Facts {
    pub(super) manifest_sha256: String,
    pub(super) plaintext_bytes: i64,
}

pub(super) async fn ask(https: &Client, asset: &ModelAsset) -> Answer {
    // The name is a DNS subdomain: nothing in it needs escaping.
    let url = format!(
        "{}/api/v1/assets/{}",
        asset.spec.endpoint.trim_end_matches('/'),
        asset.name_any()
    );
    let request = match Request::get(&url)
        .header("accept", "application/json")
        .body(Bytes::new())
    {
        Ok(request) => request,
        Err(error) => return Answer::Unusable(format!("`spec.endpoint`: {error}")),
    };
    match https.send(request, Deadline::after(CALL)).await {
        Ok(answer) => read(answer.status(), answer.body()),
        Err(error) => Answer::Unusable(error.to_string()),
    }
}

pub(super) fn read(status: StatusCode, body: &[u8]) -> Answer {
    match status {
        StatusCode::OK => match serde_json::from_slice(body) {
            Ok(facts) => Answer::Known(facts),
            Err(error) => Answer::Unusable(format!("the answer is not the asset's facts: {error}")),
        },
        StatusCode::NOT_FOUND => Answer::Unknown,
        other => Answer::Unusable(format!("HTTP {other}")),
    }
}
