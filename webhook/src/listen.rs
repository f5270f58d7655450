//! HTTP/1.1 on a port, over TLS or without.
//!
//! The least between the socket and the decision (docs/benchmarks/webhook-designs.md): what the kernel holds of a question is
//! read at once, before TLS asks for it in pieces, and an answer leaves in one write.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest silence before a question's head is there. API servers give an idle connection up after 90 s; they must be
/// the first to do so, or a question meets the end of its connection.
const IDLE: Duration = Duration::from_mins(2);
/// Longest wait for a question's body. The API server itself waits no longer for an answer.
const BODY: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be accepted: descriptors have run out, and come back.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes read ahead of TLS, which asks for 4 KiB at a time; most questions are smaller than this.
const AHEAD: usize = 16 << 10;
/// Longest head of a question.
const HEAD: usize = 64 << 10;

/// What is answered.
pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, words: impl Into<Bytes>) -> Answer {
    typed(status, "text/plain; charset=utf-8", words)
}

/// An answer of that content type.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// The body of a question, no longer than `most`; else the answer that says why there is none.
pub(crate) async fn body_of(body: Incoming, most: usize) -> Result<Bytes, Box<Answer>> {
    let refused = |status, words: &'static str| Err(Box::new(text(status, words)));
    match tokio::time::timeout(BODY, collected(body, most)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than any review",
        ),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a question that broke off");
            refused(StatusCode::BAD_REQUEST, "the body broke off")
        }
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    }
}

/// The bytes of `body`; none if there are more than `most`. A body that came in one piece is not copied.
async fn collected<B>(mut body: B, most: usize) -> Result<Option<Bytes>, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > most {
        return Ok(None);
    }
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(expected);
            all.extend_from_slice(&first);
        }
        if all.len() + data.len() > most {
            return Ok(None);
        }
        all.extend_from_slice(&data);
    }
    let whole = if all.is_empty() { first } else { all.into() };
    Ok(Some(whole).filter(|whole| whole.len() <= most))
}

/// Answers on `socket` until `end`, then lets each connection finish the answer that it is in, no longer than `grace`.
pub(crate) async fn serve<F, A>(
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: F,
    end: impl Future<Output = ()>,
    grace: Duration,
) where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let (last, is_last) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = socket.accept() => accepted,
            // Ended ones are forgotten as they end.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, tls.clone(), answer.clone(), is_last.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(socket);
    drop(last);
    let left = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, left).await.is_err() {
        tracing::debug!("connections were left unanswered");
    }
}

async fn connection<F, A>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    answer: F,
    is_last: watch::Receiver<()>,
) where
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    // An answer must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection that ended at once");
        return;
    }
    let Some(tls) = tls else {
        return exchange(stream, answer, is_last).await;
    };
    let stream = BufReader::with_capacity(AHEAD, stream);
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, answer, is_last).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn exchange<S, F, A>(stream: S, answer: F, mut is_last: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        // The sender is gone: no more questions.
        _ = is_last.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    /// A server on loopback that answers each question with its body, and the way to end it.
    async fn echo() -> (
        std::net::SocketAddr,
        oneshot::Sender<()>,
        tokio::task::JoinHandle<()>,
    ) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let answer = |question: Request<Incoming>| async {
            match body_of(question.into_body(), 10).await {
                Ok(body) => text(StatusCode::OK, body),
                Err(refusal) => *refusal,
            }
        };
        let end = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(serve(socket, None, answer, end, Duration::from_secs(30)));
        (address, stop, running)
    }

    /// What comes back to the end of the connection.
    async fn said(address: std::net::SocketAddr, question: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_body_is_read_whole_however_it_comes() {
        let (address, _stop, _running) = echo().await;
        let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        for (question, wanted) in [
            ("content-length: 10\r\n\r\n0123456789", "0123456789"),
            (
                "transfer-encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
                "0123456789",
            ),
            ("content-length: 0\r\n\r\n", ""),
        ] {
            let answer = said(address, &format!("{head}{question}")).await;
            let (status, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(status.starts_with("HTTP/1.1 200 OK"), "{question}: {answer}");
            assert_eq!(body, wanted, "{question}");
        }
    }

    #[tokio::test]
    async fn pieces_are_put_together_in_their_order_and_no_further_than_they_may_be() {
        let whole = "0123456789";
        for cut in 0..=whole.len() {
            let (one, two) = whole.split_at(cut);
            let piece = |part: &'static str| Ok::<_, Infallible>(Frame::data(Bytes::from(part)));
            let body = || StreamBody::new(futures::stream::iter([piece(one), piece(two)]));
            assert_eq!(collected(body(), 10).await.unwrap().unwrap(), whole, "{cut}");
            assert_eq!(collected(body(), 9).await.unwrap(), None, "{cut}");
        }
        // One that says how long it is is not read at all.
        assert_eq!(collected(Full::new(Bytes::from(whole)), 9).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_answer_that_is_under_way_at_the_end_is_finished() {
        let (address, stop, running) = echo().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let question = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n01";
        stream.write_all(question.as_bytes()).await.unwrap();
        // The question is being read once its neighbour on another connection has been answered.
        said(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        stop.send(()).unwrap();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        stream.write_all(b"23").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("0123"),
            "{answer}"
        );
        running.await.unwrap();
    }
}
