//! Bodies that are hashed while they pass, frame by frame, and never held.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};
use trustbridge_tbenc::Sha256;

use super::upstream::Answer;
use super::{BoxError, REQUEST_BYTES, Record, TooLarge};
use crate::audit::{Audit, Entry, Outcome};
use crate::billing::{AnswerMeter, Asked, Unasked, Wish};
use crate::shared::{InFlight, Shared};

/// A runtime that says nothing for so long in the middle of an answer has lost the thread.
const IDLE: Duration = Duration::from_mins(5);
/// What a client sends faster than it would connect anew, and the time that it has for it.
const SHORT: u64 = 64 << 10;
const SHORT_TIME: Duration = Duration::from_secs(1);

/// Digest and length of what passed so far.
#[derive(Default)]
pub(super) struct Tally {
    /// From the first byte on.
    sha256: Option<Sha256>,
    bytes: u64,
    too_large: bool,
    /// Where it is of interest what the client asks to be told.
    wish: Option<Wish>,
}

impl Tally {
    /// Of a request that may ask for usage in its stream.
    pub(super) fn with_wish() -> Self {
        Self {
            wish: Some(Wish::default()),
            ..Self::default()
        }
    }

    /// What the client asked to be told; nothing where that is of no interest.
    pub(super) fn asked(&self) -> Option<Asked> {
        self.wish.as_ref().map(Wish::asked)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sha256.get_or_insert_default().update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn too_large(&self) -> bool {
        self.too_large
    }

    fn sum(self) -> String {
        self.sha256.unwrap_or_default().finish_hex()
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
        let is_last = self.inner.is_end_stream();
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let is_all = is_last && tally.bytes == 0;
        tally.add(&data);
        if let Some(wish) = &mut tally.wish {
            wish.feed(&data, is_all);
        }
        if tally.bytes > REQUEST_BYTES {
            tally.too_large = true;
            return Poll::Ready(Some(Err(TooLarge.into())));
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

/// Reads what is short of a request that was refused, so that its connection can have another one. Whether all of it was
/// read: of what is longer, or waits for our word (RFC 9110 section 10.1.1), nothing is.
pub(super) async fn pass_over(request: Request<Incoming>) -> bool {
    if request.body().is_end_stream() {
        return true;
    }
    let is_short = request
        .body()
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= SHORT);
    if !is_short || request.headers().contains_key(EXPECT) {
        return false;
    }
    let mut body = request.into_body();
    let reading = async {
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    matches!(timeout(SHORT_TIME, reading).await, Ok(Ok(())))
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
        let request = std::mem::take(&mut *self.request.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.metrics.answered(self.status);
        let (req_bytes, resp_bytes) = (request.bytes, answer.bytes);
        self.audit.add(&Entry {
            req_sha256: &request.sum(),
            req_bytes,
            resp_sha256: &answer.sum(),
            resp_bytes,
            ..self.record.entry(self.status, outcome)
        });
        drop(guard);
    }

    /// Who ended an answer that did not come to its end.
    fn cut_by(&self) -> Outcome {
        if self.shared.is_cutting() {
            Outcome::SentinelClosed
        } else {
            Outcome::ClientClosed
        }
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
        let outcome = self.cut_by();
        self.finish(Tally::default(), outcome);
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
    inner: Answer,
    silence: Silence,
    tally: Tally,
    failed: bool,
    ended: bool,
    /// Of an answer that is billed.
    meter: Option<AnswerMeter>,
    /// Of a stream in which the runtime tells more than the client asked for.
    unasked: Option<Unasked>,
    ending: Ending,
}

impl AnswerBody {
    pub(super) fn new(
        inner: Answer,
        meter: Option<AnswerMeter>,
        unasked: Option<Unasked>,
        ending: Ending,
    ) -> Self {
        Self {
            inner,
            silence: Silence::default(),
            tally: Tally::default(),
            failed: false,
            ended: false,
            meter,
            unasked,
            ending,
        }
    }

    /// What of a frame goes on to the client, hashed and counted as it goes; nothing where all of it waits or stays here.
    fn onward(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let data = match frame.into_data() {
            Ok(data) => data,
            // A stream that is changed has no trailers that speak of it.
            Err(trailers) => return self.unasked.is_none().then_some(trailers),
        };
        if let Some(meter) = &mut self.meter {
            meter.read(&data);
        }
        match &mut self.unasked {
            Some(unasked) => {
                let left = unasked.pass(&data);
                (!left.is_empty()).then(|| self.sent(left))
            }
            None => Some(self.sent(data)),
        }
    }

    fn sent(&mut self, data: Bytes) -> Frame<Bytes> {
        self.tally.add(&data);
        if let Some(meter) = &self.meter {
            meter.sent(data.len());
        }
        Frame::data(data)
    }

    /// The end of the runtime's answer: what is held of its last event, then nothing.
    fn end(&mut self) -> Option<Frame<Bytes>> {
        self.ended = true;
        let rest = self.unasked.as_mut().map(Unasked::finish)?;
        (!rest.is_empty()).then(|| self.sent(rest))
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
        while !self.ended {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.silence.is_over();
                    if let Some(frame) = self.onward(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.fail(error.into()),
                Poll::Ready(None) => return Poll::Ready(self.end().map(Ok)),
                Poll::Pending if self.silence.is_too_long(cx) => {
                    return self.fail("the runtime stopped in the middle of its answer".into());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.unasked.as_ref().is_none_or(Unasked::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.unasked {
            // Less than the runtime sends, and nobody knows how much less.
            Some(_) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}

impl Drop for AnswerBody {
    /// The only place where an answer surely ends: hyper does not ask for the end of a body whose length it
    /// knows, and drops the body of a client that went away.
    fn drop(&mut self) {
        let outcome = match (self.failed, self.ended || self.inner.is_end_stream()) {
            (true, _) => Outcome::MidStreamError,
            (false, true) => Outcome::Ok,
            (false, false) => self.ending.cut_by(),
        };
        let answer = std::mem::take(&mut self.tally);
        if let Some(meter) = &self.meter {
            meter.end(self.ending.request_bytes());
        }
        self.ending.finish(answer, outcome);
    }
}
