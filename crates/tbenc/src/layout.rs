//! How long a file is: the only protection against truncation that tbenc/v1 has.

use crate::error::Error;
use crate::header::HEADER_BYTES;

/// Smallest accepted chunk.
pub const MIN_CHUNK_BYTES: u32 = 1;
/// Largest accepted chunk (64 MiB): a reader holds one in memory.
pub const MAX_CHUNK_BYTES: u32 = 64 << 20;
/// The chunk size that writers use where nothing else is asked (4 MiB).
pub const DEFAULT_CHUNK_BYTES: u32 = 4 << 20;
/// Largest accepted plaintext of one file (16 TiB).
pub const MAX_PLAINTEXT_BYTES: u64 = 1 << 44;
/// Bytes that a record adds to its plaintext: the length field and the tag.
pub const RECORD_OVERHEAD: usize = PT_LEN_BYTES + TAG_BYTES;

pub(crate) const PT_LEN_BYTES: usize = 4;
pub(crate) const TAG_BYTES: usize = 16;

/// Number of records of a file: none for an empty one.
#[must_use]
pub fn record_count(plaintext_bytes: u64, chunk_bytes: u32) -> u64 {
    plaintext_bytes.div_ceil(u64::from(chunk_bytes.max(MIN_CHUNK_BYTES)))
}

/// Exact length of the tbenc file of a plaintext: `32 + P + 20·ceil(P/C)`.
///
/// Saturates instead of overflowing; lengths that are accepted anywhere are far below that.
#[must_use]
pub fn ciphertext_bytes(plaintext_bytes: u64, chunk_bytes: u32) -> u64 {
    (RECORD_OVERHEAD as u64)
        .saturating_mul(record_count(plaintext_bytes, chunk_bytes))
        .saturating_add(plaintext_bytes)
        .saturating_add(HEADER_BYTES as u64)
}

/// Refuses a blob whose length is not the exact one. The first question to ask about a blob.
///
/// Numbers that no file may have are refused by their own rule, whatever the length is.
pub fn check_size(actual: u64, plaintext_bytes: u64, chunk_bytes: u32) -> Result<(), Error> {
    check_chunk_bytes(chunk_bytes)?;
    check_plaintext_bytes(plaintext_bytes)?;
    let expected = ciphertext_bytes(plaintext_bytes, chunk_bytes);
    if actual == expected {
        return Ok(());
    }
    Err(Error::Size {
        actual,
        expected,
        plaintext_bytes,
        chunk_bytes,
    })
}

/// Refuses a chunk size outside its bounds. Ask before a buffer of that size is made.
pub(crate) fn check_chunk_bytes(value: u32) -> Result<(), Error> {
    if (MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(&value) {
        return Ok(());
    }
    Err(Error::ChunkBytes { value })
}

/// Refuses a plaintext that is longer than a file may be.
pub(crate) fn check_plaintext_bytes(value: u64) -> Result<(), Error> {
    if value <= MAX_PLAINTEXT_BYTES {
        return Ok(());
    }
    Err(Error::PlaintextBytes {
        value,
        limit: MAX_PLAINTEXT_BYTES,
    })
}

/// Length of the next record when `remaining` plaintext bytes are still to come; 0 at the end.
pub(crate) fn next_record_bytes(remaining: u64, chunk_bytes: u32) -> usize {
    match next_chunk_bytes(remaining, chunk_bytes) {
        0 => 0,
        text => RECORD_OVERHEAD.saturating_add(text as usize),
    }
}

/// Plaintext bytes of the next record when `remaining` are still to come.
pub(crate) fn next_chunk_bytes(remaining: u64, chunk_bytes: u32) -> u32 {
    u32::try_from(remaining).map_or(chunk_bytes, |rest| rest.min(chunk_bytes))
}
