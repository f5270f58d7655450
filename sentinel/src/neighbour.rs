//! Plain HTTP to what shares this machine: the runtime, and Azure's instance metadata service.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::config::RuntimeTarget;

/// A new connection. It ends when the sender is dropped, after the exchange that it is in.
pub(crate) async fn connect<B>(target: &RuntimeTarget, timeout: Duration) -> io::Result<SendRequest<B>>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connecting = async {
        match target {
            RuntimeTarget::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                handshake(TokioIo::new(stream)).await
            }
            RuntimeTarget::Unix(path) => handshake(TokioIo::new(UnixStream::connect(path).await?)).await,
        }
    };
    tokio::time::timeout(timeout, connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn handshake<T, B>(stream: T) -> io::Result<SendRequest<B>>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // How it ends shows in the exchange itself.
        let _ = connection.await;
    });
    Ok(sender)
}

/// The status of a GET, within `timeout`. The body is left unread, however long: its sender sees the end of the
/// connection, as it does when the kubelet probes.
pub(crate) async fn status(target: &RuntimeTarget, path: &str, timeout: Duration) -> io::Result<StatusCode> {
    let exchange = async { Ok(ask(target, path, None, timeout).await?.status()) };
    tokio::time::timeout(timeout, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn ask(
    target: &RuntimeTarget,
    path: &str,
    header: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
) -> io::Result<Response<Incoming>> {
    let mut sender = connect(target, timeout).await?;
    let mut request = Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value);
    }
    sender.send_request(request).await.map_err(io::Error::other)
}

/// A small GET: status and at most `limit` bytes, within `timeout`.
pub(crate) async fn get(
    target: &RuntimeTarget,
    path: &str,
    header: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
    limit: usize,
) -> io::Result<(StatusCode, Bytes)> {
    let exchange = async {
        let answer = ask(target, path, header, timeout).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), limit)
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
