//! The SDK's transport: every request goes over our client, with a deadline, and is signed here.
//!
//! A SAS is added to the request line at this last step, so that no URL that the SDK holds, logs or puts into an
//! error has ever carried one.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::response::PinnedStream;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use trustbridge_azure::blob::SharedKey;
use trustbridge_azure::http::{self, Client, Deadline};
use trustbridge_azure::sas::AccountSas;
use url::Url;
use zeroize::Zeroizing;

/// What signs a request, besides the bearer token that the SDK adds itself.
#[derive(Clone)]
pub(crate) enum Signer {
    /// Nothing: a bearer token, or no credential at all.
    None,
    /// A SAS that somebody else made.
    Sas(Zeroizing<String>),
    /// The account's key: each request gets its own short-lived SAS.
    Key(SharedKey),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Sas(_) => "Sas",
            Self::Key(_) => "Key",
        })
    }
}

/// Permissions of the SAS that a key makes: read, write, list and create; not delete.
const KEY_PERMISSIONS: &str = "rwlc";
/// Its life: long enough for clocks that differ by a quarter of an hour, and the slowest request.
const KEY_SAS_LIFE: SignedDuration = SignedDuration::from_mins(30);

impl Signer {
    fn query(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::None => None,
            Self::Sas(sas) => Some(sas.clone()),
            Self::Key(key) => {
                let now = Timestamp::now();
                let expiry = now.checked_add(KEY_SAS_LIFE).unwrap_or(now);
                Some(AccountSas::new(KEY_PERMISSIONS, expiry).sign(key).into())
            }
        }
    }

    /// The URL as it is requested.
    fn sign(&self, url: &Url) -> Zeroizing<String> {
        let Some(sas) = self.query() else {
            return Zeroizing::new(url.as_str().to_owned());
        };
        let joint = if url.query().is_some() { '&' } else { '?' };
        Zeroizing::new(format!("{url}{joint}{}", sas.as_str()))
    }
}

/// Our client as the SDK's.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: Client,
    signer: Signer,
    patience: Duration,
}

/// The slowest line that an upload or a download works on, bytes in a second.
const SLOWEST: u64 = 32 << 10;
/// Longest silence in the middle of an answer.
const IDLE: Duration = Duration::from_secs(30);
/// No answer that we ask for is larger: a range of 4 MiB, a list of 50,000 blocks.
const MAX_ANSWER_BYTES: u64 = 32 << 20;

impl Transport {
    /// `patience` is the time for a request and an answer without bodies.
    pub(crate) fn new(client: Client, signer: Signer, patience: Duration) -> Self {
        Self {
            client,
            signer,
            patience,
        }
    }

    fn deadline(&self, request: &Request) -> Deadline {
        let range = request
            .headers()
            .get_optional_str(&HeaderName::from_static("range"));
        let bytes = request.body().len().unwrap_or(0) + range.and_then(range_bytes).unwrap_or(0);
        Deadline::after(self.patience + Duration::from_secs(bytes / SLOWEST))
    }

    fn request(&self, request: &Request) -> Result<::http::Request<bytes::Bytes>, Error> {
        // What is streamed cannot be sent again after a failure; blocks are in memory.
        let Body::Bytes(body) = request.body() else {
            return Err(Error::with_message(ErrorKind::Other, "a streamed request body"));
        };
        let url = self.signer.sign(request.url());
        let mut builder = ::http::Request::builder()
            .method(request.method().as_ref())
            .uri(url.as_str());
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        // The text of the error could hold the URL or a header.
        builder
            .body(body.clone())
            .map_err(|_| Error::with_message(ErrorKind::Other, "the request is not valid HTTP"))
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> Result<AsyncRawResponse, Error> {
        let deadline = self.deadline(request);
        let answer = self
            .client
            .send_streaming(self.request(request)?, deadline)
            .await
            .map_err(failed)?;
        let (parts, body) = answer.into_parts();
        let headers = parts.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?.to_owned();
            Some((
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value),
            ))
        });
        let headers = Headers::from(headers.collect::<HashMap<_, _>>());
        Ok(AsyncRawResponse::new(
            parts.status.as_u16().into(),
            headers,
            pieces(body.with_idle_timeout(IDLE)),
        ))
    }
}

/// The body as it arrives, up to the limit.
fn pieces(body: http::Body) -> PinnedStream {
    let start = (Some(body), MAX_ANSWER_BYTES);
    Box::pin(stream::unfold(start, |(body, left)| async move {
        let mut body = body?;
        let piece = body.chunk().await?;
        match piece {
            Ok(piece) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Some((Ok(piece), (Some(body), left))),
                None => Some((Err(too_large()), (None, 0))),
            },
            Err(error) => Some((Err(failed(error)), (None, 0))),
        }
    }))
}

fn too_large() -> Error {
    Error::with_message(
        ErrorKind::Other,
        format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"),
    )
}

/// Only what may pass by itself is of a kind that the retry policy tries again; a certificate is not.
fn failed(error: http::Error) -> Error {
    let kind = match &error {
        http::Error::Transport { reason, .. } if reason.contains("certificate") => ErrorKind::Other,
        error if error.is_transient() => ErrorKind::Io,
        _ => ErrorKind::Other,
    };
    Error::new(kind, error)
}

/// The length of `bytes=from-to`.
fn range_bytes(header: &str) -> Option<u64> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    Some(to.saturating_sub(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::Method;

    #[test]
    fn a_sas_joins_the_query_that_is_there_and_is_never_shown() {
        let signer = Signer::Sas(Zeroizing::new("sv=1&sig=SECRET%2B".to_owned()));
        let plain = Url::parse("https://h.example/c/b").unwrap();
        assert_eq!(
            signer.sign(&plain).as_str(),
            "https://h.example/c/b?sv=1&sig=SECRET%2B"
        );
        let listed = Url::parse("https://h.example/c?comp=list").unwrap();
        assert_eq!(
            signer.sign(&listed).as_str(),
            "https://h.example/c?comp=list&sv=1&sig=SECRET%2B"
        );
        assert!(!format!("{signer:?}").contains("SECRET"));
        assert_eq!(Signer::None.sign(&plain).as_str(), plain.as_str());
    }

    #[test]
    fn a_key_makes_a_sas_that_runs_out_soon() {
        let key = SharedKey::from_base64("acct", "c2VjcmV0").unwrap();
        let query = Signer::Key(key).query().unwrap();
        let terms = super::super::sas::Terms::parse(&query);
        let left = terms.expiry.unwrap().duration_since(Timestamp::now());
        assert!(left <= KEY_SAS_LIFE && left > SignedDuration::from_mins(29));
        assert_eq!(terms.permissions.as_deref(), Some(KEY_PERMISSIONS));
    }

    #[test]
    fn the_deadline_grows_with_the_bytes_that_move() {
        assert_eq!(range_bytes("bytes=0-4194303"), Some(4_194_303));
        assert_eq!(range_bytes("bytes=5-"), None);
        let client = Client::builder().system_bundle(false).build().unwrap();
        let transport = Transport::new(client, Signer::None, Duration::from_mins(1));
        let mut request = Request::new(Url::parse("https://h.example").unwrap(), Method::Put);
        let short = transport.deadline(&request).remaining();
        request.set_body(vec![0; 8 << 20]);
        let long = transport.deadline(&request).remaining();
        assert!(
            short <= Duration::from_mins(1) && long > Duration::from_mins(5),
            "{long:?}"
        );
    }
}
