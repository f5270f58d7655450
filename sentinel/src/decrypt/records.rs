//! Reads and opens the records of one file on a thread of its own, one ahead of the writer.

use std::fs::File;
use std::io::{self, Read as _};

use tokio::sync::mpsc::{self, Receiver, Sender};
use trustbridge_tbenc::{self as tbenc, HEADER_BYTES, Header, Opener, Place, check_size};
use zeroize::Zeroizing;

use super::{Error, Job, file_key};

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
        chunk_bytes: job.chunk_bytes,
        key: job.key.clone(),
        send,
        buffers,
    };
    let outcome = tokio::task::spawn_blocking(move || reading.run());
    Feed {
        plaintext,
        spent,
        outcome,
    }
}

struct Reading {
    file: crate::hydrate::AssetFile,
    chunk_bytes: u32,
    key: std::sync::Arc<tbenc::Key>,
    send: Sender<Plaintext>,
    buffers: Receiver<Zeroizing<Vec<u8>>>,
}

impl Reading {
    fn run(mut self) -> Result<(), Error> {
        let local = self.file.local.display().to_string();
        let io = |error| Error::io(local.clone(), error);
        let mut source = File::open(&self.file.local).map_err(io)?;
        let length = source.metadata().map_err(io)?.len();
        let wrong = |error| Error::of(&self.file, error);
        check_size(length, self.file.plaintext_bytes, self.chunk_bytes).map_err(wrong)?;
        let mut header = [0; HEADER_BYTES];
        source.read_exact(&mut header).map_err(io)?;
        let header = Header::parse(&header).map_err(wrong)?;
        header.expect_chunk_bytes(self.chunk_bytes).map_err(wrong)?;
        let mut opener = {
            let key = file_key(&self.key, &self.file)?;
            Opener::new(&key, header, self.file.plaintext_bytes).map_err(wrong)?
        };
        while opener.next_record_bytes() > 0 {
            let mut record = self.buffers.try_recv().unwrap_or_default();
            record.resize(opener.next_record_bytes(), 0);
            read_record(&mut source, &mut record, opener.next_index())
                .map_err(|error| Error::of(&self.file, error))?;
            let text = opener.open_record(&mut record).map(|text| text.len());
            let bytes = text.map_err(|error| Error::of(&self.file, error))?;
            if opener.next_record_bytes() == 0 {
                // The last text goes out only when nothing follows it.
                finish(&mut opener, &mut source).map_err(|error| Error::of(&self.file, error))?;
            }
            if self.send.blocking_send(Plaintext { record, bytes }).is_err() {
                // The writer lost its reader.
                return Ok(());
            }
        }
        opener.finish().map_err(|error| Error::of(&self.file, error))
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
