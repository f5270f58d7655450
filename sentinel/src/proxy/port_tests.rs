//! The public port in front of a runtime's double: connections that are kept, and answers that are cut off.

mod early;
mod records;

use super::{Proxy, Serving, serve};
use crate::audit::Audit;
use crate::billing::Billing;
use crate::config::Config;
use crate::shared::Shared;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use trustbridge_domain::sentinel::State;
use trustbridge_tbenc::hex_digest;

const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc\n\n\r\n";
/// As vLLM streams with `--enable-force-include-usage`, an event in two pieces among them; with a length, which nobody
/// keeps who takes something out.
const TOLD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n";
const EVENTS: [&str; 4] = [
    "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: {\"choi",
    "ces\":[{\"text\":\"b\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
];
/// Says that more comes than does.
const BROKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"a\"";

/// What the double saw, in order: `open`, the first line of each request, `end`.
type Seen = Arc<Mutex<Vec<String>>>;

/// A whole stream of [`EVENTS`], piece by piece.
async fn tell(stream: &mut TcpStream, with_length: bool) {
    let length: usize = EVENTS.iter().map(|piece| piece.len()).sum();
    let framing = if with_length {
        format!("content-length: {length}\r\n\r\n")
    } else {
        "transfer-encoding: chunked\r\n\r\n".to_owned()
    };
    stream
        .write_all(format!("{TOLD}{framing}").as_bytes())
        .await
        .unwrap();
    for piece in EVENTS {
        let framed = if with_length {
            piece.to_owned()
        } else {
            format!("{:x}\r\n{piece}\r\n", piece.len())
        };
        stream.write_all(framed.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if !with_length {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
}

/// Answers `/v1/models`, tells usage in a chat with a query, begins to answer chats for ever, breaks off in the middle of
/// responses and messages, is early with embeddings that have a query, and hangs up on everything else.
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
                if line.contains("/v1/chat/completions?") {
                    tell(&mut stream, line.contains("length")).await;
                    continue;
                }
                if line.contains("/v1/embeddings?") {
                    return early::answer(stream, &line).await;
                }
                let answer = match line.split(' ').nth(1) {
                    Some("/v1/models") => ANSWER,
                    Some("/v1/chat/completions" | "/v1/responses") => STREAM,
                    Some("/v1/messages") => BROKEN,
                    _ => return,
                };
                stream.write_all(answer).await.unwrap();
                if line.contains("/v1/responses") || line.contains("/v1/messages") {
                    // The client shall have the beginning.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    return;
                }
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

    /// A chat with that request; its head, and the answer's body.
    async fn chat(&self, query: &str, request: &str) -> (String, String) {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        let length = request.len();
        let head = format!(
            "POST /v1/chat/completions?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        client
            .write_all(format!("{head}{request}").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        let whole = client.read_to_string(&mut answer);
        tokio::time::timeout(PATIENCE, whole).await.unwrap().unwrap();
        self.eventually(|| self.shared.in_flight() == 0).await;
        let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
        let mut body = String::new();
        while let Some((size, tail)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            body.push_str(&tail[..size]);
            rest = &tail[size + 2..];
        }
        (head.to_owned(), body)
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
        // What ended is counted before its record is written.
        self.audit.write_out();
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
    let mut piece = [0; 10];
    client.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"5\r\nabc\n\n\r\n");
    let ending = port.serving.end(Duration::from_millis(50));
    tokio::time::timeout(PATIENCE, ending).await.unwrap();
    port.audit.close().unwrap();
    assert_eq!(port.shared.in_flight(), 0);
    let lines = lines_of(&port.log);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1]["outcome"], "sentinel_closed");
    assert_eq!(lines[0]["checkpoint"]["reason"], "start");
    assert_eq!(
        (&lines[1]["path"], &lines[1]["status"], &lines[1]["resp_bytes"]),
        (&"/v1/chat/completions".into(), &200.into(), &5.into())
    );
    assert_eq!(lines[2]["checkpoint"]["reason"], "stop");
    port.billing.close_interval(&port.shared.metrics).unwrap();
    let usage = port.shared.metrics.text().unwrap();
    for line in ["{kind=\"requests\"} 1", "{kind=\"response_bytes\"} 5"] {
        assert!(usage.contains(line), "{line}: {usage}");
    }
}

/// The lines of an audit log.
fn lines_of(log: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The runtime is made to tell usage; who did not ask for it is told what it asked for, and all of it is counted. The
/// record is of what went out.
#[tokio::test]
async fn usage_that_nobody_asked_for_is_counted_and_not_sent() {
    let port = Port::open().await;
    let [one, two, total, done] = EVENTS;
    let all = [one, two, total, done].concat();
    let usage = |made: u8| format!(",\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{made}}}");
    let plain = all
        .replace(total, "")
        .replace(&usage(1), "")
        .replace(&usage(2), "");
    let with_total = format!("{}{total}{done}", plain.strip_suffix(done).unwrap());
    for (request, wanted) in [
        ("{\"stream\":true}", &plain),
        ("{\"stream_options\":{\"include_usage\":true}}", &with_total),
        (
            "{\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}",
            &all,
        ),
    ] {
        for query in ["chunked", "length"] {
            if query == "length" && *wanted == all {
                // It goes through as it is, length and all.
                continue;
            }
            let (head, body) = port.chat(query, request).await;
            assert_eq!(&body, wanted, "{request} {query}");
            assert!(!head.to_ascii_lowercase().contains("content-length"), "{head}");
            let lines = lines_of(&port.log);
            let last = lines.last().unwrap();
            assert_eq!(last["resp_sha256"], hex_digest(body.as_bytes()), "{request}");
            assert_eq!(
                (&last["outcome"], &last["resp_bytes"]),
                (&"ok".into(), &body.len().into())
            );
        }
    }
    port.billing.close_interval(&port.shared.metrics).unwrap();
    let told = port.shared.metrics.text().unwrap();
    let sent = 2 * (plain.len() + with_total.len()) + all.len();
    for line in [
        "{kind=\"prompt_tokens\"} 15".to_owned(),
        "{kind=\"completion_tokens\"} 10".to_owned(),
        format!("{{kind=\"response_bytes\"}} {sent}"),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
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
