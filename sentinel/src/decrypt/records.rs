//! Reads and opens the records of one file beside its writer, one ahead of the writer and never ahead of what
//! has landed.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};
use trustbridge_tbenc::{self as tbenc, HEADER_BYTES, Header, Key, Opener, Place, check_size};
use zeroize::Zeroizing;

use super::{Error, Job, file_key};
use crate::hydrate::{Abandoned, AssetFile};

/// Bytes of a record before its text.
const LENGTH_BYTES: usize = 4;

/// A buffer that holds the plaintext of one record. Wiped when dropped.
pub(super) struct Plaintext {
    record: Zeroizing<Vec<u8>>,
    bytes: usize,
}

impl Plaintext {
    pub(super) fn bytes(&self) -> &[u8] {
        self.record
            .get(LENGTH_BYTES..LENGTH_BYTES + self.bytes)
            .unwrap_or_default()
    }

    /// Wipes the text and keeps the buffer.
    ///
    /// `zeroize` writes byte by byte; this is the same in a tenth of the time, and cannot be left out by the
    /// compiler either: it does not know who reads the buffer next.
    pub(super) fn wiped(mut self) -> Zeroizing<Vec<u8>> {
        self.record.fill(0);
        std::hint::black_box(self.record.as_mut_slice());
        self.record
    }
}

/// The ends that the writer holds.
pub(super) struct Feed {
    /// Plaintext in order. It ends when the file does, or at the first error.
    pub(super) plaintext: Receiver<Plaintext>,
    /// Where wiped buffers go back.
    pub(super) spent: Sender<Zeroizing<Vec<u8>>>,
    /// How it ended.
    pub(super) outcome: tokio::task::JoinHandle<Result<(), Error>>,
}

/// Begins to read the file.
pub(super) fn feed(job: &Job) -> Feed {
    let (send, plaintext) = mpsc::channel(1);
    let (spent, buffers) = mpsc::channel(4);
    let reading = Reading {
        file: job.file.clone(),
        send,
        buffers,
    };
    let outcome = tokio::spawn(reading.run(job.chunk_bytes, job.key.clone()));
    Feed {
        plaintext,
        spent,
        outcome,
    }
}

struct Reading {
    file: AssetFile,
    send: Sender<Plaintext>,
    buffers: Receiver<Zeroizing<Vec<u8>>>,
}

impl Reading {
    /// Waits as a task and works in the pool. What lands is written by the same pool: files that wait in its threads,
    /// one each, could leave none for that.
    async fn run(mut self, chunk_bytes: u32, key: Arc<Key>) -> Result<(), Error> {
        let file = self.file.clone();
        let source = in_pool(move || source_of(&file, chunk_bytes)).await?;
        let mut end = HEADER_BYTES as u64;
        if !self.landed(end).await? {
            return Ok(());
        }
        let file = self.file.clone();
        let mut open = in_pool(move || Open::begin(file, source, chunk_bytes, &key)).await?;
        while open.opener.next_record_bytes() > 0 {
            end += open.opener.next_record_bytes() as u64;
            if !self.landed(end).await? {
                return Ok(());
            }
            let buffer = self.buffers.try_recv().unwrap_or_default();
            let text;
            (open, text) = in_pool(move || {
                let text = open.next_text(buffer)?;
                Ok((open, text))
            })
            .await?;
            // The last text goes out only when nothing follows it and the digest of all of it stands.
            if open.opener.next_record_bytes() == 0 && !self.verified().await? {
                return Ok(());
            }
            if self.send.send(text).await.is_err() {
                // The writer lost its reader.
                return Ok(());
            }
        }
        // A file without a record has a digest too.
        self.verified().await?;
        open.opener.finish().map_err(|error| Error::of(&self.file, error))
    }

    /// Waits until so much of the file has landed. False when the writer lost its reader before.
    async fn landed(&self, bytes: u64) -> Result<bool, Error> {
        let mut follow = self.file.follow.clone();
        self.wait(follow.landed(bytes)).await
    }

    /// Waits until the digest of the file stands. False when the writer lost its reader before.
    async fn verified(&self) -> Result<bool, Error> {
        let mut follow = self.file.follow.clone();
        self.wait(follow.verified()).await
    }

