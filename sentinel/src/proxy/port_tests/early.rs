//! Answers that begin, or are over, before the request is: the runtime's and our own.

use super::{PATIENCE, Port, head_of};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest that is let in: more than the sockets between client and runtime take.
const LARGE: usize = 32 << 20;
const HALF: &[u8] = b"the first half";

/// The runtime: with `refuse` it answers without reading on, with `both` it begins to answer after [`HALF`] of the body and
/// ends behind the other half.
pub(super) async fn answer(mut stream: TcpStream, line: &str) {
    if line.contains("refuse") {
        let refusal =
            b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 6\r\nconnection: close\r\n\r\nlarge\n";
        return stream.write_all(refusal).await.unwrap();
    }
    let mut half = [0; HALF.len()];
    stream.read_exact(&mut half).await.unwrap();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nbegun\n";
    stream.write_all(begun).await.unwrap();
    stream.read_exact(&mut half).await.unwrap();
    stream.write_all(b"ended\n").await.unwrap();
}

struct Client(TcpStream);

impl Client {
    async fn of(port: &Port) -> Self {
        Self(TcpStream::connect(port.address).await.unwrap())
    }

    async fn say(&mut self, head: &str) {
        let head = head.replace('\n', "\r\n");
        self.0
            .write_all(format!("{head}\r\n\r\n").as_bytes())
            .await
            .unwrap();
    }

    /// All of a large body, before anything is read: as most clients do it.
    async fn say_much(&mut self) {
        let much = vec![b'x'; LARGE];
        let writing = self.0.write_all(&much);
        timeout(PATIENCE, writing).await.unwrap().unwrap();
    }

    async fn hear_head(&mut self) -> String {
        let head = timeout(PATIENCE, head_of(&mut self.0)).await.unwrap();
        head.unwrap().to_ascii_lowercase()
    }

    async fn hear(&mut self, text: &str) {
        let mut heard = vec![0; text.len()];
        let hearing = self.0.read_exact(&mut heard);
        timeout(PATIENCE, hearing).await.unwrap().unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), text);
    }

    async fn hear_end(mut self) {
        let mut rest = Vec::new();
        let hearing = self.0.read_to_end(&mut rest);
        timeout(PATIENCE, hearing).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_sends_all_before_it_reads_gets_the_answer_that_came_early() {
    let port = Port::open().await;
    for (path, status) in [("/v1/embeddings?refuse", "413"), ("/nowhere", "404")] {
        let mut client = Client::of(&port).await;
        client
            .say(&format!("POST {path} HTTP/1.1\nhost: x\ncontent-length: {LARGE}"))
            .await;
        client.say_much().await;
        let head = client.hear_head().await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        client.hear_end().await;
    }
}

#[tokio::test]
async fn who_waits_for_our_word_sends_nothing_that_is_refused() {
    let port = Port::open().await;
    let expect = "host: x\nexpect: 100-continue\ncontent-length";
    for (line, status) in [
        (
            format!("POST /v1/embeddings HTTP/1.1\n{expect}: {}", 33 << 20),
            "413",
        ),
        (format!("POST /nowhere HTTP/1.1\n{expect}: 3"), "404"),
    ] {
        let mut client = Client::of(&port).await;
        client.say(&line).await;
        let head = client.hear_head().await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
    }
    let mut client = Client::of(&port).await;
    client
        .say(&format!("POST /v1/embeddings?refuse HTTP/1.1\n{expect}: {LARGE}"))
        .await;
    assert_eq!(client.hear_head().await, "http/1.1 100 continue\r\n\r\n");
    client.say_much().await;
    assert!(client.hear_head().await.starts_with("http/1.1 413 "));
    client.hear("large\n").await;
    client.hear_end().await;
}

#[tokio::test]
async fn a_runtime_that_answers_while_it_reads_gets_all_of_the_request() {
    let port = Port::open().await;
    let mut client = Client::of(&port).await;
    let length = 2 * HALF.len();
    client
        .say(&format!(
            "POST /v1/embeddings?both HTTP/1.1\nhost: x\ncontent-length: {length}"
        ))
        .await;
    client.0.write_all(HALF).await.unwrap();
    assert!(client.hear_head().await.starts_with("http/1.1 200 "));
    client.hear("begun\n").await;
    client.0.write_all(HALF).await.unwrap();
    client.hear("ended\n").await;
    client.hear_end().await;
    port.eventually(|| port.shared.in_flight() == 0).await;
    let record = super::lines_of(&port.log).pop().unwrap();
    assert_eq!(
        (&record["outcome"], &record["req_bytes"]),
        (&"ok".into(), &length.into())
    );
}

#[tokio::test]
async fn a_short_request_that_is_refused_costs_no_connection() {
    let port = Port::open().await;
    let mut client = Client::of(&port).await;
    client
        .say("POST /nowhere HTTP/1.1\nhost: x\ncontent-length: 6")
        .await;
    client.0.write_all(b"abc").await.unwrap();
    tokio::task::yield_now().await;
    client.0.write_all(b"def").await.unwrap();
    let head = client.hear_head().await;
    assert!(
        head.starts_with("http/1.1 404 ") && !head.contains("connection"),
        "{head}"
    );
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    client.0.read_exact(&mut vec![0; length]).await.unwrap();
    client.say("GET /v1/models HTTP/1.1\nhost: x").await;
    assert!(client.hear_head().await.starts_with("http/1.1 200 "));
    client.hear("ok").await;
}

/// Who has no token could send refused requests for ever, each a byte too short.
#[tokio::test]
async fn a_refused_request_that_is_not_whole_holds_up_no_drain() {
    let port = Port::open().await;
    let partial = "POST /nowhere HTTP/1.1\nhost: x\ncontent-length: 6";
    let mut before = Client::of(&port).await;
    before.say(partial).await;
    // Time for the port to begin with it; where it is too little, the one below stands for it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(port.shared.drain(Duration::from_millis(500)).await);
    let mut after = Client::of(&port).await;
    after.say(partial).await;
    let head = after.hear_head().await;
    assert!(
        head.starts_with("http/1.1 503 ") && head.contains("connection: close\r\n"),
        "{head}"
    );
    // It has its record, and nobody waited for the rest.
    port.eventually(|| {
        let records = super::lines_of(&port.log);
        let mut unserved = records.iter().filter(|record| record["status"] == 503);
        unserved.any(|record| record["latency_ms"].as_u64().unwrap() < 1000)
    })
    .await;
    assert!(before.hear_head().await.contains("connection: close\r\n"));
}
