//! Secrets come from files or standard input and go into files that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use trustbridge_tbenc::Key;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// No secret is longer; a larger file is the wrong file.
const MAX_SECRET_BYTES: u64 = 16 << 10;

/// Reads a secret without the white space around it. `-` is standard input.
pub(crate) fn read(flag: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let doing = format!("{flag}: opening");
        Box::new(File::open(path).map_err(|e| Failure::file(&doing, path, &e))?)
    };
    let doing = format!("{flag}: reading");
    from.take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| Failure::file(&doing, path, &e))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(refused(
            flag,
            path,
            "is longer than 16 KiB; this is not the file that holds the secret alone",
        ));
    }
    let trimmed = Zeroizing::new(text.trim().to_owned());
    if trimmed.is_empty() {
        return Err(refused(flag, path, "is empty; it must hold the secret alone"));
    }
    Ok(trimmed)
}

/// Reads an asset key.
pub(crate) fn read_key(path: &Path) -> Result<Key, Failure> {
    let text = read("--key", path)?;
    Key::from_hex(&text).map_err(|error| {
        refused(
            "--key",
            path,
            &format!("{error}; give the file that `trustbridge encrypt` wrote"),
        )
    })
}

/// Writes a new key file, mode 0600; one that exists is never touched.
pub(crate) fn write_key(path: &Path, key: &Key) -> Result<(), Failure> {
    let doing = "writing the key file";
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Failure::file(doing, path, &e))?;
    let mut text = key.to_hex();
    text.push('\n');
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Failure::file(doing, path, &e))
}

fn refused(flag: &str, path: &Path, rule: &str) -> Failure {
    Failure::new(Exit::Input, format!("{flag} {}: {rule}", path.display()))
}
