//! The body of an answer as it comes from the runtime, and the connection's way back when all of it came.
//!
//! A runtime may answer before it read the whole request. What is left of it is sent on for as long as the runtime reads
//! and the answer lasts, because the answer may depend on it; an answer that is over first ends both connections
//! (RFC 9112 sections 9.3 and 9.5).

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::Upstream;
use super::framing::Framing;
use super::link::Link;
use super::question::Rest;
use crate::proxy::TooLarge;

/// See the module.
pub(in crate::proxy) struct Answer {
    /// Gone once it was given back.
    link: Option<Link>,
    framing: Framing,
    /// The connection can have another exchange, if all of the question leaves.
    keeps: bool,
    is_early: bool,
    /// What of the question did not leave yet.
    rest: Option<Box<dyn Rest>>,
    /// Told at the next poll.
    failed: Option<io::Error>,
    upstream: Arc<Upstream>,
}

impl Answer {
    pub(super) fn new(link: Link, framing: Framing, keeps: bool, upstream: Arc<Upstream>) -> Self {
        Self {
            link: Some(link),
            framing,
            keeps,
            is_early: false,
            rest: None,
            failed: None,
            upstream,
        }
    }

    /// It began before all of the question left. Without a rest the runtime takes no more of it.
    pub(super) fn early(mut self, rest: Option<Box<dyn Rest>>) -> Self {
        self.is_early = true;
        self.keeps &= rest.is_some();
        self.rest = rest;
        self
    }

    /// Whether it began before all of the question left.
    pub(in crate::proxy) fn is_early(&self) -> bool {
        self.is_early
    }

    /// Sends what the runtime takes of the rest of the question.
    fn send_on(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let (Some(rest), Some(link)) = (&mut self.rest, &mut self.link) else {
            return Ok(());
        };
        match rest.poll_send(link, cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            // What nobody may send has no answer either.
            Poll::Ready(Err(error)) if is_too_large(&error) => return Err(error),
            // The runtime wants no more, or the client has no more. The answer to what came is still to come.
            Poll::Ready(Err(_)) => self.keeps = false,
        }
        self.rest = None;
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.send_on(cx)?;
        let Some(link) = &mut self.link else {
            return Poll::Ready(Ok(None));
        };
        loop {
            if let Some(data) = self.framing.take(&mut link.buffer)? {
                return Poll::Ready(Ok(Some(data)));
            }
            if self.framing.is_over() {
                return Poll::Ready(Ok(None));
            }
            if ready!(link.poll_fill(cx))? > 0 {
                continue;
            }
            if self.framing != Framing::UntilClose {
                let text = "the runtime closed the connection in the middle of its answer";
                return Poll::Ready(Err(io::Error::new(ErrorKind::UnexpectedEof, text)));
            }
            self.framing = Framing::Length(0);
        }
    }
}

fn is_too_large(error: &io::Error) -> bool {
    let why = error.get_ref();
    why.is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLarge>)
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.poll_data(cx)) {
            Ok(data) => Poll::Ready(data.map(|data| Ok(Frame::data(data)))),
            Err(error) => {
                // An error ends the client's connection at once. What came before it is sent first.
                self.link = None;
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(bytes) => SizeHint::with_exact(bytes),
            Framing::UntilClose | Framing::Chunked(_) => SizeHint::default(),
        }
    }
}

impl Drop for Answer {
    /// An answer that was not read to its end takes its connection with it: the runtime is to see that nobody listens. So
    /// does one before whose end the question did not leave: what followed would be taken for the rest of it.
    fn drop(&mut self) {
        if self.keeps
            && self.rest.is_none()
            && self.framing.is_over()
            && let Some(link) = self.link.take()
        {
            self.upstream.keep(link);
        }
    }
}
