//! The public port in front of a runtime's double: connections that are kept, and answers that are cut off.

use super::{Proxy, Serving, serve};
use crate::audit::Audit;
use crate::billing::Billing;
use crate::config::Config;
use crate::shared::Shared;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use trustbridge_domain::sentinel::State;

const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";

/// What the double saw, in order: `open`, the first line of each request, `end`.
type Seen = Arc<Mutex<Vec<String>>>;

/// Answers `/v1/models`, begins to answer chats for ever, and hangs up on everything else.
async fn double(listener: TcpListener, seen: Seen) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = seen.clone();
        tokio::spawn(async move {
            let note = |what: &str| seen.lock().unwrap().push(what.to_owned());
            note("open");
            while let Some(head) = head_of(&mut stream).await {
                let line = head.lines().next().unwrap_or_default().to_owned();
                note(line.trim_end_matches(" HTTP/1.1"));
                let answer = match line.split(' ').nth(1) {
                    Some("/v1/models") => ANSWER,
                    Some("/v1/chat/completions") => STREAM,
                    _ => return,
                };
                stream.write_all(answer).await.unwrap();
            }
            note("end");
        });
    }
}

/// Up to the empty line; nothing where the other side closed.
async fn head_of(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

struct Port {
    serving: Serving,
    address: SocketAddr,
    seen: Seen,
    audit: Arc<Audit>,
    billing: Arc<Billing>,
    shared: Arc<Shared>,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Port {
    async fn open() -> Self {
        let runtime = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vars = [
            ("TB_CONTRACT_ID", "contract-allow".to_owned()),
            ("TB_ASSET_ID", "asset".to_owned()),
            ("TB_EDC_ENDPOINT", "https://control.example".to_owned()),
            (
                "TB_RUNTIME_URL",
                format!("http://{}", runtime.local_addr().unwrap()),
            ),
        ];
        let config = Config::load(vars.map(|(name, value)| (name.to_owned(), value)));
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.jsonl");
        let audit = Arc::new(Audit::open(Some(&log), "contract-allow", "asset").unwrap());
        let billing = Arc::new(Billing::open(dir.path()).unwrap());
        let shared = Shared::new();
        shared.enter(State::Ready, "", "");
        let proxy = Proxy::new(
            &config.unwrap().config,
            audit.clone(),
            shared.clone(),
            billing.clone(),
        );
        let seen = Seen::default();
        tokio::spawn(double(runtime, seen.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            serving: serve(listener, None, Arc::new(proxy)).unwrap(),
            address,
            seen,
            audit,
            billing,
            shared,
            log,
            _dir: dir,
        }
    }

    /// Sends a request without a body; the status and the connection, on which the answer's body comes.
    async fn ask(&self, line: &str) -> (String, TcpStream) {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let head = tokio::time::timeout(PATIENCE, head_of(&mut client)).await;
        let head = head.unwrap().unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), client)
    }

    /// A whole exchange.
    async fn models(&self) {
        let (status, mut client) = self.ask("GET /v1/models").await;
        let mut body = [0; 2];
        client.read_exact(&mut body).await.unwrap();
        assert_eq!((status.as_str(), &body), ("200", b"ok"));
        // The connection to the runtime is given back a moment after the last byte.
        self.eventually(|| self.shared.in_flight() == 0).await;
    }

    async fn eventually(&self, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "it never came: {:?}", self.seen.lock().unwrap());
    }

    fn saw(&self, what: &[&str]) -> bool {
        *self.seen.lock().unwrap() == what
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_off_has_its_record_before_the_log_is_closed() {
    let port = Port::open().await;
    let (status, mut client) = port.ask("POST /v1/chat/completions").await;
    assert_eq!(status, "200");
    let mut piece = [0; 8];
    client.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"3\r\nabc\r\n");
    let ending = port.serving.end(Duration::from_millis(50));
    tokio::time::timeout(PATIENCE, ending).await.unwrap();
    port.audit.close().unwrap();
    assert_eq!(port.shared.in_flight(), 0);
    let log = std::fs::read_to_string(&port.log).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert_eq!(lines[0]["checkpoint"]["reason"], "start");
    assert_eq!(
        (&lines[1]["path"], &lines[1]["status"], &lines[1]["resp_bytes"]),
        (&"/v1/chat/completions".into(), &200.into(), &3.into())
    );
    assert_eq!(lines[2]["checkpoint"]["reason"], "stop");
    port.billing.close_interval(&port.shared.metrics).unwrap();
    let usage = port.shared.metrics.text().unwrap();
    for line in ["{kind=\"requests\"} 1", "{kind=\"response_bytes\"} 3"] {
        assert!(usage.contains(line), "{line}: {usage}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_closed_when_it_was_idle() {
    let port = Port::open().await;
    port.models().await;
    port.models().await;
    let both = ["open", "GET /v1/models", "GET /v1/models"];
    assert!(port.saw(&both), "{:?}", port.seen.lock().unwrap());
    // Nobody asks anything, and the runtime is rid of it nevertheless.
    port.eventually(|| port.saw(&[&both[..], &["end"]].concat()))
        .await;
    port.models().await;
    let anew = [&both[..], &["end", "open", "GET /v1/models"]].concat();
    assert!(port.saw(&anew), "{:?}", port.seen.lock().unwrap());
    tokio::time::timeout(PATIENCE, port.serving.end(PATIENCE))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_runtime_may_have_worked_on_is_not_sent_again() {
    let port = Port::open().await;
    port.models().await;
    // The runtime takes it on the kept connection, and hangs up.
    let (status, _client) = port.ask("POST /v1/completions").await;
    assert_eq!(status, "502");
    let seen = ["open", "GET /v1/models", "POST /v1/completions"];
    assert!(port.saw(&seen), "{:?}", port.seen.lock().unwrap());
    // The next one goes its own way.
    port.models().await;
    let anew = [&seen[..], &["open", "GET /v1/models"]].concat();
    assert!(port.saw(&anew), "{:?}", port.seen.lock().unwrap());
}
