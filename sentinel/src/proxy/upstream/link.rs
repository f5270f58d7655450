//! One connection to the runtime: bytes in, bytes out.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWrite as _;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

use crate::config::RuntimeTarget;

/// Room for one read. Only what came is touched.
const READ_BYTES: usize = 16 << 10;
/// With less room than this another buffer is worth its making.
const LEAST_BYTES: usize = 2 << 10;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// See the module.
pub(super) struct Link {
    stream: Stream,
    /// What came and was not looked at yet.
    pub(super) buffer: BytesMut,
}

impl Link {
    pub(super) async fn open(target: &RuntimeTarget) -> io::Result<Self> {
        let stream = match target {
            RuntimeTarget::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            RuntimeTarget::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self::over(stream))
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn over_unix(stream: UnixStream) -> Self {
        Self::over(Stream::Unix(stream))
    }

    /// Whether nothing came that nobody asked for, the other side's end included. Asks the kernel only where there is
    /// something.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = match &self.stream {
            Stream::Tcp(stream) => stream.try_read(&mut byte),
            Stream::Unix(stream) => stream.try_read(&mut byte),
        };
        let is_open = matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock);
        is_open && self.buffer.is_empty()
    }

    /// Reads more behind what is in the buffer; 0 at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < LEAST_BYTES {
            self.buffer.reserve(READ_BYTES);
        }
        match &mut self.stream {
            Stream::Tcp(stream) => poll_read_buf(Pin::new(stream), cx, &mut self.buffer),
            Stream::Unix(stream) => poll_read_buf(Pin::new(stream), cx, &mut self.buffer),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }
}
