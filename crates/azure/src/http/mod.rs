//! An HTTPS client that cannot wait for ever and does not talk about what it carries.
//!
//! Every call has a [`Deadline`] that covers connecting, TLS, the request and the whole answer. Redirects are
//! never followed (a redirect would carry a bearer token or a SAS to another host), bodies come as they are
//! (`accept-encoding: identity`, so that ranges and digests mean bytes on the wire), and every error names the
//! URL without its query.

mod body;
mod builder;
mod error;
mod stream;
#[cfg(test)]
mod tests;

pub use body::Body;
pub use builder::{Builder, SYSTEM_BUNDLE};
pub use error::{Error, redact};

use ::http::header::{ACCEPT_ENCODING, HeaderValue, USER_AGENT};
use ::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// The moment at which a call is given up, connecting and reading the answer included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// Exactly at `instant`.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The moment itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// The client. Cloning is cheap and shares the connection pool.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<stream::Connector, Full<Bytes>>,
    body_limit: usize,
    plain_http: PlainHttp,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts with the system's trust bundle, HTTPS only, no client certificate.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends one request and reads the whole answer, up to the client's body limit. Any status is an `Ok`.
    pub async fn send(&self, request: Request<Bytes>, deadline: Deadline) -> Result<Response<Bytes>, Error> {
        let (parts, body) = self.send_streaming(request, deadline).await?.into_parts();
        Ok(Response::from_parts(parts, body.collect(self.body_limit).await?))
    }

    /// Sends one request and hands back the answer's body as it arrives. The deadline goes on counting while
    /// the body is read.
    pub async fn send_streaming(
        &self,
        mut request: Request<Bytes>,
        deadline: Deadline,
    ) -> Result<Response<Body>, Error> {
        let url = redact(&request.uri().to_string());
        self.check_scheme(request.uri(), &url)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        }
        match tokio::time::timeout_at(deadline.instant(), self.inner.request(request.map(Full::new))).await {
            Err(_) => Err(Error::Deadline {
                url,
                stage: "waiting for the answer's head",
            }),
            Ok(Err(source)) => Err(Error::transport(url, &source)),
            Ok(Ok(response)) => Ok(response.map(|incoming| Body::new(incoming, url, deadline))),
        }
    }

    fn check_scheme(&self, uri: &Uri, url: &str) -> Result<(), Error> {
        let refused = |rule| {
            Err(Error::Refused {
                url: url.to_owned(),
                rule,
            })
        };
        match (uri.scheme_str(), self.plain_http) {
            (Some("https"), _) | (Some("http"), PlainHttp::Anywhere) => Ok(()),
            (Some("http"), PlainHttp::Never) => refused("the scheme must be https"),
            (Some("http"), PlainHttp::Loopback) if is_loopback(uri) => Ok(()),
            (Some("http"), PlainHttp::InstanceMetadata) if uri.host() == Some(INSTANCE_METADATA) => Ok(()),
            (Some("http"), PlainHttp::InstanceMetadata) => {
                refused("plain http is for the instance metadata service only")
            }
            (Some("http"), PlainHttp::Loopback) => refused("plain http is for loopback addresses only"),
            _ => refused("the URL must be absolute and its scheme https"),
        }
    }
}

/// Where plain `http://` may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    Never,
    Loopback,
    InstanceMetadata,
    Anywhere,
}

/// The link-local address of Azure's instance metadata service.
const INSTANCE_METADATA: &str = "169.254.169.254";

const AGENT: &str = concat!("trustbridge/", env!("CARGO_PKG_VERSION"));

fn is_loopback(uri: &Uri) -> bool {
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
