//! Connections of the admin port: HTTP/1.1, which is all that the kubelet and the operator speak to it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// For the head of a request, the wait of a kept connection for its next one included.
const HEAD_TIME: Duration = Duration::from_mins(1);
/// After an error of accept (no file descriptor left) the loop must not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the routes without end. They are told where each connection comes from.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer, router.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin port could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the admin port");
    }
}
