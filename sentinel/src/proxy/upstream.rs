//! The way to the runtime: connections that are kept for the next request, and one exchange after another on each.
//!
//! An exchange lives in its client's own task: nothing is handed from task to task, so that a request costs two writes
//! and two reads. Heads, sizes of chunks and trailers are parsed by httparse, as hyper does it.

mod answer;
mod framing;
mod head;
mod link;
mod question;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::Body;

use super::BoxError;
use crate::config::RuntimeTarget;
use head::Head;
use link::Link;
use question::Question;

pub(super) use answer::Answer;

const CONNECT: Duration = Duration::from_secs(5);
/// A connection is not used again when it was idle for longer. Model servers close theirs after seconds (uvicorn:
/// five), and a request that meets such an end on its way may have been worked on: it cannot be sent again.
const KEPT: Duration = Duration::from_secs(2);
/// How often connections are closed that were idle for too long.
const SWEEP: Duration = Duration::from_secs(1);
/// Idle connections at a time; more are closed.
const IDLE: usize = 64;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Error {
    /// Nobody listens.
    Unreachable(io::Error),
    /// The exchange broke off.
    Broken(io::Error),
}

/// See the module.
pub(super) struct Upstream {
    target: RuntimeTarget,
    /// The one used last is at the end, and is used next: the others grow old.
    idle: Mutex<Vec<(Link, Instant)>>,
}

impl Upstream {
    pub(super) fn new(target: RuntimeTarget) -> Self {
        Self {
            target,
            idle: Mutex::default(),
        }
    }

    /// Sends a request, over a kept connection if there is one, and waits for the head of the answer. `head` has the
    /// headers that the runtime is to see, none about the body's length among them. What of the body did not leave by then
    /// goes on leaving while the answer is read.
    pub(super) async fn send<B>(self: &Arc<Self>, head: &Parts, body: B) -> Result<Response<Answer>, Error>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + Sync + 'static,
    {
        let mut question = Question::new(head, body);
        while let Some(mut link) = self.take() {
            match exchange(&mut link, &mut question).await {
                Ok((head, sent)) => return Ok(self.answer(head, link, sent, question)),
                // It was closed in this moment, before anything of the request left.
                Err(_) if question.is_whole() => {}
                Err(error) => return Err(Error::Broken(error)),
            }
        }
        let mut link = tokio::time::timeout(CONNECT, Link::open(&self.target))
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            .map_err(Error::Unreachable)?;
        let (head, sent) = exchange(&mut link, &mut question).await.map_err(Error::Broken)?;
        Ok(self.answer(head, link, sent, question))
    }

    fn answer<B>(
        self: &Arc<Self>,
        head: Head,
        link: Link,
        sent: Sent,
        question: Question<B>,
    ) -> Response<Answer>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + Sync + 'static,
    {
        let body = Answer::new(link, head.framing, head.keeps, Arc::clone(self));
        let body = match sent {
            Sent::All => body,
            Sent::Some => body.early(Some(Box::new(question))),
            Sent::Cut => body.early(None),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        answer
    }

    /// Takes back a connection whose answer was read to its end.
    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((_, oldest)) = idle.first()
            && (idle.len() >= IDLE || now.duration_since(*oldest) >= KEPT)
        {
            idle.remove(0);
        }
        idle.push((link, now));
    }

    /// Closes connections that are too old to be used again, without end: a runtime must not hold them until somebody
    /// asks something.
    pub(super) async fn close_stale(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(_, since)| since.elapsed() < KEPT);
        }
    }

    /// The connection that was used last and can be used again.
    fn take(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((link, since)) = idle.pop() {
            if since.elapsed() >= KEPT {
                // Those before it are older.
                idle.clear();
            } else if link.is_quiet() {
                return Some(link);
            }
        }
        None
    }
}

/// Sends the question and waits for the head of its answer, which may come before all of the question left.
async fn exchange<B>(link: &mut Link, question: &mut Question<B>) -> io::Result<(Head, Sent)>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut sent = Sent::Some;
    poll_fn(|cx| {
        if sent == Sent::Some {
            sent = match question.poll_send(link, cx) {
                Poll::Pending => Sent::Some,
                Poll::Ready(Ok(())) => Sent::All,
                // A runtime that takes no more of it may have said why.
                Poll::Ready(Err(error)) if !question.is_whole() && is_closed(&error) => Sent::Cut,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            };
        }
        let head = ready!(poll_head(link, question.method(), cx))?;
        Poll::Ready(Ok((head, sent)))
    })
    .await
}

/// How much of a question left before its answer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Not all; the rest may follow.
    Some,
    All,
    /// As much as the runtime took.
    Cut,
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

fn poll_head(link: &mut Link, method: &Method, cx: &mut Context<'_>) -> Poll<io::Result<Head>> {
    loop {
        if !link.buffer.is_empty()
            && let Some(head) = head::take(&mut link.buffer, method)?
        {
            return Poll::Ready(Ok(head));
        }
        if ready!(link.poll_fill(cx))? == 0 {
            let text = "it closed the connection without an answer";
            return Poll::Ready(Err(io::Error::new(ErrorKind::UnexpectedEof, text)));
        }
    }
}
