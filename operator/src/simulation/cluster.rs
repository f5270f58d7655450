//! The API server behind the boundary, and what else lives in a cluster: webhook, kubelet, garbage collector.

use super::boundary::{Boundary, Late, Verdict};
use super::record::Recorder;
use super::sentinel::Sentinel;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use trustbridge_api::labels;
use trustbridge_simkit::apiserver::{Answer, ApiServer, Key, Refusal};

/// A client whose calls pass the boundary, and the recorder.
pub(super) fn client(server: &ApiServer, boundary: &Boundary, recorder: &Recorder) -> kube::Client {
    let (server, boundary, recorder) = (server.clone(), boundary.clone(), recorder.clone());
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (server, boundary, recorder) = (server.clone(), boundary.clone(), recorder.clone());
        async move { answer(&server, &boundary, &recorder, request).await }
    });
    kube::Client::new(service, "default")
}

/// A client for events: they are told to nobody and are no writes of the story.
pub(super) fn deaf() -> kube::Client {
    let service = tower::service_fn(|_: http::Request<Body>| async {
        let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "eventTime": null});
        Ok::<_, io::Error>(response(&Answer {
            code: 201,
            body: event,
        }))
    });
    kube::Client::new(service, "default")
}

async fn answer(
    server: &ApiServer,
    boundary: &Boundary,
    recorder: &Recorder,
    request: http::Request<Body>,
) -> io::Result<http::Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let kind = head.headers.get(http::header::CONTENT_TYPE);
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let is_look = head.method == http::Method::GET;
    let verdict = if is_look {
        boundary.look()
    } else {
        boundary.pass(&format!("{} {}", head.method, head.uri.path()))
    };
    let done = || {
        if is_look {
            return server.handle(&head.method, &head.uri, &kind, &body);
        }
        recorder.asked(server, &head, &body);
        let answer = server.handle(&head.method, &head.uri, &kind, &body);
        recorder.answered(&head, &body, &answer);
        answer
    };
    match verdict {
        Verdict::Go => Ok(response(&done())),
        Verdict::GoUnheard => {
            done();
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Verdict::Nothing => Err(io::ErrorKind::ConnectionRefused.into()),
        Verdict::Later => {
            boundary.hold(Late::Api(head.method, head.uri, kind, body));
            Err(io::ErrorKind::ConnectionRefused.into())
        }
        Verdict::Refuse(code) => Ok(response(&refusal(code).answer())),
    }
}

fn refusal(code: u16) -> Refusal {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    Refusal::new(code, reason, format!("a simulated {code}"))
}

fn response(answer: &Answer) -> http::Response<Body> {
    let body = Body::from(answer.body.to_string().into_bytes());
    let mut response = http::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.code).expect("a status");
    response
}

/// Node and its kubelet.
pub(super) struct Node {
    /// No pod runs before.
    opens: Timestamp,
    sentinels: BTreeMap<String, Sentinel>,
}

impl Node {
    pub(super) fn new(opens: Timestamp) -> Self {
        Self {
            opens,
            sentinels: BTreeMap::new(),
        }
    }

    /// Starts pods that are new, ends those that are to go.
    pub(super) async fn step(&mut self, server: &ApiServer, now: Timestamp) {
        for pod in server.all("pods") {
            let text = |pointer: &str| {
                pod.pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let (name, uid) = (text("/metadata/name"), text("/metadata/uid"));
            let key = Key {
                plural: "pods".to_owned(),
                namespace: Some(text("/metadata/namespace")),
                name,
            };
            if pod.pointer("/metadata/deletionTimestamp").is_some() {
                self.sentinels.remove(&uid);
                server.remove(&key);
            } else if let Entry::Vacant(place) = self.sentinels.entry(uid) {
                server.edit(&key, admit).expect("the pod is there");
                if now >= self.opens {
                    let sentinel = Sentinel::start(place.key(), now).await;
                    let begins = |pod: &mut Value| run(pod, &sentinel);
                    server.edit(&key, begins).expect("the pod is there");
                    place.insert(sentinel);
                }
            }
        }
        server.collect_garbage();
    }

    /// Everybody's sentinel counts what was used until now.
    pub(super) fn count(&self, now: Timestamp, requests: u64) {
        for sentinel in self.sentinels.values() {
            sentinel.count(now, requests);
        }
    }
}

/// The pod as the webhook leaves it.
fn admit(pod: &mut Value) {
    pod["metadata"]["annotations"][labels::INJECTED_HASH] = json!("0123456789abcdef");
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    pod["spec"]["volumes"] = json!([
        {"name": "tb-tls", "secret": {"secretName": format!("tp-{name}-tls")}},
        {"name": "tb-tokens", "secret": {"secretName": format!("tp-{name}-token-sums")}},
    ]);
    pod["spec"]["initContainers"] = json!([{"name": "tb-sentinel", "volumeMounts": [
        {"name": "tb-tls", "mountPath": "/etc/trustbridge/tls"},
        {"name": "tb-tokens", "mountPath": "/etc/trustbridge/tokens"},
    ]}]);
}

/// The pod as kubelet leaves it.
fn run(pod: &mut Value, sentinel: &Sentinel) {
    pod["status"] = json!({
        "phase": "Running", "podIP": sentinel.ip(),
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
    });
}
