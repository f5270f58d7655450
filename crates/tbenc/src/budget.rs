//! How much of the machine one run may take: files at once, and record buffers for each.
//!
//! A file has two SHA-256 (plaintext and ciphertext) and they are the wall: about 0.75 s of one core for each
//! GB, eight times what AES-256-GCM takes. With two buffers or more the two run on two threads, and reading
//! and writing beside them, so a file keeps about two cores busy. More buffers than four are only more memory:
//! three stages work on one each, and the fourth lies ready.
//!
//! Memory is what buffers take. Nothing else grows with a file, so [`MAX_BUFFER_BYTES`] bounds the whole
//! program: one file in chunks of 4 MiB takes 16 MiB of buffers, a directory up to 48 MiB, larger chunks get
//! fewer buffers, and a chunk that is larger than half of it goes through the one buffer that it must have.

use std::sync::LazyLock;
use std::thread::available_parallelism;

/// Most record buffers of one file.
pub const MAX_BUFFERS: usize = 4;
/// Most bytes of chunks that the buffers of all files together hold, where one chunk is not longer than that.
/// (A buffer has 20 bytes more, for the record's length and tag.)
///
/// 48 MiB leave a program that may have 64 MiB enough for its code, its stacks and its allocator.
pub const MAX_BUFFER_BYTES: usize = 48 << 20;

/// Chunks below this size are not worth handing from thread to thread: waking one takes some microseconds,
/// and 64 KiB are hashed in 50.
const MIN_OVERLAPPED_CHUNK_BYTES: u32 = 64 << 10;

/// How many files are worked on at once, and with how many record buffers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Files at once, at least one.
    pub files: usize,
    /// Record buffers of each file, 1 to [`MAX_BUFFERS`]. With one the file stays on its caller's thread.
    pub buffers: usize,
}

impl Budget {
    /// The budget for so many files in chunks of `chunk_bytes` on so many cores.
    ///
    /// Each file gets about two cores, so that the last and largest shard of a model is not alone on one. Two
    /// files go at once even on two cores: while one is synced to disk, the other one is worked on. Where memory
    /// does not give each file two buffers, as many files as there are cores take one each.
    #[must_use]
    pub fn of(cores: usize, chunk_bytes: u32, files: usize) -> Self {
        let (cores, files) = (cores.max(1), files.max(1));
        let fitting = (MAX_BUFFER_BYTES / (chunk_bytes as usize).max(1)).max(1);
        let at_once = files.min((cores / 2).max(2));
        let buffers = (fitting / at_once).min(MAX_BUFFERS);
        if cores > 1 && buffers > 1 && chunk_bytes >= MIN_OVERLAPPED_CHUNK_BYTES {
            return Self {
                files: at_once,
                buffers,
            };
        }
        Self {
            files: files.min(cores).min(fitting),
            buffers: 1,
        }
    }

    /// The budget for so many files on this machine, or in this container.
    #[must_use]
    pub fn here(chunk_bytes: u32, files: usize) -> Self {
        Self::of(*CORES, chunk_bytes, files)
    }
}

/// Asked once: the answer takes system calls and files to read, and a directory may have a thousand small files.
static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

#[cfg(test)]
mod tests {
    use super::{Budget, MAX_BUFFER_BYTES, MAX_BUFFERS};
    use crate::{DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES};

    fn budget(cores: usize, chunk_bytes: u32, files: usize) -> (usize, usize) {
        let Budget { files, buffers } = Budget::of(cores, chunk_bytes, files);
        (files, buffers)
    }

    #[test]
    fn files_and_buffers_by_cores_and_chunk_size() {
        const MIB: u32 = 1 << 20;
        let table = [
            // One file: all it can use.
            ((1, 4 * MIB, 1), (1, 1)),
            ((2, 4 * MIB, 1), (1, 4)),
            ((64, 4 * MIB, 1), (1, 4)),
            ((2, 8 * MIB, 1), (1, 4)),
            ((2, 16 * MIB, 1), (1, 3)),
            ((2, 32 * MIB, 1), (1, 1)),
            ((2, 64 * MIB, 1), (1, 1)),
            // A directory.
            ((1, 4 * MIB, 9), (1, 1)),
            ((2, 4 * MIB, 9), (2, 4)),
            ((4, 4 * MIB, 9), (2, 4)),
            ((8, 4 * MIB, 9), (4, 3)),
            ((8, 4 * MIB, 2), (2, 4)),
            ((64, 4 * MIB, 99), (12, 1)),
            ((64, 64 * MIB, 99), (1, 1)),
            // Chunks too small to hand on.
            ((2, 1024, 1), (1, 1)),
            ((2, 1024, 9), (2, 1)),
            // Nothing at all is still one.
            ((0, 4 * MIB, 0), (1, 1)),
        ];
        for ((cores, chunk_bytes, files), expected) in table {
            assert_eq!(
                budget(cores, chunk_bytes, files),
                expected,
                "{cores} cores, chunks of {chunk_bytes}, {files} files"
            );
        }
    }

    #[test]
    fn no_budget_takes_more_memory_than_it_may() {
        for cores in 0..130 {
            for files in [0, 1, 2, 3, 7, 8, 100, 1024] {
                for shift in 0..=26 {
                    let chunk_bytes = (1_u32 << shift).clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
                    let (at_once, buffers) = budget(cores, chunk_bytes, files);
                    let chunk = chunk_bytes as usize;
                    let bytes = at_once * buffers * chunk;
                    assert!(
                        bytes <= MAX_BUFFER_BYTES.max(chunk),
                        "{cores} {files} {chunk_bytes}"
                    );
                    assert!((1..=MAX_BUFFERS).contains(&buffers) && (1..=files.max(1)).contains(&at_once));
                }
            }
        }
    }

    #[test]
    fn this_machine_has_a_budget() {
        let here = Budget::here(DEFAULT_CHUNK_BYTES, 1);
        assert_eq!(here.files, 1);
        assert_eq!(here.buffers > 1, *super::CORES > 1);
    }
}
