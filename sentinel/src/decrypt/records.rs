//! Reads and opens the records of one file beside its writer, one ahead of the writer and never ahead of what
//! has landed.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use trustbridge_tbenc::{self as tbenc, HEADER_BYTES, Header, Key, Opener, Place, check_size};
use zeroize::Zeroizing;

use super::{Error, Job, file_key};
use crate::hydrate::{Abandoned, AssetFile};

/// Bytes of a record before its text.
const LENGTH_BYTES: usize = 4;

/// A buffer that holds the plaintext of one record. Wiped as it is written, and when dropped.
pub(super) struct Plaintext {
    record: Zeroizing<Vec<u8>>,
    /// Where in it the text is that is not wiped yet.
    text: Range<usize>,
}

impl Plaintext {
    /// The text that is not wiped yet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.record.get(self.text.clone()).unwrap_or_default()
    }

    /// Wipes so many bytes from the beginning of the text, or all of it where it is shorter.
    ///
    /// `zeroize` writes byte by byte; this is the same in a tenth of the time, and cannot be left out by the
    /// compiler either: it does not know who reads the buffer next.
    pub(super) fn wipe(&mut self, bytes: usize) {
        let end = self.text.start.saturating_add(bytes).min(self.text.end);
        if let Some(written) = self.record.get_mut(self.text.start..end) {
            written.fill(0);
            std::hint::black_box(written);
        }
        self.text.start = end;
    }

    /// The buffer, with what is left of the text wiped.
    pub(super) fn wiped(mut self) -> Zeroizing<Vec<u8>> {
        self.wipe(usize::MAX);
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
    pub(super) outcome: oneshot::Receiver<Result<(), Error>>,
}

/// Begins to read the file, in a thread of its own. It waits for bytes to land, and what lands is written by the
/// runtime's pool: files that waited in the pool's threads, one each, could leave none for that.
pub(super) fn feed(job: &Job) -> Feed {
    let (send, plaintext) = mpsc::channel(1);
    let (spent, buffers) = mpsc::channel(4);
    let (end, outcome) = oneshot::channel();
    let reading = Reading {
        file: job.file.clone(),
        chunk_bytes: job.chunk_bytes,
        key: job.key.clone(),
        runtime: Handle::current(),
        send,
        buffers,
    };
    // Nobody waits for the outcome of a file whose reader is gone.
    let work = move || drop(end.send(reading.run()));
    if let Err(error) = std::thread::Builder::new().name("records".to_owned()).spawn(work) {
        tracing::error!(file = job.file.shown(), %error, "there is no thread to open it in");
    }
    Feed {
        plaintext,
        spent,
        outcome,
    }
}

struct Reading {
    file: AssetFile,
    chunk_bytes: u32,
    key: Arc<Key>,
    runtime: Handle,
    send: Sender<Plaintext>,
    buffers: Receiver<Zeroizing<Vec<u8>>>,
}

impl Reading {
    fn run(mut self) -> Result<(), Error> {
        let mut source = self.source()?;
        let mut end = HEADER_BYTES as u64;
        if !self.landed(end)? {
            return Ok(());
        }
        let mut opener = self.opener(&mut source)?;
        while opener.next_record_bytes() > 0 {
            end += opener.next_record_bytes() as u64;
            if !self.landed(end)? {
                return Ok(());
            }
            let text = self.next_text(&mut opener, &mut source)?;
            // The last text goes out only when nothing follows it and the digest of all of it stands.
            if opener.next_record_bytes() == 0 && !self.verified()? {
                return Ok(());
            }
            if self.send.blocking_send(text).is_err() {
                // The writer lost its reader.
                return Ok(());
            }
        }
        // A file without a record has a digest too.
        self.verified()?;
        opener.finish().map_err(|error| Error::of(&self.file, error))
    }

    /// Waits until so much of the file has landed. False when the writer lost its reader before.
    fn landed(&self, bytes: u64) -> Result<bool, Error> {
        let mut follow = self.file.follow.clone();
        self.wait(follow.landed(bytes))
    }

    /// Waits until the digest of the file stands. False when the writer lost its reader before.
    fn verified(&self) -> Result<bool, Error> {
        let mut follow = self.file.follow.clone();
        self.wait(follow.verified())
    }

    fn wait(&self, follow: impl Future<Output = Result<(), Abandoned>>) -> Result<bool, Error> {
        let waited = self.runtime.block_on(async {
            tokio::select! {
                biased;
                waited = follow => waited.map(|()| true),
                () = self.send.closed() => Ok(false),
            }
        });
        waited.map_err(|Abandoned| Error::abandoned(&self.file))
    }

    /// The ciphertext, if it is as long as it must be.
    fn source(&self) -> Result<File, Error> {
        let io = |error| self.failed(error);
        let source = File::open(&self.file.local).map_err(io)?;
        let length = source.metadata().map_err(io)?.len();
        check_size(length, self.file.plaintext_bytes, self.chunk_bytes)
            .map_err(|error| Error::of(&self.file, error))?;
        Ok(source)
    }

    /// What opens its records, from its header.
    fn opener(&self, source: &mut File) -> Result<Opener, Error> {
        let wrong = |error| Error::of(&self.file, error);
        let mut header = [0; HEADER_BYTES];
        source
            .read_exact(&mut header)
            .map_err(|error| self.failed(error))?;
        let header = Header::parse(&header).map_err(wrong)?;
        header.expect_chunk_bytes(self.chunk_bytes).map_err(wrong)?;
        let key = file_key(&self.key, &self.file)?;
        Opener::new(&key, header, self.file.plaintext_bytes).map_err(wrong)
    }

    fn next_text(&mut self, opener: &mut Opener, source: &mut File) -> Result<Plaintext, Error> {
        let wrong = |error| Error::of(&self.file, error);
        let mut record = self.buffers.try_recv().unwrap_or_default();
        record.resize(opener.next_record_bytes(), 0);
        read_record(source, &mut record, opener.next_index()).map_err(wrong)?;
        let text = opener.open_record(&mut record).map(|text| text.len());
        let bytes = text.map_err(wrong)?;
        if opener.next_record_bytes() == 0 {
            finish(opener, source).map_err(wrong)?;
        }
        let text = LENGTH_BYTES..LENGTH_BYTES + bytes;
        Ok(Plaintext { record, text })
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(self.file.local.display().to_string(), error)
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
