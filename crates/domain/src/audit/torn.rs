//! What a crash leaves of a line.

use sha2::{Digest as _, Sha256};

use super::hex;

/// Lines that are no records, one after the other.
#[derive(Default)]
pub(super) struct Torn {
    digest: Sha256,
    /// How many.
    pub(super) lines: u64,
    /// One of them is nothing that a crash leaves.
    pub(super) altered: bool,
}

impl Torn {
    /// One more, without its line's end.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.digest.update(line);
        self.digest.update(b"\n");
        self.lines = self.lines.saturating_add(1);
        self.altered |= !is_unfinished(line);
    }

    /// SHA-256 of all of them, as the checkpoint that answers for them states it.
    pub(super) fn sha256(self) -> String {
        hex(&self.digest.finalize())
    }
}

/// Whether these bytes are what a crash leaves of a line: its beginning, perhaps with blocks that were never filled
/// behind it. A line that was altered is whole, and no beginning of another.
pub(super) fn is_unfinished(rest: &[u8]) -> bool {
    let filled = rest
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let rest = rest.get(..filled).unwrap_or_default();
    match serde_json::from_slice::<serde::de::IgnoredAny>(rest) {
        Ok(_) => false,
        Err(error) => error.is_eof() && (rest.is_empty() || rest.starts_with(b"{")),
    }
}
