//! Files that survive the end of the process and of the machine at any moment.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Durable files of a folder. What a call did is on the disk when it returns; a call that did not return did
/// nothing, all, or (`append` alone) a beginning.
pub(crate) trait Storage {
    /// The file's content; `None` when there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Adds bytes at the end.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to this length.
    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()>;
    /// Puts this content in the place of the old one, all of it or nothing.
    fn replace(&mut self, name: &str, content: &[u8]) -> io::Result<()>;
}

/// A folder of a real file system.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where it does not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Storage for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.path(name))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn replace(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.path(&format!("{name}.tmp"));
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.path(name))?;
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, Storage};

    #[test]
    fn files_grow_shrink_and_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(&dir.path().join("a/b")).unwrap();
        assert_eq!(folder.read("x").unwrap(), None);
        folder.append("x", b"").unwrap_err();
        folder.replace("x", b"one").unwrap();
        folder.append("x", b"two").unwrap();
        folder.truncate("x", 4).unwrap();
        assert_eq!(folder.read("x").unwrap().unwrap(), b"onet");
        folder.replace("x", b"").unwrap();
        assert_eq!(folder.read("x").unwrap().unwrap(), b"");
    }
}