    async fn wait(&self, follow: impl Future<Output = Result<(), Abandoned>>) -> Result<bool, Error> {
        let waited = tokio::select! {
            biased;
            waited = follow => waited.map(|()| true),
            () = self.send.closed() => Ok(false),
        };
        waited.map_err(|Abandoned| Error::abandoned(&self.file))
    }
}

async fn in_pool<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::io("decrypting", io::Error::other(error))))
}

/// The ciphertext, if it is as long as it must be.
fn source_of(file: &AssetFile, chunk_bytes: u32) -> Result<File, Error> {
    let io = |error| Error::io(file.local.display().to_string(), error);
    let source = File::open(&file.local).map_err(io)?;
    let length = source.metadata().map_err(io)?.len();
    check_size(length, file.plaintext_bytes, chunk_bytes).map_err(|error| Error::of(file, error))?;
    Ok(source)
}

/// A file whose header is read.
struct Open {
    file: AssetFile,
    source: File,
    opener: Opener,
}

impl Open {
    fn begin(file: AssetFile, mut source: File, chunk_bytes: u32, key: &Arc<Key>) -> Result<Self, Error> {
        let wrong = |error| Error::of(&file, error);
        let mut header = [0; HEADER_BYTES];
        source
            .read_exact(&mut header)
            .map_err(|error| Error::io(file.local.display().to_string(), error))?;
        let header = Header::parse(&header).map_err(wrong)?;
        header.expect_chunk_bytes(chunk_bytes).map_err(wrong)?;
        let opener = {
            let key = file_key(key, &file)?;
            Opener::new(&key, header, file.plaintext_bytes).map_err(wrong)?
        };
        Ok(Self { file, source, opener })
    }

    fn next_text(&mut self, mut record: Zeroizing<Vec<u8>>) -> Result<Plaintext, Error> {
        let Self { file, source, opener } = self;
        let wrong = |error| Error::of(file, error);
        record.resize(opener.next_record_bytes(), 0);
        read_record(source, &mut record, opener.next_index()).map_err(wrong)?;
        let text = opener.open_record(&mut record).map(|text| text.len());
        let bytes = text.map_err(wrong)?;
        if opener.next_record_bytes() == 0 {
            finish(opener, source).map_err(wrong)?;
        }
        Ok(Plaintext { record, bytes })
    }
}

fn read_record(source: &mut File, record: &mut [u8], index: u64) -> Result<(), tbenc::Error> {
    source.read_exact(record).map_err(|error| match error.kind() {
        // It was complete a moment ago: somebody cut it.
        io::ErrorKind::UnexpectedEof => tbenc::Error::Truncated {
            place: Place::Record(index),
            missing: 1,
        },
        kind => tbenc::Error::Io {
            doing: "reading the ciphertext",
            kind,
            message: error.to_string(),
        },
    })
}

fn finish(opener: &mut Opener, source: &mut File) -> Result<(), tbenc::Error> {
    opener.finish()?;
    match source.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(tbenc::Error::Trailing { place: Place::End }),
        Err(error) => Err(tbenc::Error::Io {
            doing: "reading the ciphertext",
            kind: error.kind(),
            message: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::feed;
    use crate::decrypt::volume;
    use crate::hydrate::Follow;
    use std::time::Duration;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn files_that_wait_for_their_bytes_leave_the_pool_to_what_lands() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let mut job = volume::tests::job(dir.path());
            let bytes = std::fs::metadata(&job.file.local).unwrap().len();
            let (land, follow) = Follow::landing();
            job.file.follow = follow;
            let feeds: Vec<_> = (0..3).map(|_| feed(&job)).collect();
            let landing = tokio::task::spawn_blocking(move || land(bytes));
            timeout(PATIENCE, landing).await.unwrap().unwrap();
            for mut feed in feeds {
                let mut read = Vec::new();
                while let Some(text) = timeout(PATIENCE, feed.plaintext.recv()).await.unwrap() {
                    read.extend_from_slice(text.bytes());
                }
                assert_eq!(read, b"plaintext");
                feed.outcome.await.unwrap().unwrap();
            }
        });
    }
}
