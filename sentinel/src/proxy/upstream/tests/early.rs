//! Answers that begin before all of their question left.

use super::super::link::Link;
use super::super::{Answer, Upstream};
use super::upstream;
use crate::proxy::{BoxError, TooLarge};
use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// A body that says a piece, and the next one when it is given.
fn slow_body() -> (
    tokio::sync::mpsc::UnboundedSender<Bytes>,
    impl Body<Data = Bytes, Error = Infallible>,
) {
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
    let pieces = futures::stream::poll_fn(move |cx| given.poll_recv(cx));
    (give, StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))))
}

async fn sent(
    upstream: &Arc<Upstream>,
    body: impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + Sync + 'static,
) -> http::Response<Answer> {
    let head = Request::post("/x").body(()).unwrap().into_parts().0;
    upstream.send(&head, body).await.unwrap()
}

/// A connection to a runtime, and the runtime's end of it.
fn link_of(upstream: &Upstream) -> UnixStream {
    let (near, far) = UnixStream::pair().unwrap();
    upstream.keep(Link::over_unix(near));
    far
}

/// The next piece of an answer's body.
async fn next_of(answer: &mut Answer) -> Bytes {
    let frame = in_time(answer.frame()).await.unwrap().unwrap();
    frame.into_data().unwrap()
}

const EARLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab";

/// What never comes fails the test, and does not hold it up.
async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_rest_of_a_question_leaves_while_its_answer_comes() {
    let upstream = upstream();
    let mut far = link_of(&upstream);
    let (give, body) = slow_body();
    give.send(Bytes::from_static(b"first")).unwrap();
    far.write_all(EARLY).await.unwrap();
    let mut answer = in_time(sent(&upstream, body)).await.into_body();
    assert!(answer.is_early());
    assert_eq!(next_of(&mut answer).await, "ab");
    // The runtime says the rest when it has read the rest.
    let speaking = tokio::spawn(async move {
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            seen.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"cd").await.unwrap();
        (far, String::from_utf8(seen).unwrap())
    });
    give.send(Bytes::from_static(b"second")).unwrap();
    drop(give);
    assert_eq!(next_of(&mut answer).await, "cd");
    drop(answer);
    let (_far, seen) = in_time(speaking).await.unwrap();
    assert!(
        seen.ends_with("\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"),
        "{seen}"
    );
    assert_eq!(upstream.idle.lock().unwrap().len(), 1, "all of it left, and came");
}

#[tokio::test]
async fn an_answer_that_is_over_before_its_question_ends_the_connection() {
    let upstream = upstream();
    // More than the socket takes, and nobody reads it.
    let mut far = link_of(&upstream);
    far.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = sent(&upstream, Full::new(Bytes::from(vec![0; 8 << 20]))).await;
    assert_eq!((answer.status().as_u16(), answer.body().is_early()), (413, true));
    drop(answer);
    in_time(far.read_to_end(&mut Vec::new())).await.unwrap();
    // The same where the runtime hung up behind its answer.
    let mut far = link_of(&upstream);
    let (give, body) = slow_body();
    give.send(Bytes::from_static(b"first")).unwrap();
    let speaking = tokio::spawn(async move {
        far.read_u8().await.unwrap();
        far.write_all(EARLY).await.unwrap();
        far.write_all(b"cd").await.unwrap();
    });
    let mut answer = in_time(sent(&upstream, body)).await.into_body();
    in_time(speaking).await.unwrap();
    give.send(Bytes::from_static(b"second")).unwrap();
    let mut told = Vec::new();
    while let Some(frame) = in_time(answer.frame()).await {
        told.extend(frame.unwrap().into_data().unwrap());
    }
    assert_eq!((told.as_slice(), answer.is_early()), (&b"abcd"[..], true));
    drop(answer);
    assert!(upstream.idle.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_question_that_breaks_off_takes_no_answer_with_it_unless_it_is_too_large() {
    let broken: BoxError = "the client said no more".into();
    for (why, is_told) in [(broken, true), (TooLarge.into(), false)] {
        let upstream = upstream();
        let mut far = link_of(&upstream);
        let (give, given) = tokio::sync::oneshot::channel::<BoxError>();
        let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
        let then = futures::stream::once(async { Err(given.await.unwrap()) });
        far.write_all(EARLY).await.unwrap();
        let head = Request::post("/x").body(()).unwrap().into_parts().0;
        let body = StreamBody::new(Box::pin(first.chain(then)));
        let mut answer = in_time(upstream.send(&head, body)).await.unwrap().into_body();
        in_time(answer.frame()).await.unwrap().unwrap();
        give.send(why).unwrap();
        far.write_all(b"cd").await.unwrap();
        let last = in_time(answer.frame()).await.unwrap();
        assert_eq!(
            last.is_ok_and(|frame| frame.into_data().unwrap() == "cd"),
            is_told
        );
        drop(answer);
        assert!(
            upstream.idle.lock().unwrap().is_empty(),
            "the runtime waits for the rest"
        );
    }
}
