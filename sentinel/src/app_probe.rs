//! The runtime's own probes. It listens where the kubelet cannot reach it, so the webhook rewrites them to
//! `/app/<container>/<probe>?path=<path>` of the admin port, and the sentinel asks in the kubelet's place.
//!
//! Nothing of the answer goes back but whether it was a good one.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Empty;
use serde::Deserialize;

use crate::config::RuntimeTarget;
use crate::neighbour;

/// The kubelet's own limit is shorter in most pods; this one ends what it has given up.
const TIME: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Asked {
    /// What an `httpGet` asks for; without it the connection alone counts, as for a `tcpSocket`.
    path: Option<String>,
}

/// The route.
pub(crate) fn router(runtime: RuntimeTarget) -> Router {
    Router::new()
        .route("/app/{container}/{probe}", get(ask))
        .with_state(runtime)
}

async fn ask(State(runtime): State<RuntimeTarget>, Query(asked): Query<Asked>) -> Response {
    let answered = match asked.path.as_deref() {
        None => neighbour::connect::<Empty<Bytes>>(&runtime, TIME).await.map(drop),
        // No scheme and no other host: the runtime alone is asked.
        Some(path) if path.starts_with('/') => {
            match neighbour::status(&runtime, path, TIME).await {
                // The kubelet takes redirects of another host for success too.
                Ok(status) if status.is_success() || status.is_redirection() => Ok(()),
                Ok(status) => return failed(&format!("the runtime answered {status}")),
                Err(error) => Err(error),
            }
        }
        Some(_) => return (StatusCode::BAD_REQUEST, "`path` must start with '/'\n").into_response(),
    };
    match answered {
        Ok(()) => "ok\n".into_response(),
        Err(error) => failed(&format!("the runtime did not answer: {error}")),
    }
}

fn failed(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    async fn status(runtime: &RuntimeTarget, uri: &str) -> u16 {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        router(runtime.clone())
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    #[tokio::test]
    async fn the_kubelet_hears_what_the_runtime_says() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let runtime = RuntimeTarget::Tcp(listener.local_addr().unwrap());
        let pages = Router::new()
            .route("/health", get(|| async { "ok" }))
            .route("/loading", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            // A long page is as good as a short one: the status counts.
            .route("/metrics", get(|| async { "x".repeat(1 << 20) }))
            // What a path escapes arrives escaped.
            .fallback(|uri: axum::http::Uri| async move {
                if uri.path() == "/a%20b" {
                    StatusCode::OK
                } else {
                    StatusCode::NOT_FOUND
                }
            });
        let server = tokio::spawn(async move { axum::serve(listener, pages).await });
        for (uri, expected) in [
            ("/app/runtime/readyz?path=/health", 200),
            ("/app/runtime/readyz?path=/health%3Ffull%3D1", 200),
            ("/app/runtime/readyz?path=/a%2520b", 200),
            ("/app/runtime/startupz", 200),
            ("/app/runtime/livez?path=/metrics", 200),
            ("/app/runtime/livez?path=/loading", 503),
            ("/app/runtime/livez?path=/nowhere", 503),
            ("/app/runtime/livez?path=http%3A//elsewhere/health", 400),
        ] {
            assert_eq!(status(&runtime, uri).await, expected, "{uri}");
        }
        server.abort();
        let _ = server.await;
        assert_eq!(status(&runtime, "/app/runtime/startupz").await, 503);
        assert_eq!(status(&runtime, "/app/runtime/readyz?path=/health").await, 503);
    }
}
