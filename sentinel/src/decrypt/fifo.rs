//! The writer of one FIFO.
//!
//! Nothing here blocks: the FIFO is opened without waiting (`ENXIO` while there is no reader), written when the
//! kernel has room, and every wait ends when delivery is closed.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::unix::pipe::{OpenOptions, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::records::{Feed, feed};
use super::volume;
use super::{Error, Job, Ledger};
use crate::sys;

/// How often a reader is looked for before the first one came, and afterwards.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LATER_LOOK: Duration = Duration::from_millis(100);
/// How often the pipe is looked at while its reader takes the rest.
const REST_LOOK: Duration = Duration::from_millis(2);

/// What the pipe holds: as much as the kernel gives to everybody, so that neither side waits for the other often.
const PIPE_BYTES: i32 = 1 << 20;

/// How one stream ended.
enum Stream {
    /// The reader took every byte.
    Complete,
    /// The reader left before.
    Broken,
}

/// Offers the file again and again until it is stopped. Returns early on errors that no reader can cause.
pub(super) async fn offer(job: &Job, ledger: &Ledger, stop: &CancellationToken) -> Result<(), Error> {
    let offering = async {
        let mut look = FIRST_LOOK;
        loop {
            let pipe = reader_of(job, look).await?;
            if let Err(error) = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)) {
                // Too many pipes of this user are large; this one works as it is, more slowly.
                tracing::debug!(%error, file = job.file.shown(), "the pipe stays small");
            }
            // One reader for one stream: two would each get half of it.
            volume::unlink(&job.place)?;
            ledger.began(job.index);
            match stream(job, pipe, ledger).await? {
                Stream::Complete => {
                    tracing::info!(
                        file = job.file.shown(),
                        bytes = job.file.plaintext_bytes,
                        "read to its end"
                    );
                    // The name first: whoever learns that this stream is complete may begin the next.
                    volume::make_fifo(&job.place)?;
                    ledger.ended(job.index);
                    look = LATER_LOOK;
                }
                Stream::Broken => {
                    ledger.shared.metrics.broken_streams.inc();
                    tracing::warn!(
                        file = job.file.shown(),
                        "the reader left early; offering the file from its beginning"
                    );
                    volume::make_fifo(&job.place)?;
                    look = FIRST_LOOK;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = offering => ended,
    }
}

/// Waits until somebody has the FIFO open for reading.
async fn reader_of(job: &Job, look: Duration) -> Result<Sender, Error> {
    loop {
        match OpenOptions::new().open_sender(&job.place) {
            Ok(pipe) => return Ok(pipe),
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => sleep(look).await,
            // Somebody else took the name away, or put a file in its place.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                tracing::warn!(file = job.file.shown(), "the FIFO was gone; making it again");
                volume::make_fifo(&job.place)?;
            }
            Err(error) => return Err(Error::io(job.place.display().to_string(), error)),
        }
    }
}

async fn stream(job: &Job, mut pipe: Sender, ledger: &Ledger) -> Result<Stream, Error> {
    let Feed {
        mut plaintext,
        spent,
        outcome,
    } = feed(job);
    let mut written = 0;
    while let Some(text) = plaintext.recv().await {
        let bytes = text.bytes().len() as u64;
        let sent = pipe.write_all(text.bytes()).await;
        // A full or closed return channel only means that the buffer is not used again.
        let _ = spent.try_send(text.wiped());
        match sent {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Stream::Broken),
            Err(error) => return Err(Error::io(job.place.display().to_string(), error)),
        }
        written += bytes;
        ledger.shared.facts.add_delivered_bytes(bytes);
        ledger.shared.metrics.delivered_bytes.inc_by(bytes);
    }
    outcome
        .await
        .unwrap_or_else(|error| Err(Error::io("decrypting", io::Error::other(error))))?;
    if written != job.file.plaintext_bytes {
        // The opener refuses such a file before; this keeps the promise where it is given.
        let text = format!("{written} of {} plaintext bytes", job.file.plaintext_bytes);
        return Err(Error::io(job.file.shown(), io::Error::other(text)));
    }
    taken(job, &pipe).await
}

/// Waits until the reader took what is still in the pipe. A reader that closes before that did not read the
/// file to its end, though every write succeeded.
async fn taken(job: &Job, pipe: &Sender) -> Result<Stream, Error> {
    let failed = |error| Error::io(job.place.display().to_string(), error);
    loop {
        if sys::unread_bytes(pipe).map_err(failed)? == 0 {
            return Ok(Stream::Complete);
        }
        if pipe
            .ready(Interest::WRITABLE | Interest::ERROR)
            .await
            .map_err(failed)?
            .is_write_closed()
        {
            // It may have taken the rest before it closed.
            let rest = sys::unread_bytes(pipe).map_err(failed)?;
            return Ok(if rest == 0 {
                Stream::Complete
            } else {
                Stream::Broken
            });
        }
        sleep(REST_LOOK).await;
    }
}
