//! The public port: a streaming reverse proxy to the runtime, bound in Ready and never before.

mod body;
mod certificate;
mod forward;
mod framing;
mod headers;
mod linger;
mod listen;
#[cfg(test)]
mod port_tests;
mod refusal;
mod routes;
#[cfg(test)]
mod tests;
mod tokens;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Incoming};
use trustbridge_domain::sentinel::State;
use trustbridge_tbenc::hex_digest;

use crate::audit::{Audit, Entry, Outcome};
use crate::billing::Billing;
use crate::config::Config;
use crate::shared::Shared;
use framing::Findings;
use refusal::Refusal;
use routes::Routes;
use tokens::Tokens;
use upstream::Upstream;

pub(crate) use certificate::tls_acceptor;
pub(crate) use listen::{Serving, serve};

/// How often it is looked whether requests are under way, at the end.
const LOOK: Duration = Duration::from_millis(50);
/// So much of a path stands in a record.
const PATH_CHARS: usize = 512;
/// Largest request body.
const REQUEST_BYTES: u64 = 32 << 20;

/// A request's body is longer than [`REQUEST_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("the request body is too large")]
struct TooLarge;

/// Whatever goes wrong with a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every answer.
type Answer = Response<BoxBody<Bytes, BoxError>>;

/// See the module.
pub(crate) struct Proxy {
    upstream: Arc<Upstream>,
    routes: Routes,
    tokens: Option<Tokens>,
    audit: Arc<Audit>,
    shared: Arc<Shared>,
    billing: Arc<Billing>,
}

impl Proxy {
    pub(crate) fn new(
        config: &Config,
        audit: Arc<Audit>,
        shared: Arc<Shared>,
        billing: Arc<Billing>,
    ) -> Self {
        Self {
            upstream: Arc::new(Upstream::new(config.runtime.clone())),
            routes: Routes::new(&config.proxy_allow),
            tokens: config.tokens_path.clone().map(Tokens::new),
            audit,
            shared,
            billing,
        }
    }

    /// Returns when for so long no request was under way.
    async fn quiet(&self, long: Duration) {
        let mut since = tokio::time::Instant::now();
        while since.elapsed() < long {
            tokio::time::sleep(LOOK).await;
            if self.shared.in_flight() > 0 {
                since = tokio::time::Instant::now();
            }
        }
    }

    /// Answers one request. `/health` is for load balancers and leaves no record; asked with a token, it says besides
    /// whether that is accepted.
    async fn handle(&self, request: Request<Incoming>, findings: &Findings) -> Answer {
        let mut answer = self.answer(request, findings).await;
        if findings.is_last() || self.shared.is_draining() {
            say_close(&mut answer);
        }
        answer
    }

    async fn answer(&self, request: Request<Incoming>, findings: &Findings) -> Answer {
        if is_health(&request) && !self.is_wrong(request.headers()) {
            return self.health();
        }
        let guard = self.shared.begin();
        let record = Record::of(&request);
        let (refusal, outcome, is_read) = match self.admit(&request, findings) {
            Ok(()) => {
                let is_read = request.body().is_end_stream();
                match forward::forward(self, request, &record, guard).await {
                    Ok(answer) => return answer,
                    Err((refusal, outcome)) => (refusal, outcome, is_read),
                }
            }
            Err(refusal) => {
                // No work: who has no token must not keep a drain from its end.
                drop(guard);
                let may_stay = !findings.is_ambiguous() && !self.shared.is_draining();
                let is_read = may_stay && body::pass_over(request).await;
                (refusal, Outcome::Refused, is_read)
            }
        };
        let mut answer = refusal.answer();
        if !is_read {
            say_close(&mut answer);
        }
        self.shared.metrics.answered(refusal.status.as_u16());
        self.record_refusal(&record, &refusal, outcome);
        answer
    }

    fn record_refusal(&self, record: &Record, refusal: &Refusal, outcome: Outcome) {
        let answer = refusal.body();
        let sums = (hex_digest(b""), hex_digest(answer.as_bytes()));
        self.audit.add(&Entry {
            req_sha256: &sums.0,
            resp_sha256: &sums.1,
            resp_bytes: answer.len() as u64,
            ..record.entry(refusal.status.as_u16(), outcome)
        });
    }

    fn health(&self) -> Answer {
        let serving = self.shared.is_serving();
        let status = if serving {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let text = format!("{{\"state\":\"{}\"}}\n", self.shared.state().as_str());
        refusal::json(status, text)
    }

    /// Whether somebody shows a token, and it is not accepted.
    fn is_wrong(&self, headers: &HeaderMap) -> bool {
        let shown = headers.contains_key(AUTHORIZATION);
        shown && self.tokens.as_ref().is_some_and(|tokens| !tokens.accept(headers))
    }

    /// Every reason not to forward, in the order in which a client should learn them.
    fn admit(&self, request: &Request<Incoming>, findings: &Findings) -> Result<(), Refusal> {
        if findings.is_ambiguous() {
            return Err(Refusal::framing());
        }
        headers::check_framing(request.headers())?;
        self.check_state()?;
        // With a right token, or none, it would have been answered before.
        if is_health(request) {
            return Err(Refusal::unauthorized());
        }
        if !self.routes.allows(request.method(), request.uri().path()) {
            return Err(Refusal::not_found());
        }
        if self
            .tokens
            .as_ref()
            .is_some_and(|tokens| !tokens.accept(request.headers()))
        {
            return Err(Refusal::unauthorized());
        }
        if request.body().size_hint().lower() > REQUEST_BYTES {
            return Err(Refusal::too_large());
        }
        Ok(())
    }

    fn check_state(&self) -> Result<(), Refusal> {
        match self.shared.state() {
            State::Suspended(cause) => Err(Refusal::suspended(cause)),
            _ if self.shared.is_draining() => Err(Refusal::unavailable("draining")),
            State::Ready => Ok(()),
            _ => Err(Refusal::unavailable("loading")),
        }
    }
}

/// What the audit log will say of a request, as far as it is known at its beginning.
#[derive(Clone)]
struct Record {
    ts: jiff::Timestamp,
    started: Instant,
    method: Method,
    uri: Uri,
}

impl Record {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            ts: jiff::Timestamp::now(),
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    fn latency_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The path, or as much of it as a record has room for.
    fn path(&self) -> &str {
        let path = self.uri.path();
        let end = path.char_indices().nth(PATH_CHARS);
        end.and_then(|(at, _)| path.get(..at)).unwrap_or(path)
    }

    /// The record of an answer that ends now, without its bodies.
    fn entry(&self, status: u16, outcome: Outcome) -> Entry<'_> {
        Entry {
            ts: self.ts,
            method: self.method.as_str(),
            path: self.path(),
            req_sha256: "",
            req_bytes: 0,
            resp_sha256: "",
            resp_bytes: 0,
            status,
            latency_ms: self.latency_ms(),
            outcome,
        }
    }
}

fn is_health<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/health" && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Tells the client that this is the connection's last answer (RFC 9112 section 9.6).
fn say_close(answer: &mut Answer) {
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}

fn full(bytes: impl Into<Bytes>) -> BoxBody<Bytes, BoxError> {
    use http_body_util::BodyExt as _;
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}
