//! Bodies that are hashed while they pass, frame by frame, and never held.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use trustbridge_tbenc::Sha256;

use super::upstream::{Connection, Upstream};
use super::{BoxError, REQUEST_BYTES, Record};
use crate::audit::{Audit, Entry, Outcome};
use crate::billing::AnswerMeter;
use crate::shared::{InFlight, Shared};

/// A runtime that says nothing for so long in the middle of an answer has lost the thread.
const IDLE: Duration = Duration::from_mins(5);

/// Digest and length of what passed so far.
#[derive(Clone, Default)]
pub(super) struct Tally {
    sha256: Sha256,
    bytes: u64,
    too_large: bool,
}

impl Tally {
    fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn too_large(&self) -> bool {
        self.too_large
    }
}

/// A tally that the audit reads when the answer ends.
pub(super) type SharedTally = Arc<Mutex<Tally>>;

/// The request's body on its way to the runtime.
pub(super) struct RequestBody {
    inner: Incoming,
    tally: SharedTally,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, tally: SharedTally) -> Self {
        Self { inner, tally }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other.map_err(Into::into),
        };
        let Ok(data) = frame.into_data() else {
            // Trailers end here: the runtime has no use for them.
            return Poll::Ready(None);
        };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(&data);
        if tally.bytes > REQUEST_BYTES {
            tally.too_large = true;
            return Poll::Ready(Some(Err("the request body is too large".into())));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What is written when an answer ends, however it ends.
pub(super) struct Ending {
    pub(super) record: Record,
    pub(super) status: u16,
    pub(super) request: SharedTally,
    pub(super) audit: Arc<Audit>,
    pub(super) shared: Arc<Shared>,
    /// Counts as under way until the record is written; none once it is.
    pub(super) guard: Option<InFlight>,
}

impl Ending {
    /// Writes the record, once.
    fn finish(&mut self, answer: Tally, outcome: Outcome) {
        let Some(guard) = self.guard.take() else {
            return;
        };
        let request = self
            .request
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.shared.metrics.answered(self.status);
        self.audit
            .write(&self.record.entry(self.status, request, answer, outcome));
        drop(guard);
    }

    fn request_bytes(&self) -> u64 {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Somebody else writes the record.
    pub(super) fn disarm(mut self) {
        self.guard = None;
    }
}

impl Drop for Ending {
    /// Not finished before: nobody was left to have the answer.
    fn drop(&mut self) {
        self.finish(Tally::default(), Outcome::ClientClosed);
    }
}

/// How long the runtime has said nothing. Most answers are there at once and never need the clock.
#[derive(Default)]
struct Silence {
    alarm: Option<Pin<Box<Sleep>>>,
    /// The alarm was set since the last frame.
    set: bool,
}

impl Silence {
    fn is_over(&mut self) {
        self.set = false;
    }

    fn is_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(IDLE)));
        if !self.set {
            alarm.as_mut().reset(Instant::now() + IDLE);
            self.set = true;
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

/// The answer's body on its way to the client.
pub(super) struct AnswerBody {
    inner: Incoming,
    silence: Silence,
    tally: Tally,
    failed: bool,
    ended: bool,
    /// The connection that the answer comes from, and where it goes when all of it came.
    way_back: Option<(Arc<Upstream>, Connection)>,
    /// Of an answer that is billed.
    meter: Option<AnswerMeter>,
    ending: Ending,
}

impl AnswerBody {
    pub(super) fn new(
        inner: Incoming,
        meter: Option<AnswerMeter>,
        ending: Ending,
        way_back: (Arc<Upstream>, Connection),
    ) -> Self {
        Self {
            inner,
            silence: Silence::default(),
            tally: Tally::default(),
            failed: false,
            ended: false,
            way_back: Some(way_back),
            meter,
            ending,
        }
    }

    fn fail<T>(&mut self, error: BoxError) -> Poll<Option<Result<T, BoxError>>> {
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.is_over();
                if let Some(data) = frame.data_ref() {
                    self.tally.add(data);
                    if let Some(meter) = &mut self.meter {
                        meter.pass(data);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.fail(error.into()),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending if self.silence.is_too_long(cx) => {
                self.fail("the runtime stopped in the middle of its answer".into())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for AnswerBody {
    /// The only place where an answer surely ends: hyper does not ask for the end of a body whose length it
    /// knows, and drops the body of a client that went away.
    fn drop(&mut self) {
        let outcome = match (self.failed, self.ended || self.inner.is_end_stream()) {
            (true, _) => Outcome::MidStreamError,
            (false, true) => Outcome::Ok,
            (false, false) => Outcome::ClientClosed,
        };
        if outcome == Outcome::Ok
            && let Some((upstream, connection)) = self.way_back.take()
        {
            upstream.keep(connection);
        }
        let answer = std::mem::take(&mut self.tally);
        if let Some(meter) = &self.meter {
            meter.end(self.ending.request_bytes());
        }
        self.ending.finish(answer, outcome);
    }
}

impl Record {
    pub(super) fn entry(&self, status: u16, request: Tally, answer: Tally, outcome: Outcome) -> Entry {
        Entry {
            ts: self.ts,
            method: self.method.clone(),
            path: self.path.clone(),
            req_bytes: request.bytes,
            req_sha256: request.sha256.finish_hex(),
            resp_bytes: answer.bytes,
            resp_sha256: answer.sha256.finish_hex(),
            status,
            latency_ms: self.latency_ms(),
            outcome,
        }
    }
}
