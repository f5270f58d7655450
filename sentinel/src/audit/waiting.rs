//! Records that were formed and wait to be written together.

use std::io::Write as _;

use trustbridge_domain::audit::Head;

/// So much waits at most, about ninety records: a turn of the public port's thread seldom ends as many answers.
const WAITING_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct Waiting {
    /// Whole lines; the memory serves the next ones.
    lines: String,
    /// Where the chain was before the first of them.
    before: Option<Head>,
}

impl Waiting {
    /// Adds a line to the chain that `before` led to. Whether it is the first one.
    pub(super) fn add(&mut self, line: &str, before: Head) -> bool {
        let is_first = self.before.is_none();
        self.lines.push_str(line);
        self.before.get_or_insert(before);
        is_first
    }

    /// Whether it is time to write them.
    pub(super) fn is_long(&self) -> bool {
        self.lines.len() >= WAITING_BYTES
    }

    /// The lines, and where the chain was before them; nothing where none wait.
    pub(super) fn take(&mut self) -> Option<(String, Head)> {
        let before = self.before.take()?;
        Some((std::mem::take(&mut self.lines), before))
    }

    /// Takes the memory of lines back that were written.
    pub(super) fn give_back(&mut self, mut lines: String) {
        lines.clear();
        self.lines = lines;
    }
}

/// Copies lines to standard output, the log's own bytes.
pub(super) fn copy(lines: &str) {
    // The test harness would show them between its own lines.
    if cfg!(not(test)) {
        // The file is the log. Where nobody takes the copy there is nobody to tell, either.
        let _ = std::io::stdout().lock().write_all(lines.as_bytes());
    }
}
