//! Secrets of the stage: made at random once, readable by their owner alone.

use anyhow::{Context, Result};
use data_encoding::{BASE64, HEXLOWER};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes those that are missing.
pub(super) fn ensure(folder: &Path) -> Result<()> {
    let account_key: [u8; 64] = random()?;
    once(&folder.join("account.key"), &BASE64.encode(&account_key))?;
    for name in ["provider.token", "client.secret"] {
        let token: [u8; 24] = random()?;
        once(&folder.join(name), &HEXLOWER.encode(&token))?;
    }
    Ok(())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn once(path: &Path, text: &str) -> Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
