//! The body of an answer as it comes from the runtime, and the connection's way back when all of it came.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::Upstream;
use super::framing::Framing;
use super::link::Link;

/// See the module.
pub(in crate::proxy) struct Answer {
    /// Gone once it was given back.
    link: Option<Link>,
    framing: Framing,
    /// The connection can have another exchange.
    keeps: bool,
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
            failed: None,
            upstream,
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
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
    /// An answer that was not read to its end takes its connection with it: the runtime is to see that nobody listens.
    fn drop(&mut self) {
        if self.keeps
            && self.framing.is_over()
            && let Some(link) = self.link.take()
        {
            self.upstream.keep(link);
        }
    }
}
