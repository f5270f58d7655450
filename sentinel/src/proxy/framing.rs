//! Sees request heads as they came over the wire, to refuse those that two programs could cut differently.
//!
//! hyper answers a request with both Content-Length and Transfer-Encoding by its Transfer-Encoding and removes
//! the other header, so that the service cannot see it. RFC 9112 section 6.1 lets a server refuse such a
//! request, and nobody sends one in good faith. A connection on which a chunked request came is closed after
//! its answer: this scanner does not follow chunks, and so never has to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::linger::Linger;

/// Enough of a line to know its name and a length.
const LINE_BYTES: usize = 128;

/// What the scanner of one connection tells its service.
#[derive(Debug, Default)]
pub(super) struct Findings {
    ambiguous: AtomicBool,
    last: AtomicBool,
}

impl Findings {
    /// A head named its body's length in two ways.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous.load(Ordering::Acquire)
    }

    /// The connection must be closed after this answer.
    pub(super) fn is_last(&self) -> bool {
        self.last.load(Ordering::Acquire)
    }
}

enum Place {
    /// In a head.
    Head,
    /// In a body, with so many bytes to come.
    Body(u64),
    /// Not looked at any more.
    Rest,
}

struct Scanner {
    findings: Arc<Findings>,
    place: Place,
    line: Vec<u8>,
    /// The line went on after what is kept of it.
    cut: bool,
    /// A line about the body's length was cut, or one that might be.
    unsure: bool,
    lines: usize,
    lengths: Vec<Option<u64>>,
    encodings: usize,
}

impl Scanner {
    fn new(findings: Arc<Findings>) -> Self {
        Self {
            findings,
            place: Place::Head,
            line: Vec::new(),
            cut: false,
            unsure: false,
            lines: 0,
            lengths: Vec::new(),
            encodings: 0,
        }
    }

    /// Whether a request is not whole, or may be so: of chunks nobody knows here.
    fn expects_more(&self) -> bool {
        !matches!(self.place, Place::Head | Place::Body(0))
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            match self.place {
                Place::Rest => return,
                Place::Body(0) => self.place = Place::Head,
                Place::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(here..).unwrap_or_default();
                    self.place = Place::Body(left - here as u64);
                }
                Place::Head => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        return self.keep(bytes);
                    };
                    let (before, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                    bytes = rest.get(1..).unwrap_or_default();
                    self.keep(before);
                    self.end_of_line();
                }
            }
            if bytes.is_empty() && !matches!(self.place, Place::Body(0)) {
                return;
            }
        }
    }

    /// A piece of a line.
    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.line.len());
        self.cut |= piece.len() > room;
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn end_of_line(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        // Taken out and put back, so that its memory serves the next line.
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match (line.is_empty(), self.lines) {
            // Empty lines before a request do not count.
            (true, 0) => {}
            (true, _) => self.end_of_head(),
            (false, _) => {
                self.lines += 1;
                self.header(&line, cut);
            }
        }
        line.clear();
        self.line = line;
    }

    /// Long values are ordinary (a bearer token is one); a length whose end was not seen is not.
    fn header(&mut self, line: &[u8], cut: bool) {
        let text = String::from_utf8_lossy(line);
        let Some((name, value)) = text.split_once(':') else {
            // The first line is the request's own; of any other the name must be known.
            self.unsure |= cut && self.lines > 1;
            return;
        };
        let about_length = ["content-length", "transfer-encoding"]
            .iter()
            .any(|known| name.trim().eq_ignore_ascii_case(known));
        self.unsure |= cut && about_length;
        if name.trim().eq_ignore_ascii_case("content-length") {
            self.lengths.push(value.trim().parse().ok());
        } else if name.trim().eq_ignore_ascii_case("transfer-encoding") {
            self.encodings += 1;
        }
    }

    fn end_of_head(&mut self) {
        let lengths = std::mem::take(&mut self.lengths);
        let encodings = std::mem::take(&mut self.encodings);
        let unsure = std::mem::take(&mut self.unsure);
        self.lines = 0;
        let one = lengths.first().copied().flatten();
        self.place = match (lengths.len(), encodings, one) {
            _ if unsure => self.refuse(),
            (0, 0, _) => Place::Head,
            (1, 0, Some(bytes)) => Place::Body(bytes),
            (0, 1, _) => {
                self.findings.last.store(true, Ordering::Release);
                Place::Rest
            }
            _ => self.refuse(),
        };
    }

    fn refuse(&self) -> Place {
        self.findings.ambiguous.store(true, Ordering::Release);
        self.findings.last.store(true, Ordering::Release);
        Place::Rest
    }
}

/// A connection whose inbound bytes pass the scanner, and which is closed slowly where more of them may come.
pub(super) struct Watched<S> {
    stream: S,
    scanner: Scanner,
    linger: Linger,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Findings>) {
        let findings = Arc::new(Findings::default());
        let scanner = Scanner::new(findings.clone());
        let watched = Self {
            stream,
            scanner,
            linger: Linger::default(),
        };
        (watched, findings)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.scanner.feed(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream,
            scanner,
            linger,
        } = self.get_mut();
        linger.poll_close(stream, scanner.expects_more(), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, Scanner};
    use std::sync::Arc;

    /// Feeds the text whole and byte by byte; both must find the same.
    fn scan(text: &str) -> (bool, bool) {
        let found = [text.len(), 1].map(|size| {
            let findings = Arc::new(Findings::default());
            let mut scanner = Scanner::new(findings.clone());
            text.as_bytes().chunks(size).for_each(|piece| scanner.feed(piece));
            (findings.is_ambiguous(), findings.is_last())
        });
        assert_eq!(found[0], found[1]);
        found[0]
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    #[test]
    fn ordinary_requests_pass_one_after_another() {
        let post = "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(scan(&format!("\r\n{GET}{post}{GET}")), (false, false));
        let empty = "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(scan(&format!("{empty}{empty}{GET}")), (false, false));
    }

    #[test]
    fn a_chunked_request_is_the_last_one() {
        assert_eq!(
            scan("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            (false, true)
        );
    }

    #[test]
    fn two_lengths_are_ambiguous_in_any_order_and_place() {
        for head in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "transfer-encoding : chunked\r\ncontent-length: 4",
            "content-length: 4\r\ncontent-length: 4",
            "content-length: 4, 4",
            "content-length: x",
            "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        ] {
            let request = format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n0\r\n\r\n");
            assert_eq!(scan(&request), (true, true), "{head}");
            assert_eq!(scan(&format!("{GET}{request}")), (true, true), "{head}");
        }
    }

    #[test]
    fn a_cut_line_is_ambiguous_where_it_could_be_a_length() {
        let long = "0".repeat(200);
        for head in [
            format!("content-length: {long}4"),
            format!("transfer-encoding: {}chunked", " ".repeat(200)),
            format!("{}content-length: 4", " ".repeat(200)),
        ] {
            let request = format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
            assert_eq!(scan(&request), (true, true), "{head}");
        }
        let ordinary = format!("GET /{long} HTTP/1.1\r\nauthorization: Bearer {long}\r\n\r\n");
        assert_eq!(scan(&format!("{ordinary}{GET}")), (false, false));
    }
}
