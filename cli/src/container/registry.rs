//! Whether an image is in its registry (`HEAD /v2/<name>/manifests/<digest>`), asked without credentials.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use trustbridge_azure::http::{Client, Deadline};

use super::reference::Reference;
use crate::failure::Failure;

/// What a registry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The manifest is there.
    There,
    /// It is not.
    Missing,
    /// It does not tell strangers: the engine, which has credentials, must ask.
    Untold,
}

const QUESTION: Duration = Duration::from_secs(20);

const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Asks for a manifest by its digest.
pub(crate) async fn presence(image: &Reference, insecure_loopback: bool) -> Result<Presence, Failure> {
    let Some(digest) = &image.digest else {
        return Ok(Presence::Untold);
    };
    let plain = insecure_loopback && image.is_loopback();
    let scheme = if plain { "http" } else { "https" };
    let url = format!(
        "{scheme}://{}/v2/{}/manifests/{digest}",
        image.registry, image.name
    );
    let mut builder = Client::builder();
    if plain {
        builder = builder.allow_loopback_http();
    }
    let client = builder.build()?;
    let request = Request::head(&url)
        .header(ACCEPT, MANIFESTS)
        .body(Bytes::new())
        .map_err(|e| Failure::usage(format!("{url}: {e}")))?;
    // A registry that we cannot speak to may have an authority that only the engine trusts; it says why not.
    let Ok(answer) = client.send(request, Deadline::after(QUESTION)).await else {
        return Ok(Presence::Untold);
    };
    Ok(match answer.status() {
        StatusCode::OK => Presence::There,
        StatusCode::NOT_FOUND => Presence::Missing,
        _ => Presence::Untold,
    })
}
