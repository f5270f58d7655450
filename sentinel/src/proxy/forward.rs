//! One request to the runtime and its answer back.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::{AnswerBody, Ending, RequestBody, SharedTally};
use super::refusal::Refusal;
use super::upstream::{self, Connection};
use super::{Answer, Proxy, Record, headers};
use crate::audit::Outcome;
use crate::billing::AnswerMeter;
use crate::shared::InFlight;

/// A long completion without streaming answers after minutes.
const ANSWER: Duration = Duration::from_mins(10);
/// What a record says where the client went away before there was a status. No RFC has a word for it; logs of
/// other proxies use this number.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Sends the request on; the audit record is written when the answer's body is done with.
pub(super) async fn forward(
    proxy: &Proxy,
    request: Request<Incoming>,
    record: &Record,
    guard: InFlight,
) -> Result<Answer, (Refusal, Outcome)> {
    // Before the first wait: a client that goes away while the runtime thinks drops this future.
    let mut ending = Ending {
        record: record.clone(),
        status: CLIENT_CLOSED_REQUEST,
        request: SharedTally::default(),
        audit: Arc::clone(&proxy.audit),
        shared: Arc::clone(&proxy.shared),
        guard: Some(guard),
    };
    match ask(proxy, request, &ending.request).await {
        Ok((answer, connection)) => {
            let (parts, body) = answer.into_parts();
            ending.status = parts.status.as_u16();
            let meter = is_billed(record, parts.status).then(|| {
                let kind = parts
                    .headers
                    .get(CONTENT_TYPE)
                    .and_then(|kind| kind.to_str().ok());
                AnswerMeter::begin(Arc::clone(&proxy.billing), kind)
            });
            let way_back = (Arc::clone(&proxy.upstream), connection);
            let mut answer = Response::new(AnswerBody::new(body, meter, ending, way_back).boxed());
            *answer.status_mut() = parts.status;
            *answer.headers_mut() = headers::to_client(parts.headers);
            Ok(answer)
        }
        Err(refused) => {
            // The caller answers, and writes the record of its answer.
            ending.disarm();
            Err(refused)
        }
    }
}

/// What the runtime did for a client: a list of models is no work, and a refusal no result.
fn is_billed(record: &Record, status: StatusCode) -> bool {
    record.method == "POST" && status.is_success()
}

/// Sends the request to the runtime and waits for the head of its answer.
async fn ask(
    proxy: &Proxy,
    request: Request<Incoming>,
    tally: &SharedTally,
) -> Result<(Response<Incoming>, Connection), (Refusal, Outcome)> {
    let upstream = |refusal| (refusal, Outcome::UpstreamError);
    let request = rewrite(request, tally.clone()).map_err(|_| (Refusal::not_found(), Outcome::Refused))?;
    match tokio::time::timeout(ANSWER, proxy.upstream.send(request)).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(upstream::Error::Unreachable(error))) => {
            tracing::warn!(%error, "the runtime cannot be reached");
            Err(upstream(Refusal::unreachable()))
        }
        Ok(Err(_)) if tally.lock().unwrap_or_else(PoisonError::into_inner).too_large() => {
            Err((Refusal::too_large(), Outcome::Refused))
        }
        Ok(Err(upstream::Error::Broken(error))) => {
            tracing::warn!(%error, "the runtime gave no answer");
            Err(upstream(Refusal::unreachable()))
        }
        Err(_) => Err(upstream(Refusal::late())),
    }
}

fn rewrite(request: Request<Incoming>, tally: SharedTally) -> http::Result<Request<RequestBody>> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut rewritten = Request::builder()
        .method(parts.method)
        .uri(target)
        .body(RequestBody::new(body, tally))?;
    *rewritten.headers_mut() = headers::to_runtime(parts.headers);
    Ok(rewritten)
}
