//! An HTTP/1.1 server that may break every rule: what is sent, how fast, and how the connection ends.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest head and body of a request that a script wants to see.
const REQUEST_BYTES: usize = 1 << 20;

/// A request as it came.
#[derive(Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub query: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?, first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        })
    }
}

/// An answer before it is broken.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Sets a header; one of that name before is replaced.
    pub fn with(self, name: &str, value: &str) -> Self {
        let mut answer = self.without(name);
        answer.headers.push((name.to_owned(), value.to_owned()));
        answer
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        let told = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if !told("content-length") && !told("transfer-encoding") {
            write!(head, "content-length: {}\r\n", self.body.len()).unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole of it, and the connection stays.
    pub fn whole(self) -> Act {
        let bytes = self.body.len();
        self.cut(bytes, End::Stay)
    }

    /// Its head, so many bytes of its body, and then the end.
    pub fn cut(self, bytes: usize, end: End) -> Act {
        let mut sent = self.head();
        let drip_from = sent.len();
        sent.extend_from_slice(&self.body[..bytes.min(self.body.len())]);
        Act {
            sent,
            drip_from,
            drip: None,
            wait: Duration::ZERO,
            held: None,
            end,
        }
    }
}

/// What is done with the connection when everything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It serves the next request.
    Stay,
    /// It is closed in order, TLS first.
    Close,
    /// TCP ends, TLS never said so.
    Cut,
    /// TCP is reset.
    Reset,
    /// Nothing, for ever.
    Stall,
}

/// What the server does with one request.
#[derive(Debug)]
pub struct Act {
    sent: Vec<u8>,
    drip_from: usize,
    drip: Option<Duration>,
    wait: Duration,
    /// Nothing is sent before this says so.
    held: Option<watch::Receiver<bool>>,
    end: End,
}

impl Act {
    /// Nothing at all, for ever.
    pub fn silence() -> Self {
        Answer::new(200, "")
            .cut(0, End::Stall)
            .after(Duration::from_hours(1))
    }

    /// The body byte by byte.
    pub fn dripping(mut self, every: Duration) -> Self {
        self.drip = Some(every);
        self
    }

    /// Not before this is true.
    pub fn until(mut self, open: watch::Receiver<bool>) -> Self {
        self.held = Some(open);
        self
    }

    /// Not at once.
    pub fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// What decides.
pub type Script = Arc<dyn Fn(&Ask) -> Act + Send + Sync>;

enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Listens at an address of its own and follows the script until the runtime ends.
pub fn serve(
    tokio: &tokio::runtime::Handle,
    at: SocketAddr,
    tls: Option<TlsAcceptor>,
    script: Script,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind(at).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    tokio.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, script) = (tls.clone(), script.clone());
            tokio::spawn(async move {
                let _ = tcp.set_nodelay(true);
                let line = match tls {
                    None => Line::Plain(tcp),
                    // A client that does not trust us leaves here.
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => Line::Tls(Box::new(stream)),
                        Err(_) => return,
                    },
                };
                hold(line, &script).await;
            });
        }
    });
    address
}

async fn hold(mut line: Line, script: &Script) {
    let end = match &mut line {
        Line::Plain(stream) => exchange(stream, script).await,
        Line::Tls(stream) => exchange(stream.as_mut(), script).await,
    };
    match (end, &mut line) {
        (End::Reset, line) => {
            let _ = line.tcp().set_zero_linger();
        }
        (End::Close, Line::Tls(stream)) => {
            let _ = stream.shutdown().await;
        }
        (End::Stall, _) => std::future::pending().await,
        _ => {}
    }
}

/// Answers requests until one ends the connection, or the client does.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, script: &Script) -> End {
    while let Some(ask) = read(stream).await {
        let mut act = script(&ask);
        if let Some(held) = &mut act.held {
            // Its sender is gone with its case: then nobody waits for the answer.
            let _ = held.wait_for(|open| *open).await;
        }
        tokio::time::sleep(act.wait).await;
        let fast = if act.drip.is_some() {
            act.drip_from
        } else {
            act.sent.len()
        };
        let (at_once, slowly) = act.sent.split_at(fast);
        if stream.write_all(at_once).await.is_err() || stream.flush().await.is_err() {
            return End::Close;
        }
        for byte in slowly {
            tokio::time::sleep(act.drip.unwrap_or_default()).await;
            if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
                return End::Close;
            }
        }
        if act.end != End::Stay {
            return act.end;
        }
    }
    End::Close
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Ask> {
    let mut bytes: Vec<u8> = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        // A client that speaks TLS to us will never end a line.
        let strange = bytes.first().is_some_and(|byte| !byte.is_ascii_uppercase());
        if strange || bytes.len() > REQUEST_BYTES || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut ask = Ask::parse(std::str::from_utf8(&bytes[..head]).ok()?)?;
    ask.body = bytes.split_off(head + 4);
    let length: usize = ask
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while ask.body.len() < length.min(REQUEST_BYTES) {
        if stream.read_buf(&mut ask.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(ask)
}
