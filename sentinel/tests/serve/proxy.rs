//! What the public port refuses, and what it notes of those who leave.

use std::io::Write as _;
use std::net::TcpStream;

use bytes::Bytes;
use serde_json::Value;
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_tbenc::hex_digest;

use crate::world::{self, Asset, Runtime, World, eventually, get, weights};

#[test]
fn ambiguous_requests_tokens_and_sizes_are_refused() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let tokens = world.disk.path().join("tokens");
    std::fs::write(&tokens, hex_digest(b"client-token")).unwrap();
    let mut sentinel = world.sentinel(&[("TB_TOKENS_PATH", tokens.to_str().unwrap())]);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    assert_eq!(get(world.public, "/v1/demo").status, 200);
    let refused = world::http(
        world.public,
        "GET /v1/demo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(refused.status, 401);
    let error: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(error["error"]["code"], "invalid_api_key");
    // Whoever asks how it is needs no token; one that is shown is judged.
    let health = |more: &str| {
        let request = format!("GET /health HTTP/1.1\r\nhost: x\r\n{more}connection: close\r\n\r\n");
        world::http(world.public, &request).status
    };
    assert_eq!(health(""), 200);
    assert_eq!(health("authorization: Bearer client-token\r\n"), 200);
    assert_eq!(health("authorization: Bearer another-token\r\n"), 401);
    let auth = "host: x\r\nauthorization: Bearer client-token\r\nconnection: close";
    let both = "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(
        world::http(
            world.public,
            &format!("POST /v1/completions HTTP/1.1\r\n{auth}\r\n{both}")
        )
        .status,
        400
    );
    let both = "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n";
    let request = format!("POST /v1/completions HTTP/1.1\r\n{auth}\r\n{both}");
    assert_eq!(world::http(world.public, &request).status, 400);
    let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answer = world::http(
        world.public,
        &format!("POST /v1/completions HTTP/1.1\r\n{auth}\r\n{chunked}"),
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    let large = "content-length: 33554433\r\n\r\n";
    assert_eq!(
        world::http(
            world.public,
            &format!("POST /v1/completions HTTP/1.1\r\n{auth}\r\n{large}")
        )
        .status,
        413
    );
    let twice = "content-length: 4\r\ncontent-length: 5\r\n\r\nabcd";
    assert_eq!(
        world::http(
            world.public,
            &format!("POST /v1/completions HTTP/1.1\r\n{auth}\r\n{twice}")
        )
        .status,
        400
    );
}

#[test]
fn the_public_port_speaks_tls_where_it_is_set() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let (cert, key) = (
        world.disk.path().join("leaf.crt"),
        world.disk.path().join("leaf.key"),
    );
    let tls = [
        ("TB_TLS_CERT_PATH", cert.to_str().unwrap()),
        ("TB_TLS_KEY_PATH", key.to_str().unwrap()),
    ];
    let mut sentinel = world.sentinel(&tls);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    let client = Client::builder()
        .system_bundle(false)
        .ca_file(world.disk.path().join("ca.crt"));
    let request = http::Request::get(format!("https://{}/v1/demo", world.public))
        .body(Bytes::new())
        .unwrap();
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let answer = tokio.block_on(async {
        let deadline = Deadline::after(std::time::Duration::from_secs(20));
        client.build().unwrap().send(request, deadline).await.unwrap()
    });
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_client_that_leaves_before_the_answer_is_in_the_audit_log() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    let mut client = TcpStream::connect(world.public).unwrap();
    client
        .write_all(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nthink")
        .unwrap();
    let in_flight = || sentinel.status().map(|status| status["in_flight"].clone());
    eventually("the request is under way", || in_flight() == Some(1.into()));
    drop(client);
    eventually("the request is over", || in_flight() == Some(0.into()));
    let log = std::fs::read_to_string(world.audit_path()).unwrap();
    let record: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(record["path"], "/v1/completions");
    assert_eq!(
        (&record["outcome"], &record["status"]),
        (&"client_closed".into(), &499.into())
    );
}
