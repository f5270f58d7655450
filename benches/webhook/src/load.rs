//! Questions over TLS. One write, one read, no library between: the load must cost less than the server.

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "trustbridge-webhook.trustbridge-system.svc";

/// Times of the answers, sorted, and how long all of it took.
pub struct Times {
    pub each: Vec<Duration>,
    pub whole: Duration,
}

impl Times {
    /// The time that so many of a million answers stay within.
    pub fn quantile(&self, millionths: usize) -> Duration {
        let at = self.each.len().saturating_sub(1) * millionths / 1_000_000;
        self.each.get(at).copied().unwrap_or_default()
    }

    /// Share of the answers within `limit`.
    pub fn within(&self, limit: Duration) -> f64 {
        let count = self.each.iter().filter(|t| **t <= limit).count();
        ratio(count, self.each.len())
    }

    fn of(mut each: Vec<Duration>, whole: Duration) -> Self {
        each.sort_unstable();
        Self { each, whole }
    }
}

/// A quotient of counts; they stay far below the 2^52 that an f64 holds.
#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
pub fn ratio(count: usize, all: usize) -> f64 {
    count as f64 / (all.max(1)) as f64
}

struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(connector: &TlsConnector, address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = connector.connect(ServerName::try_from(NAME)?, stream).await?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Sends the request and reads the whole answer; the body must hold `wanted`.
    async fn ask(&mut self, request: &[u8], wanted: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).context("an answer above 64 KiB")?;
            let read = self.stream.read(room).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            let text = self.buffer.get(..filled).unwrap_or_default();
            if is_whole(text)? {
                ensure!(
                    text.windows(wanted.len()).any(|w| w == wanted),
                    "another answer: {}",
                    String::from_utf8_lossy(text)
                );
                return Ok(());
            }
        }
    }
}

/// Whether the answer is there to its end, by its length or its last chunk.
fn is_whole(text: &[u8]) -> Result<bool> {
    let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(text.get(..end).unwrap_or_default()).to_ascii_lowercase();
    if let Some(length) = head.lines().find_map(|l| l.strip_prefix("content-length:")) {
        return Ok(text.len() >= end + 4 + length.trim().parse::<usize>()?);
    }
    if head.contains("transfer-encoding: chunked") {
        return Ok(text.ends_with(b"0\r\n\r\n"));
    }
    bail!("an answer without a length: {head}")
}

fn request(body: &str) -> Vec<u8> {
    let head = format!(
        "POST /mutate?timeout=5s HTTP/1.1\r\nHost: {NAME}:443\r\nUser-Agent: kube-apiserver-admission\r\nContent-Type: application/json\r\nAccept: application/json, */*\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Whether the server answers at all.
pub async fn answers(connector: &TlsConnector, address: SocketAddr) -> Result<()> {
    let asking = async {
        let mut connection = Connection::open(connector, address).await?;
        let text = format!("GET /healthz HTTP/1.1\r\nHost: {NAME}\r\n\r\n");
        connection.ask(text.as_bytes(), b"ok").await
    };
    tokio::time::timeout(Duration::from_secs(2), asking).await?
}

/// The body of the answer to one question. Asked as HTTP/1.0, so that it ends with the connection and in no other way.
pub async fn whole_answer(connector: &TlsConnector, address: SocketAddr, body: &str) -> Result<String> {
    let asking = async {
        let mut connection = Connection::open(connector, address).await?;
        let question = String::from_utf8(request(body))?.replacen("HTTP/1.1", "HTTP/1.0", 1);
        connection.stream.write_all(question.as_bytes()).await?;
        connection.stream.flush().await?;
        let mut answer = String::new();
        connection.stream.read_to_string(&mut answer).await?;
        let (head, text) = answer
            .split_once("\r\n\r\n")
            .context("an answer without a head")?;
        ensure!(
            head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"),
            "{head}"
        );
        anyhow::Ok(text.to_owned())
    };
    tokio::time::timeout(Duration::from_secs(5), asking)
        .await
        .context("no answer within 5 s")?
}

/// `clients` connections, each asking again as soon as it is answered.
pub async fn closed(
    connector: &TlsConnector,
    address: SocketAddr,
    body: &str,
    clients: usize,
    time: Duration,
) -> Result<Times> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open(connector, address).await?);
    }
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let request = request(body);
            tokio::spawn(async move {
                let mut each = Vec::with_capacity(200_000);
                while start.elapsed() < time {
                    let before = Instant::now();
                    connection.ask(&request, b"JSONPatch").await?;
                    each.push(before.elapsed());
                }
                anyhow::Ok(each)
            })
        })
        .collect();
    let mut each = Vec::new();
    for task in tasks {
        each.extend(task.await??);
    }
    Ok(Times::of(each, start.elapsed()))
}

/// So many a second over 8 connections, each at its own moment whether the one before was answered soon or late:
/// a late answer delays its connection's next one, and that delay counts.
pub async fn paced(
    connector: &TlsConnector,
    address: SocketAddr,
    body: &str,
    rate: u32,
    time: Duration,
) -> Result<Times> {
    const CONNECTIONS: u32 = 8;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CONNECTIONS {
        let mut connection = Connection::open(connector, address).await?;
        let request = request(body);
        tasks.push(tokio::spawn(async move {
            let step = Duration::from_secs(1) * CONNECTIONS / rate;
            let mut due = start + Duration::from_millis(50) + Duration::from_secs(1) * number / rate;
            let mut each = Vec::new();
            while due < start + time {
                // Tokio's timer is exact to a millisecond; a due moment in the middle of one would measure the timer.
                let now = Instant::now();
                let pause = due
                    .saturating_duration_since(now)
                    .saturating_sub(Duration::from_millis(1));
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                while Instant::now() < due {
                    tokio::task::yield_now().await;
                }
                connection.ask(&request, b"JSONPatch").await?;
                each.push(due.elapsed());
                due += step;
            }
            anyhow::Ok(each)
        }));
    }
    let mut each = Vec::new();
    for task in tasks {
        each.extend(task.await??);
    }
    Ok(Times::of(each, start.elapsed()))
}
