//! One request to the runtime and its answer back.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::{AnswerBody, Ending, RequestBody, SharedTally, Tally};
use super::refusal::Refusal;
use super::upstream;
use super::{Answer, Proxy, Record, headers, say_close};
use crate::audit::Outcome;
use crate::billing::{AnswerMeter, Unasked, is_stream};
use crate::shared::InFlight;

/// A long completion without streaming answers after minutes.
const ANSWER: Duration = Duration::from_mins(10);
/// What a record says where the client went away before there was a status. No RFC has a word for it; logs of
/// other proxies use this number.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Where the runtime tells usage in streams because we ask it to; elsewhere it belongs to the answer.
const TOLD_UNASKED: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

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
        request: tally_of(record),
        audit: Arc::clone(&proxy.audit),
        shared: Arc::clone(&proxy.shared),
        guard: Some(guard),
    };
    match ask(proxy, request, &ending.request).await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            ending.status = parts.status.as_u16();
            let kind = parts
                .headers
                .get(CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok());
            let meter =
                is_billed(record, parts.status).then(|| AnswerMeter::begin(Arc::clone(&proxy.billing), kind));
            let unasked = unasked(kind, &ending.request);
            let is_changed = unasked.is_some();
            let is_early = body.is_early();
            let mut answer = Response::new(AnswerBody::new(body, meter, unasked, ending).boxed());
            *answer.status_mut() = parts.status;
            *answer.headers_mut() = headers::to_client(parts.headers);
            if is_changed {
                answer.headers_mut().remove(CONTENT_LENGTH);
            }
            if is_early {
                // Nobody knows now whether the rest of the request will be read before the answer is over.
                say_close(&mut answer);
            }
            Ok(answer)
        }
        Err(refused) => {
            // The caller answers, and writes the record of its answer.
            ending.disarm();
            Err(refused)
        }
    }
}

/// Listens to what the client asks for where that decides what it is told.
fn tally_of(record: &Record) -> SharedTally {
    let is_told = TOLD_UNASKED.contains(&record.path());
    let tally = if is_told {
        Tally::with_wish()
    } else {
        Tally::default()
    };
    SharedTally::new(tally.into())
}

/// What takes out of a stream what nobody asked for.
fn unasked(kind: Option<&str>, request: &SharedTally) -> Option<Unasked> {
    let asked = request.lock().unwrap_or_else(PoisonError::into_inner).asked()?;
    is_stream(kind).then(|| Unasked::of(asked))?
}

/// What the runtime did for a client: a list of models is no work, and a refusal no result.
fn is_billed(record: &Record, status: StatusCode) -> bool {
    record.method == Method::POST && status.is_success()
}

/// Sends the request to the runtime and waits for the head of its answer.
async fn ask(
    proxy: &Proxy,
    request: Request<Incoming>,
    tally: &SharedTally,
) -> Result<Response<upstream::Answer>, (Refusal, Outcome)> {
    let upstream = |refusal| (refusal, Outcome::UpstreamError);
    let (mut head, body) = request.into_parts();
    head.headers = headers::to_runtime(head.headers);
    let body = RequestBody::new(body, tally.clone());
    if proxy.shared.in_flight() > 1 {
        // The other requests of this turn are read first, and all of them leave together: to wake the runtime once for
        // each costs more than this detour.
        tokio::task::yield_now().await;
    }
    match tokio::time::timeout(ANSWER, proxy.upstream.send(&head, body)).await {
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
