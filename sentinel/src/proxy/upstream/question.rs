//! A request on its way to the runtime. The head and the first piece of the body leave together.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Uri};
use hyper::body::Body;

use super::link::Link;
use crate::proxy::BoxError;

/// Room for an ordinary head.
const HEAD_BYTES: usize = 1024;
/// Pieces that wait to be written, and are written at once. A client that sends faster than the runtime reads waits.
const PIECES: usize = 4;

/// See the module.
pub(super) struct Question<B> {
    method: Method,
    waiting: VecDeque<Bytes>,
    body: B,
    is_chunked: bool,
    /// All of the body waits or left.
    has_all: bool,
    /// Bytes of the body that are still to come, where the head says how many there are.
    to_come: Option<u64>,
    /// Something left, or the body broke off: it cannot be asked anew.
    is_spent: bool,
}

impl<B> Question<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// `head` has the headers that the runtime is to see, none about the body's length among them.
    pub(super) fn new(head: &Parts, body: B) -> Self {
        let length = body.size_hint().exact();
        let mut waiting = VecDeque::with_capacity(PIECES);
        waiting.push_back(encode(head, length));
        Self {
            method: head.method.clone(),
            waiting,
            has_all: body.is_end_stream(),
            body,
            is_chunked: length.is_none(),
            to_come: length,
            is_spent: false,
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it may be asked anew on another connection: nothing of it left, and all of its body is still there. A head
    /// must never go out whose body will not follow: what comes next on that connection would be taken for it.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_spent
    }

    /// Ready when all of it left.
    pub(super) fn poll_send(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let pulled = self.poll_pull(cx)?;
            if self.waiting.is_empty() {
                return pulled.map(Ok);
            }
            let mut slices = [IoSlice::new(&[]); PIECES];
            for (slice, piece) in slices.iter_mut().zip(&self.waiting) {
                *slice = IoSlice::new(piece);
            }
            let mut written = ready!(link.poll_write(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.is_spent = true;
            while let Some(piece) = self.waiting.front_mut() {
                if written < piece.len() {
                    piece.advance(written);
                    break;
                }
                written -= piece.len();
                self.waiting.pop_front();
            }
        }
    }

    /// Takes a piece of the body, as long as there is room for it. Ready at the body's end.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, io::Error> {
        // A piece of a chunked body comes with two pieces of framing.
        while !self.has_all && self.waiting.len() + 3 <= PIECES {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return Ok(Poll::Pending);
            };
            match frame {
                Some(frame) => {
                    let frame = frame.map_err(|error| self.broken(error))?;
                    self.add(frame.into_data().unwrap_or_default())?;
                    self.has_all = !self.is_chunked && self.body.is_end_stream();
                }
                None => self.has_all = true,
            }
            if self.has_all && self.to_come.is_some_and(|bytes| bytes > 0) {
                return Err(self.broken("the body is shorter than its length"));
            }
            if self.has_all && self.is_chunked {
                self.waiting.push_back(Bytes::from_static(b"0\r\n\r\n"));
            }
        }
        Ok(if self.has_all {
            Poll::Ready(())
        } else {
            Poll::Pending
        })
    }

    fn broken(&mut self, why: impl Into<BoxError>) -> io::Error {
        self.is_spent = true;
        io::Error::other(why)
    }

    fn add(&mut self, data: Bytes) -> io::Result<()> {
        // An empty chunk would be the last one.
        if data.is_empty() {
            return Ok(());
        }
        if let Some(bytes) = self.to_come {
            let left = bytes.checked_sub(data.len() as u64);
            self.to_come = Some(left.ok_or_else(|| self.broken("the body is longer than its length"))?);
        }
        if self.is_chunked {
            self.waiting
                .push_back(Bytes::from(format!("{:x}\r\n", data.len())));
        }
        self.waiting.push_back(data);
        if self.is_chunked {
            self.waiting.push_back(Bytes::from_static(b"\r\n"));
        }
        Ok(())
    }
}

/// The rest of a question whose answer began before all of it left, whatever its body is.
pub(super) trait Rest: Send + Sync {
    /// As [`Question::poll_send`].
    fn poll_send(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<B> Rest for Question<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + Sync,
{
    fn poll_send(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Question::poll_send(self, link, cx)
    }
}

/// The head as it goes over the wire. Method, path and headers were parsed before, so no line ends are in them.
fn encode(head: &Parts, length: Option<u64>) -> Bytes {
    let mut text = BytesMut::with_capacity(HEAD_BYTES);
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.extend_from_slice(b" ");
    text.extend_from_slice(target(&head.uri).as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    // A buffer takes whatever is written to it.
    let _ = match length {
        Some(0) if matches!(head.method, Method::GET | Method::HEAD) => Ok(()),
        Some(bytes) => write!(text, "content-length: {bytes}\r\n"),
        None => text.write_str("transfer-encoding: chunked\r\n"),
    };
    text.extend_from_slice(b"\r\n");
    text.freeze()
}

/// Path and query; of a request that names the host as well, too.
fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}
