//! Reading the weights.

use super::Sources;
use super::order::{natural, shard_count};
use anyhow::Context as _;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Each file, in the order of reading.
    pub files: Vec<LoadedFile>,
    /// Of all bytes in that order.
    pub sha256: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedFile {
    /// File name.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: String,
}

const LOOK_AGAIN: Duration = Duration::from_millis(50);
const BUFFER_BYTES: usize = 1 << 20;

/// Waits for the ready signal, then for the files, and reads them one after the other to their ends. There is
/// no deadline: a model may take hours to arrive.
pub(super) fn load(sources: &Sources) -> anyhow::Result<Model> {
    tracing::info!(signal = %sources.ready_signal.display(), "waiting for the ready signal");
    while !sources.ready_signal.exists() {
        std::thread::sleep(LOOK_AGAIN);
    }
    let paths = loop {
        if let Some(paths) = weights(sources) {
            break paths;
        }
        std::thread::sleep(LOOK_AGAIN);
    };
    let (mut files, mut all) = (Vec::new(), Context::new(&SHA256));
    for path in paths {
        tracing::info!(path = %path.display(), "reading");
        files.push(read(&path, &mut all).with_context(|| path.display().to_string())?);
    }
    Ok(Model {
        files,
        sha256: HEXLOWER.encode(all.finish().as_ref()),
    })
}

/// The files to read, once all of them are there.
fn weights(sources: &Sources) -> Option<Vec<PathBuf>> {
    let mut names: Vec<String> = std::fs::read_dir(&sources.model_dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "safetensors")
        })
        .collect();
    if names.is_empty() {
        return sources.pipe.exists().then(|| vec![sources.pipe.clone()]);
    }
    names.sort_by(|a, b| natural(a, b));
    let complete = names
        .first()
        .and_then(|name| shard_count(name))
        .is_none_or(|count| names.len() >= count);
    complete.then(|| names.iter().map(|name| sources.model_dir.join(name)).collect())
}

fn read(path: &Path, all: &mut Context) -> anyhow::Result<LoadedFile> {
    let (mut file, mut sha, mut bytes) = (File::open(path)?, Context::new(&SHA256), 0_u64);
    let mut buffer = vec![0_u8; BUFFER_BYTES];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            break;
        };
        sha.update(piece);
        all.update(piece);
        bytes += piece.len() as u64;
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(LoadedFile {
        path: name,
        bytes,
        sha256: HEXLOWER.encode(sha.finish().as_ref()),
    })
}
