//! Exchanges with a runtime that says what it likes, in pieces of every size.

mod early;

use super::framing::Framing;
use super::link::Link;
use super::question::Question;
use super::{Answer, Sent, Upstream, exchange, head};
use crate::config::RuntimeTarget;
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

fn upstream() -> Arc<Upstream> {
    Arc::new(Upstream::new(RuntimeTarget::Unix("/nowhere".into())))
}

/// The status, the body, and whether the connection is kept, of an answer that comes in pieces of that size, and then
/// the connection's end.
async fn answered(method: Method, text: &str, size: usize) -> Result<(u16, String, bool), std::io::Error> {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut link = Link::over_unix(near);
    let head = Request::builder().method(method).uri("/x").body(()).unwrap();
    let mut question = Question::new(&head.into_parts().0, Full::new(Bytes::new()));
    let text = text.to_owned();
    let speaking = tokio::spawn(async move {
        for piece in text.as_bytes().chunks(size) {
            // Nobody may be left to hear the rest.
            if far.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        far.shutdown().await.unwrap();
        // The question is read, or its sender would be told that nobody does.
        let _ = far.read_to_end(&mut Vec::new()).await;
    });
    let (head, _) = exchange(&mut link, &mut question).await?;
    let (upstream, status) = (upstream(), head.status.as_u16());
    let body = Answer::new(link, head.framing, head.keeps, upstream.clone());
    let body = body.collect().await?.to_bytes();
    let kept = !upstream.idle.lock().unwrap().is_empty();
    drop(upstream);
    speaking.await.unwrap();
    Ok((status, String::from_utf8(body.to_vec()).unwrap(), kept))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n5;x=\"y\"\r\n12345\r\n0\r\na: b\r\n\r\n";

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let close = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x, Close\r\n\r\nok";
    for (method, text, expected) in [
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, "ok", true),
        ),
        (Method::GET, close, (200, "ok", false)),
        (
            Method::GET,
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, "ok", false),
        ),
        (Method::POST, CHUNKED, (200, "abc12345", true)),
        (
            Method::POST,
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            (200, "until the end", false),
        ),
        (
            Method::HEAD,
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            (200, "", true),
        ),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", (204, "", true)),
        (
            Method::GET,
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n",
            (404, "", true),
        ),
        // The chunks count, as they do for every other reader.
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            (200, "a", true),
        ),
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            (200, "ok", true),
        ),
    ] {
        for size in [1, 2, 3, 7, text.len()] {
            let (status, body, kept) = answered(method.clone(), text, size).await.unwrap();
            assert_eq!((status, body.as_str(), kept), expected, "{size}: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_no_whole_answer_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70 << 10));
    let line = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n\r\n",
        "y".repeat(40 << 10)
    );
    for text in [
        "",
        "HTTP/1.1 200",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        &long,
        &line,
    ] {
        for size in [7, text.len().max(1)] {
            let told = answered(Method::GET, text, size).await;
            assert!(told.is_err(), "{size}: {text:.90}: {told:?}");
        }
    }
}

#[test]
fn a_head_leaves_the_body_in_the_buffer() {
    let mut buffer = BytesMut::from("HTTP/1.1 200 OK\r\nA: b \r\ncontent-length: 4\r\n\r\nbody");
    let head = head::take(&mut buffer, &Method::GET).unwrap().unwrap();
    assert_eq!(
        (head.headers["a"].as_bytes(), &buffer[..]),
        (&b"b"[..], &b"body"[..])
    );
    assert_eq!(head.framing, Framing::Length(4));
}

/// What the runtime gets of a request whose body comes in these pieces.
async fn asked(method: Method, pieces: &[&'static str], length: bool) -> String {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut link = Link::over_unix(near);
    let head = Request::builder()
        .method(method)
        .uri("http://elsewhere/v1/x?y=1")
        .header("host", "localhost")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let frames = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(*piece))));
    let stream = StreamBody::new(futures::stream::iter(frames.collect::<Vec<_>>()));
    far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    if length {
        let mut question = Question::new(&head, Full::new(Bytes::from(pieces.concat())));
        let (head, sent) = exchange(&mut link, &mut question).await.unwrap();
        assert!(head.keeps && sent == Sent::All);
    } else {
        let mut question = Question::new(&head, stream);
        let (head, sent) = exchange(&mut link, &mut question).await.unwrap();
        assert!(head.keeps && sent == Sent::All);
    }
    drop(link);
    let mut seen = String::new();
    far.read_to_string(&mut seen).await.unwrap();
    seen
}

#[tokio::test]
async fn requests_say_how_long_their_body_is() {
    let host = "host: localhost\r\n";
    for (told, expected) in [
        (
            asked(Method::GET, &[], true).await,
            format!("GET /v1/x?y=1 HTTP/1.1\r\n{host}\r\n"),
        ),
        (
            asked(Method::POST, &[], true).await,
            format!("POST /v1/x?y=1 HTTP/1.1\r\n{host}content-length: 0\r\n\r\n"),
        ),
        (
            asked(Method::POST, &["abc", "d"], true).await,
            format!("POST /v1/x?y=1 HTTP/1.1\r\n{host}content-length: 4\r\n\r\nabcd"),
        ),
        (
            asked(Method::POST, &["abc", "", "0123456789abcdef", "d"], false).await,
            format!(
                "POST /v1/x?y=1 HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n10\r\n0123456789abcdef\r\n1\r\nd\r\n0\r\n\r\n"
            ),
        ),
    ] {
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_connection_on_which_something_came_unasked_is_not_used_again() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let link = Link::over_unix(near);
    assert!(link.is_quiet());
    far.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        .await
        .unwrap();
    tokio::task::yield_now().await;
    assert!(!link.is_quiet());
}

/// A body of 300 bytes by its head, of which the client sends some or none; what follows is told once, as hyper tells it.
struct BrokenOff(std::collections::VecDeque<Result<Frame<Bytes>, std::io::Error>>);

impl Body for BrokenOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(300)
    }
}

/// A head without the body that it promises would make the next request of that connection its body.
#[tokio::test]
async fn a_request_whose_body_broke_off_reaches_no_connection_whole() {
    let broke = || Err(std::io::Error::other("the client left"));
    let some = || Ok(Frame::data(Bytes::from_static(b"abc")));
    for (frames, may_leave) in [
        (vec![broke()], false),
        (vec![], false),
        (vec![some(), broke()], true),
    ] {
        let upstream = upstream();
        let mut far = Vec::new();
        for _ in 0..2 {
            let (near, other) = UnixStream::pair().unwrap();
            upstream.keep(Link::over_unix(near));
            far.push(other);
        }
        let head = Request::get("/x").body(()).unwrap().into_parts().0;
        let refused = upstream.send(&head, BrokenOff(frames.into())).await;
        assert!(
            matches!(refused, Err(super::Error::Broken(_))),
            "asked once and not again"
        );
        drop(upstream);
        let mut left = Vec::new();
        for mut other in far {
            other.read_to_end(&mut left).await.unwrap();
        }
        assert!(may_leave || left.is_empty(), "{}", String::from_utf8_lossy(&left));
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says() {
    let more = Ok(Frame::data(Bytes::from(vec![b'x'; 301])));
    let (near, _far) = UnixStream::pair().unwrap();
    let head = Request::post("/x").body(()).unwrap().into_parts().0;
    let mut question = Question::new(&head, BrokenOff([more].into()));
    assert!(exchange(&mut Link::over_unix(near), &mut question).await.is_err());
    assert!(!question.is_whole());
}
