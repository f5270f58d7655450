//! P1: clients that are slow, many, large or sly, and a runtime that hangs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::process::{PATIENCE, Sentinel, eventually, get, try_http};
use crate::scene::{Scene, single};
use crate::wire::Answer;

fn serving() -> (Scene, Sentinel) {
    serving_below(&[])
}

fn serving_below(below: &[&str]) -> (Scene, Sentinel) {
    let scene = Scene::new(single());
    let mut sentinel = scene.start_with(&[], below);
    scene.load();
    sentinel.wait_for("Ready");
    (scene, sentinel)
}

/// Connections that have sent half a head.
fn half_heads(scene: &Scene, count: usize) -> Vec<TcpStream> {
    let connect = || {
        let mut stream = TcpStream::connect(scene.public()).unwrap();
        stream
            .write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: ")
            .unwrap();
        stream
    };
    std::iter::repeat_with(connect).take(count).collect()
}

/// Others are served beside them, and a stop does not wait for them.
pub fn slow_clients() {
    let (scene, mut sentinel) = serving();
    let slow = half_heads(&scene, 500);
    for _ in 0..5 {
        assert_eq!(get(scene.public(), "/v1/models").status, 200);
    }
    sentinel.stops(0);
    drop(slow);
}

/// More connections than the process may have files: the admin port answers all the same, and so does the stop.
pub fn more_clients_than_files() {
    let (scene, mut sentinel) = serving_below(&["sh", "-c", "ulimit -n 128; exec \"$0\" \"$@\""]);
    // As many as wait in the kernel's queue beside those that are taken; more would have to wait outside.
    let slow = half_heads(&scene, 150);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sentinel.state(), "Ready");
    drop(slow);
    eventually("served again", || {
        try_http(
            scene.public(),
            "GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .is_some_and(|said| said.status == 200)
    });
    sentinel.stops(0);
}

/// Requests that must not reach the runtime, whatever the state; what is answered while serving.
const SLY: [(&str, &str, u16); 6] = [
    (
        "a length and chunks",
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two lengths",
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
        400,
    ),
    (
        "a length with a sign",
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: +4\r\n\r\nabcd",
        400,
    ),
    (
        "an unknown path",
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        404,
    ),
    (
        "a path with a way out",
        "GET /v1/models/../../metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        404,
    ),
    (
        "a gigabyte",
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1073741824\r\n\r\n",
        413,
    ),
];

fn are_refused(scene: &Scene, serving: bool) {
    let before = scene.model.requests.load(Ordering::SeqCst);
    for (what, request, status) in SLY {
        let said = try_http(scene.public(), request).unwrap();
        assert!(
            said.status == status || !serving && matches!(said.status, 400 | 403 | 503),
            "{what}: {}",
            said.status
        );
    }
    assert_eq!(
        scene.model.requests.load(Ordering::SeqCst),
        before,
        "one of them reached the runtime"
    );
}

pub fn sly_requests() {
    let (scene, mut sentinel) = serving();
    are_refused(&scene, true);
    sentinel.stops(0);
}

pub fn sly_requests_while_it_loads() {
    let (scene, mut sentinel) = serving();
    scene.model.is_empty();
    sentinel.wait_for("Decrypt");
    are_refused(&scene, false);
    let said = get(scene.public(), "/v1/models");
    assert_eq!(said.status, 503);
    assert!(said.head.contains("retry-after"), "{}", said.head);
    sentinel.stops(0);
}

pub fn sly_requests_while_suspended() {
    let scene = Scene::new(single());
    scene.plane.life_s.store(3, Ordering::SeqCst);
    let mut sentinel = scene.start();
    scene.load();
    sentinel.wait_for("Ready");
    scene
        .plane
        .says(Answer::new(200, json!({"status": "denied"}).to_string()));
    sentinel.wait_for("Suspended");
    are_refused(&scene, false);
    assert_eq!(get(scene.public(), "/v1/models").status, 403);
    scene.is_suspended(&mut sentinel, "Denied");
}

/// Before Ready there is no port to knock at.
pub fn knocking_before_ready() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    assert!(TcpStream::connect_timeout(&scene.public(), Duration::from_secs(1)).is_err());
    sentinel.stops(0);
    assert!(!sentinel.was_open());
}

/// Heads without an end, in one header and in many.
pub fn header_bombs() {
    let (scene, mut sentinel) = serving();
    for bomb in [
        format!("x-bomb: {}\r\n", "a".repeat(1 << 20)),
        "x-b: 1\r\n".repeat(100_000),
    ] {
        let request = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\n{bomb}\r\n");
        let mut stream = TcpStream::connect(scene.public()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It hangs up in the middle.
        let _ = stream.write_all(request.as_bytes());
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    assert_eq!(scene.model.requests.load(Ordering::SeqCst), 0);
    assert_eq!(get(scene.public(), "/v1/models").status, 200);
    sentinel.stops(0);
}

/// A body in chunks that never ends: cut off at the limit.
pub fn an_upload_without_end() {
    let (scene, mut sentinel) = serving();
    let mut stream = TcpStream::connect(scene.public()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = [b"10000\r\n".as_slice(), &b"a".repeat(0x10000), b"\r\n"].concat();
    // More than the largest body, what is thrown away behind the answer, and what the sockets hold, together.
    let sent = (0..2048).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 2048, "128 MiB were taken");
    assert_eq!(get(scene.public(), "/v1/models").status, 200);
    sentinel.stops(0);
}

/// A request that the runtime never answers: the stop waits for it as long as a drain may take.
pub fn a_runtime_that_thinks_for_ever() {
    let (scene, mut sentinel) = serving();
    let mut stream = TcpStream::connect(scene.public()).unwrap();
    stream
        .write_all(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nthink")
        .unwrap();
    eventually("it is under way", || {
        sentinel.status().is_some_and(|status| status["in_flight"] == 1)
    });
    sentinel.drains();
}

/// A runtime that answers nothing any more, not even about its health: back to Decrypt, 503, and Ready again.
pub fn a_runtime_that_hangs() {
    let (scene, mut sentinel) = serving();
    scene.model.hangs();
    sentinel.wait_for("Decrypt");
    assert_eq!(get(scene.public(), "/v1/models").status, 503);
    sentinel.stops(0);
}
