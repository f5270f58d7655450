//! The end of a connection on which more of a request may come (RFC 9112 section 9.6).
//!
//! A socket that is closed while bytes wait in it, or come afterwards, is answered for by the kernel with a reset, and a
//! reset takes from the client the answer that it has not read yet: the one that says why. So the side that we write is
//! closed, and what the client still sends is thrown away until it has seen the end. nginx does the same, and has the same
//! two limits of time (`lingering_timeout`, `lingering_time`). The third, of bytes, is ours: an upload without end costs
//! no more than that.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::REQUEST_BYTES;

/// A client that sends nothing for so long has read the end, or is gone.
const SILENT: Duration = Duration::from_secs(5);
/// Nobody may send for longer.
const LONGEST: Duration = Duration::from_secs(30);
/// Nobody may send more: all of the largest request that is let in, however early its answer was, and its framing.
const MOST_BYTES: u64 = REQUEST_BYTES + (1 << 20);
/// For one read.
const READ_BYTES: usize = 16 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct Linger {
    /// Set when the side that we write is closed.
    reading: Option<Box<Reading>>,
}

struct Reading {
    end: Instant,
    alarm: Pin<Box<Sleep>>,
    taken: u64,
    room: [u8; READ_BYTES],
}

impl Linger {
    /// Ready when the connection can be dropped; `waits` says whether there is anything to wait for.
    pub(super) fn poll_close<S>(
        &mut self,
        stream: &mut S,
        waits: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let reading = if let Some(reading) = &mut self.reading {
            reading
        } else {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            if !waits {
                return Poll::Ready(Ok(()));
            }
            self.reading.insert(Box::new(Reading::begin()))
        };
        reading.poll_end(stream, cx).map(Ok)
    }
}

impl Reading {
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            end: now + LONGEST,
            alarm: Box::pin(sleep_until(now + SILENT)),
            taken: 0,
            room: [0; READ_BYTES],
        }
    }

    /// Ready when the client closed its side too, took too long, or sent too much.
    fn poll_end<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut read = ReadBuf::new(&mut self.room);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    let next = Instant::now() + SILENT;
                    self.alarm.as_mut().reset(next.min(self.end));
                    self.taken += read.filled().len() as u64;
                }
                // Its end, or one that it did not announce.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.alarm.as_mut().poll(cx),
            }
            if Instant::now() >= self.end || self.taken >= MOST_BYTES {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Linger, MOST_BYTES, SILENT};
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    /// How long the end took.
    async fn closed(mut near: DuplexStream, waits: bool) -> Duration {
        let (start, mut linger) = (Instant::now(), Linger::default());
        poll_fn(|cx| linger.poll_close(&mut near, waits, cx))
            .await
            .unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_client_and_not_for_ever() {
        // A request that is whole.
        let (near, _far) = duplex(64);
        assert_eq!(closed(near, false).await, Duration::ZERO);
        // A client that says nothing, and does not go.
        let (near, _far) = duplex(64);
        assert!(closed(near, true).await >= SILENT);
        // One that sees the end, sends what it was about to, and goes.
        let (near, mut far) = duplex(64);
        let client = tokio::spawn(async move {
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
            tokio::time::sleep(Duration::from_secs(1)).await;
            far.write_all(&vec![0; 1 << 20]).await
        });
        let took = closed(near, true).await;
        client.await.unwrap().unwrap();
        assert_eq!(took.as_secs(), 1);
        // One that sends as fast as it can, without end.
        let (near, mut far) = duplex(1 << 16);
        let client = tokio::spawn(async move {
            let mut sent = 0_u64;
            let piece = vec![0; 1 << 16];
            while far.write_all(&piece).await.is_ok() {
                sent += 1 << 16;
            }
            sent
        });
        assert!(closed(near, true).await < SILENT);
        let sent = client.await.unwrap();
        assert!((MOST_BYTES..=MOST_BYTES + (1 << 17)).contains(&sent), "{sent}");
        // One that sends slowly, without end.
        let (near, mut far) = duplex(64);
        let client = tokio::spawn(async move {
            while far.write_all(b"more").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        assert_eq!(closed(near, true).await.as_secs(), LONGEST.as_secs());
        client.await.unwrap();
    }
}
