//! How a file is cut into blocks, and what a block is called.
//!
//! A block's id is its index and the SHA-256 of its own bytes. A run that was killed leaves staged blocks; the next
//! one reads the file again, and a block whose id is staged already needs no sending, because the same id means the
//! same bytes. The digest of the whole file would not do instead: a damaged file would stage wrong blocks under the
//! right digest before anybody noticed, and the run after the repair would take them for good.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trustbridge_tbenc::{Sha256, hex_digest};

use crate::failure::{Exit, Failure};

/// Blocks are this large unless the file or the concurrency wants otherwise.
const BLOCK_BYTES: u64 = 8 << 20;
/// The service takes at most this many blocks for one blob.
const MAX_BLOCKS: u64 = 50_000;
/// All blocks in memory together; two are the least, however large they must be.
const BUDGET: u64 = 40 << 20;
/// Block sizes are multiples of this.
const GRAIN: u64 = 64 << 10;

/// The cut of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) block_bytes: u64,
    /// Blocks on their way at once; one more is being read.
    pub(crate) in_flight: u64,
}

impl Cut {
    /// Larger blocks where the file would need more than the service takes; smaller ones, else fewer at once, where
    /// they would not fit into memory.
    pub(crate) fn of(file_bytes: u64, concurrency: u64) -> Self {
        let least = file_bytes.div_ceil(MAX_BLOCKS).next_multiple_of(GRAIN);
        let fitting = BUDGET / (concurrency + 1) / GRAIN * GRAIN;
        let block_bytes = BLOCK_BYTES.min(fitting).max(least).max(GRAIN);
        let in_flight = (BUDGET / block_bytes).saturating_sub(1).clamp(1, concurrency);
        Self {
            block_bytes,
            in_flight,
        }
    }
}

/// The id of a block: 4 bytes of index, 32 of SHA-256.
pub(crate) fn block_id(index: u32, block: &[u8]) -> Vec<u8> {
    let digest = HEXLOWER_PERMISSIVE
        .decode(hex_digest(block).as_bytes())
        .unwrap_or_default();
    [&index.to_be_bytes()[..], &digest].concat()
}

/// One block in memory. While it lives, its share of the memory is taken.
pub(crate) struct Block {
    pub(crate) id: Vec<u8>,
    pub(crate) bytes: Bytes,
    pub(crate) share: OwnedSemaphorePermit,
}

/// A file that was read to its end.
pub(crate) struct Whole {
    pub(crate) ids: Vec<Vec<u8>>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Reads a file once, in blocks; its digest is over exactly the bytes that were handed out. Runs on a thread that
/// may block.
pub(crate) struct Reader {
    pub(crate) path: PathBuf,
    pub(crate) cut: Cut,
    pub(crate) memory: Arc<Semaphore>,
}

impl Reader {
    /// Hands each block to `blocks`; ends early, with what was read, when nobody takes them any more.
    pub(crate) fn run(self, runtime: &Handle, blocks: &Sender<Block>) -> Result<Whole, Failure> {
        let failed = |e: io::Error| Failure::file("reading", &self.path, &e);
        let mut file = File::open(&self.path).map_err(failed)?;
        let (mut sha256, mut ids, mut total) = (Sha256::new(), Vec::new(), 0_u64);
        loop {
            let share = runtime
                .block_on(self.memory.clone().acquire_owned())
                .map_err(|e| Failure::new(Exit::Io, format!("memory for blocks: {e}")))?;
            let block = self.next(&mut file).map_err(failed)?;
            if block.is_empty() {
                break;
            }
            sha256.update(&block);
            total += block.len() as u64;
            let id = block_id(index(ids.len(), &self.path)?, &block);
            ids.push(id.clone());
            let bytes = Bytes::from(block);
            if blocks.blocking_send(Block { id, bytes, share }).is_err() {
                break;
            }
        }
        Ok(Whole {
            ids,
            bytes: total,
            sha256: sha256.finish_hex(),
        })
    }

    fn next(&self, file: &mut File) -> io::Result<Vec<u8>> {
        let mut block = Vec::with_capacity(usize::try_from(self.cut.block_bytes).unwrap_or_default());
        file.take(self.cut.block_bytes).read_to_end(&mut block)?;
        Ok(block)
    }
}

/// A file that grows while it is read would have no end.
fn index(count: usize, path: &Path) -> Result<u32, Failure> {
    let index = u32::try_from(count)
        .ok()
        .filter(|index| u64::from(*index) < MAX_BLOCKS);
    index.ok_or_else(|| {
        Failure::data(format!(
            "{}: has more than {MAX_BLOCKS} blocks by now; it grows while it is uploaded",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fit_the_service_and_the_memory() {
        for (bytes, concurrency, block_mib_16, in_flight) in [
            (1 << 20, 4, 128, 4),
            (150 << 30, 4, 128, 4),
            (1 << 30, 1, 128, 1),
            (1 << 30, 9, 64, 9),
            (1 << 40, 4, 336, 1),
        ] {
            let cut = Cut::of(bytes, concurrency);
            assert_eq!(
                (cut.block_bytes / GRAIN, cut.in_flight),
                (block_mib_16, in_flight),
                "{bytes} {concurrency}"
            );
            assert!(bytes.div_ceil(cut.block_bytes) <= MAX_BLOCKS);
            assert!(cut.block_bytes * (cut.in_flight + 1) <= BUDGET.max(2 * cut.block_bytes));
        }
    }

    #[test]
    fn an_id_is_bound_to_place_and_content() {
        let id = block_id(1, b"abc");
        assert_eq!(id.len(), 36);
        assert_eq!(id, block_id(1, b"abc"));
        assert_ne!(id, block_id(2, b"abc"));
        assert_ne!(id, block_id(1, b"abd"));
    }

    #[test]
    fn the_digest_covers_exactly_the_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        std::fs::write(&path, &content).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cut = Cut {
            block_bytes: GRAIN,
            in_flight: 20,
        };
        let reader = Reader {
            path,
            cut,
            memory: Arc::new(Semaphore::new(20)),
        };
        let (sender, mut blocks) = tokio::sync::mpsc::channel(20);
        let whole = reader.run(runtime.handle(), &sender).unwrap();
        drop(sender);
        let mut seen = Vec::new();
        for id in &whole.ids {
            let block = blocks.blocking_recv().unwrap();
            assert_eq!(&block.id, id);
            seen.extend_from_slice(&block.bytes);
        }
        assert_eq!(seen, content);
        assert_eq!(whole.sha256, hex_digest(&content));
        assert_eq!((whole.bytes, whole.ids.len()), (800_000, 13));
    }
}
