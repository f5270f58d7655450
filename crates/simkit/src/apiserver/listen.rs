//! The server over HTTP: for a whole program as its client, with watches that stay open.

use super::path::Path;
use super::{Answer, ApiServer, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, Stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of a request's body at the most, as the real server takes them.
const LARGEST: usize = 3 << 20;
/// How long a watch lasts that says nothing of it.
const WATCH: Duration = Duration::from_mins(5);

/// Every path of the server. Its time is the clock's from now on, and it keeps what happens.
pub fn router(server: ApiServer) -> Router {
    server.keep_history();
    Router::new().fallback(answer).with_state(server)
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    server.set_time(Timestamp::now());
    let (head, body) = request.into_parts();
    let is_partial = has(&head.headers, header::ACCEPT, "PartialObjectMetadata");
    let path = match Path::read(&head.uri) {
        Ok(path) => path,
        Err(refusal) => return whole(&refusal.answer()),
    };
    if path.is_watch() {
        return watch(server, path, is_partial);
    }
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        let message = format!("a body of more than {LARGEST} bytes");
        return whole(&Refusal::new(413, "RequestEntityTooLarge", message).answer());
    };
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut answer = server.handle(&head.method, &head.uri, kind, &body);
    if is_partial {
        match answer.body.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) => items.iter_mut().for_each(cut),
            None if answer.code < 300 => cut(&mut answer.body),
            None => {}
        }
    }
    whole(&answer)
}

fn has(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains(word))
}

/// Leaves the metadata alone, as who asks for it gets it.
fn cut(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata"));
    }
}

fn whole(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    told(status, Body::from(answer.body.to_string()))
}

fn told(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// What a watch still has to do.
struct Watch {
    server: ApiServer,
    path: Path,
    is_partial: bool,
    end: Instant,
    is_over: bool,
}

fn watch(server: ApiServer, path: Path, is_partial: bool) -> Response {
    let end = Instant::now() + path.lasts.map_or(WATCH, Duration::from_secs);
    let watch = Watch {
        server,
        path,
        is_partial,
        end,
        is_over: false,
    };
    told(StatusCode::OK, Body::from_stream(lines(watch)))
}

/// Events as they happen, a line each; at the end, up to where they were told.
fn lines(watch: Watch) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(watch, |mut watch| async move {
        if watch.is_over {
            return None;
        }
        let text = watch.next().await;
        Some((Ok(Bytes::from(text)), watch))
    })
}

impl Watch {
    async fn next(&mut self) -> String {
        let mut changes = self.server.changes();
        loop {
            let seen = *changes.borrow_and_update();
            let begin = *self.path.version.get_or_insert(seen);
            let Some(events) = self.server.since(begin, &self.path) else {
                self.is_over = true;
                let gone = Refusal::new(410, "Expired", format!("too old resource version: {begin}"));
                return line("ERROR", &gone.answer().body);
            };
            self.path.version = Some(seen.max(begin));
            if !events.is_empty() {
                return events.into_iter().map(|event| self.told(event)).collect();
            }
            let waiting = tokio::time::timeout_at(self.end, changes.changed()).await;
            if !matches!(waiting, Ok(Ok(()))) {
                self.is_over = true;
                let version = json!({"resourceVersion": self.path.version.unwrap_or_default().to_string()});
                let mark =
                    json!({"kind": "Bookmark", "apiVersion": self.path.api_version, "metadata": version});
                return line("BOOKMARK", &mark);
            }
        }
    }

    fn told(&self, mut event: Value) -> String {
        if let Some(object) = event.get_mut("object").filter(|_| self.is_partial) {
            cut(object);
        }
        format!("{event}\n")
    }
}

fn line(word: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": word, "object": object}))
}
