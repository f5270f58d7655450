//! Tokens of a machine's managed identity, from the instance metadata service.
//!
//! The service is reached at a link-local address without TLS: that is how Azure offers it, and the packet never
//! leaves the host. The header `Metadata: true` keeps redirected and forged requests away.

use super::cache::{Cache, Kept};
use super::{AccessToken, Error};
use crate::http::{self, Client, Deadline};
use ::http::Request;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// The only address at which a token is asked for.
const ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";

/// Asks for tokens and keeps one for 80 % of its life.
pub struct ManagedIdentity {
    http: Client,
    endpoint: &'static str,
    resource: String,
    client_id: Option<String>,
    cached: Cache,
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity")
            .field("resource", &self.resource)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl ManagedIdentity {
    /// The system-assigned identity, or with `client_id` a user-assigned one. `http` must
    /// [allow the metadata service](http::Builder::allow_instance_metadata). Nothing is asked yet.
    #[must_use]
    pub fn new(http: Client, resource: &str, client_id: Option<String>) -> Self {
        Self {
            http,
            endpoint: ENDPOINT,
            resource: resource.to_owned(),
            client_id,
            cached: Cache::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn at(mut self, endpoint: &'static str) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// A token that is still good; callers that come together share one question.
    pub async fn token(&self, deadline: Deadline) -> Result<AccessToken, Error> {
        self.cached.token(self.ask(deadline)).await
    }

    /// Forgets the token, after the resource refused it.
    pub async fn forget(&self) {
        self.cached.forget().await;
    }

    async fn ask(&self, deadline: Deadline) -> Result<Kept, Error> {
        let mut url = Url::parse(self.endpoint).map_err(|_| Error::Authority(self.endpoint.to_owned()))?;
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", &self.resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let request = Request::get(url.as_str())
            .header("metadata", "true")
            .body(Bytes::new())
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        let answer = self.http.send(request, deadline).await?;
        let granted: Option<Granted> = serde_json::from_slice(answer.body()).ok();
        match granted {
            Some(granted) if answer.status().is_success() => Ok(Kept::new(
                AccessToken(Zeroizing::new(granted.access_token)),
                granted.expires_in,
            )),
            _ => Err(Error::NoIdentity {
                status: answer.status().as_u16(),
                code: super::refusal(&answer),
            }),
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
}

/// The metadata service writes its numbers as texts.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(seconds) => Ok(seconds),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}
