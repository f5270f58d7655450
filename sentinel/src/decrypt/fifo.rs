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

use super::records::{Feed, Plaintext, feed};
use super::volume;
use super::{Error, Job, Ledger};
use crate::hydrate::Abandoned;
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

/// Offers the file again and again until it is stopped. Returns early on errors that no reader can cause, and that
/// are not hydration's to tell.
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
            match stream(job, feed(job), pipe, ledger).await {
                Err(error) => return Err(judged(job, error).await),
                Ok(Stream::Complete) => {
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
                Ok(Stream::Broken) => {
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

/// What an error means once the file's digest stands. Before that, bytes may be wrong that hydration still refuses, or
/// fetches anew: its verdict comes first, and where it is none, its own word is the last.
async fn judged(job: &Job, error: Error) -> Error {
    tracing::error!(
        file = job.file.shown(),
        "{error}; the pipe was closed before the last chunk"
    );
    match job.file.follow.clone().verified().await {
        Ok(()) => error,
        Err(Abandoned) => std::future::pending().await,
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

async fn stream(job: &Job, feed: Feed, mut pipe: Sender, ledger: &Ledger) -> Result<Stream, Error> {
    let Feed {
        mut plaintext,
        spent,
        outcome,
    } = feed;
    let mut written = 0;
    loop {
        let text = tokio::select! {
            biased;
            text = plaintext.recv() => text,
            // While nothing lands nothing is written, and only this tells that the reader is gone. After the last byte
            // it may go: whether it took that is seen in the end.
            () = left(&pipe), if written < job.file.plaintext_bytes => return Ok(Stream::Broken),
        };
        let Some(mut text) = text else {
            break;
        };
        let bytes = text.bytes().len() as u64;
        let sent = write_and_wipe(&mut text, &mut pipe).await;
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

/// Writes the text as the pipe has room, and wipes each piece at once, while it lies in the cache: one more way through
/// the memory afterwards costs more than the decryption.
async fn write_and_wipe(text: &mut Plaintext, pipe: &mut Sender) -> io::Result<()> {
    while !text.bytes().is_empty() {
        let written = pipe.write(text.bytes()).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        text.wipe(written);
    }
    Ok(())
}

/// Waits until the reader closes its end. Failing, it is for the next write to tell.
async fn left(pipe: &Sender) {
    match pipe.ready(Interest::ERROR).await {
        Ok(ready) if ready.is_error() => {}
        _ => std::future::pending().await,
    }
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

#[cfg(test)]
mod tests {
    use super::{Feed, Ledger, Stream, feed, stream};
    use crate::config::Config;
    use crate::decrypt::{Volume, volume};
    use crate::events::Events;
    use crate::shared::Shared;
    use std::time::Duration;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::unix::pipe::pipe;
    use tokio::sync::mpsc;

    fn ledger() -> Ledger {
        let vars = [
            ("TB_CONTRACT_ID", "contract-allow"),
            ("TB_ASSET_ID", "asset"),
            ("TB_EDC_ENDPOINT", "https://control.example"),
            ("TB_RUNTIME_URL", "http://127.0.0.1:1"),
        ];
        let config = Config::load(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ledger {
            reads: crate::decrypt::Reads::carrying(std::iter::once(false)).into(),
            names: vec!["model".to_owned()],
            digest: String::new(),
            volume: Volume::of(&config.unwrap().config),
            events: Events::channel().0,
            shared: Shared::new(),
        }
    }

    /// How a stream ended whose reader takes so many of nine bytes and closes, before the feed says its end.
    async fn ended(taken: usize) -> Stream {
        let dir = tempfile::tempdir().unwrap();
        let (job, ledger) = (volume::tests::job(dir.path()), ledger());
        let (near, mut reader) = pipe().unwrap();
        let Feed {
            plaintext: mut texts,
            spent,
            outcome,
        } = feed(&job);
        let (relay, plaintext) = mpsc::channel(4);
        let slow = Feed {
            plaintext,
            spent,
            outcome,
        };
        let reading = async move {
            while let Some(text) = texts.recv().await {
                assert!(relay.send(text).await.is_ok());
            }
            reader.read_exact(&mut vec![0; taken]).await.unwrap();
            drop(reader);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let (ended, ()) = tokio::join!(stream(&job, slow, near, &ledger), reading);
        ended.unwrap()
    }

    #[tokio::test]
    async fn a_reader_that_took_all_and_left_before_the_feed_ended_took_all() {
        assert!(matches!(ended(9).await, Stream::Complete));
        assert!(matches!(ended(8).await, Stream::Broken));
    }
}
