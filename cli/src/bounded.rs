//! Small files read whole, and no further: what is named by mistake may be a device or a pipe without an end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::interrupt;

/// Reads a file of at most `limit` bytes. A longer one is [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A pipe may never be written to.
    interrupt::while_waiting(|| {
        File::open(path)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
    })?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_length_that_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        assert_eq!(read(&path, 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(
            read(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
