//! How the bytes of an answer come off a connection: in few, large reads.
//!
//! rustls takes 4 KiB at a time from its transport and gives one record of at most 16 KiB at a time to whoever reads.
//! With the two layers here a GB takes a quarter of the system calls and fewer wake-ups of the reader:
//! docs/benchmarks/sentinel-designs.md.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tower::util::MapResponse;

/// Bytes that one read takes from the kernel at most.
const READ_BYTES: usize = 128 << 10;

/// A connector whose connections read so.
pub(super) type Connector =
    MapResponse<HttpsConnector<MapResponse<HttpConnector, fn(TokioIo<TcpStream>) -> Ahead>>, fn(Tls) -> Line>;
/// A connection as the HTTP client has it.
pub(super) type Line = TokioIo<Filled>;
type Tls = MaybeHttpsStream<Ahead>;

/// TCP, read ahead of TLS.
pub(super) struct Ahead(TokioIo<BufReader<TcpStream>>);

/// TLS, or TCP where that is allowed; a read takes all that is there already.
pub(super) struct Filled {
    line: TokioIo<Tls>,
    /// What ended a read that had bytes to give before.
    failed: Option<io::Error>,
}

/// Below TLS.
pub(super) fn ahead(tcp: TokioIo<TcpStream>) -> Ahead {
    Ahead(TokioIo::new(BufReader::with_capacity(
        READ_BYTES,
        tcp.into_inner(),
    )))
}

/// Above TLS.
pub(super) fn filled(tls: Tls) -> Line {
    TokioIo::new(Filled {
        line: TokioIo::new(tls),
        failed: None,
    })
}

impl Read for Ahead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Ahead {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, pieces)
    }
}

impl Connection for Ahead {
    fn connected(&self) -> Connected {
        self.0.inner().get_ref().connected()
    }
}

impl AsyncRead for Filled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(failed) = self.failed.take() {
            return Poll::Ready(Err(failed));
        }
        let before = buffer.filled().len();
        loop {
            let had = buffer.filled().len();
            match Pin::new(&mut self.line).poll_read(context, buffer) {
                Poll::Pending if had > before => return Poll::Ready(Ok(())),
                // It may be told once only, and the bytes before it are good.
                Poll::Ready(Err(error)) if had > before => {
                    self.failed = Some(error);
                    return Poll::Ready(Ok(()));
                }
                other => ready!(other)?,
            }
            if buffer.filled().len() == had || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Filled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write_vectored(context, pieces)
    }
}

impl Connection for Filled {
    fn connected(&self) -> Connected {
        self.line.inner().connected()
    }
}
