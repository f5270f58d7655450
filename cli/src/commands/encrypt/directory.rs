//! A model directory: one ciphertext for each file, each under its own derived key, sealed in parallel.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use trustbridge_tbenc::manifest::{DIRECTORY, FileEntry, directory_digest};
use trustbridge_tbenc::{Key, encrypt_stream};
use walkdir::WalkDir;

use super::{Args, Summary, manifest, new_key, summary};
use crate::asset::MANIFEST_NAME;
use crate::failure::Failure;
use crate::model::checks;
use crate::model::scan::{SourceFile, scan};
use crate::publish::{Staged, create_new, refuse_existing, sync, sync_directory};
use crate::secret::write_key;

/// The key's name inside the output folder, where no other place is asked for.
const KEY_NAME: &str = "asset.key";

pub(super) fn encrypt(args: &Args, asset_id: &str) -> Result<Summary, Failure> {
    let manifest_path = manifest_path(args)?;
    refuse_existing("--out", &args.out)?;
    if let Some(key) = &args.key_out {
        refuse_existing("--key-out", key)?;
    }
    let scan = scan(&args.input, &args.exclude)?;
    checks::check(&args.input, &scan)?;
    let key = new_key()?;
    let staged = Staged::directory(&args.out)?;
    let entries = seal_all(&scan.files, staged.temporary(), &key, args.chunk_bytes)?;
    let mut manifest = manifest(args, asset_id, &key);
    DIRECTORY.clone_into(&mut manifest.weights_filename);
    manifest.plaintext_bytes = entries.iter().map(|entry| entry.plaintext_bytes).sum();
    manifest.sha256_ciphertext = directory_digest(&entries);
    manifest.files = Some(entries);
    let bytes = manifest
        .to_bytes()
        .map_err(|e| Failure::format(&manifest_path, &e))?;
    write_synced(&staged.temporary().join(MANIFEST_NAME), &bytes)?;
    let key_path = publish(args, staged, &key)?;
    Ok(summary(manifest, &bytes, &manifest_path, key_path, scan.skipped))
}

/// The manifest of a directory has one place; a flag may only repeat it.
fn manifest_path(args: &Args) -> Result<PathBuf, Failure> {
    let place = args.out.join(MANIFEST_NAME);
    match &args.manifest {
        Some(asked) if *asked != place => Err(Failure::input(format!(
            "--manifest {}: of a directory it is always {}; leave the flag out",
            asked.display(),
            place.display()
        ))),
        _ => Ok(place),
    }
}

/// Seals the files on all cores, and gives their entries in the order of `files`.
fn seal_all(
    files: &[SourceFile],
    out: &Path,
    key: &Key,
    chunk_bytes: u32,
) -> Result<Vec<FileEntry>, Failure> {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(files.len());
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, file)) = claim(files, next) {
                    let sealed = seal(file, out, key, chunk_bytes);
                    let failed = sealed.is_err();
                    // The receiver lives as long as the scope; after an error no file is begun any more.
                    let _ = sender.send((index, sealed));
                    if failed {
                        next.store(files.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    drop(sender);
    let mut sealed: Vec<(usize, Result<FileEntry, Failure>)> = results.into_iter().collect();
    sealed.sort_by_key(|(index, _)| *index);
    sealed.into_iter().map(|(_, entry)| entry).collect()
}

fn claim<'f>(files: &'f [SourceFile], next: &AtomicUsize) -> Option<(usize, &'f SourceFile)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, file))
}

fn seal(file: &SourceFile, out: &Path, key: &Key, chunk_bytes: u32) -> Result<FileEntry, Failure> {
    let blob = format!("{DIRECTORY}{}.tbenc", file.path);
    let source = File::open(&file.full).map_err(|e| Failure::file("opening", &file.full, &e))?;
    let target_path = out.join(&blob);
    let target = create_new(&target_path)?;
    let sealed = encrypt_stream(&source, &target, &key.derive_file(&file.path), chunk_bytes)
        .map_err(|e| Failure::format(&file.full, &e))?;
    sync(&target, &target_path)?;
    if sealed.plaintext_bytes != file.bytes {
        let text = format!(
            "{}: changed while it was read; encrypt it when it is finished",
            file.full.display()
        );
        return Err(Failure::input(text));
    }
    Ok(FileEntry {
        path: file.path.clone(),
        blob,
        role: file.role,
        plaintext_bytes: sealed.plaintext_bytes,
        plaintext_sha256: sealed.plaintext_sha256,
        sha256_ciphertext: sealed.sha256_ciphertext,
    })
}

/// The key, then the whole folder with one rename.
fn publish(args: &Args, staged: Staged, key: &Key) -> Result<PathBuf, Failure> {
    let inside = args.key_out.is_none();
    let key_path = args
        .key_out
        .clone()
        .unwrap_or_else(|| staged.temporary().join(KEY_NAME));
    write_key(&key_path, key)?;
    commit(staged).inspect_err(|_| {
        // Nothing was encrypted under it that anybody could keep.
        let _ = std::fs::remove_file(&key_path);
    })?;
    Ok(if inside { args.out.join(KEY_NAME) } else { key_path })
}

fn commit(staged: Staged) -> Result<(), Failure> {
    for entry in WalkDir::new(staged.temporary())
        .into_iter()
        .filter_map(Result::ok)
    {
        if entry.file_type().is_dir() {
            sync_directory(entry.path())?;
        }
    }
    staged.commit_directory(Permissions::from_mode(0o755))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = create_new(path)?;
    file.write_all(bytes)
        .map_err(|e| Failure::file("writing", path, &e))?;
    sync(&file, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_publication_leaves_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let key_path = dir.path().join("k");
        let args = Args {
            input: dir.path().join("model"),
            out: dir.path().join("out"),
            manifest: None,
            asset_id: None,
            chunk_bytes: 4,
            allow_finetune: true,
            key_out: Some(key_path.clone()),
            exclude: Vec::new(),
        };
        let staged = Staged::directory(&args.out).unwrap();
        // Somebody clears the folder in between.
        std::fs::remove_dir_all(staged.temporary()).unwrap();
        publish(&args, staged, &new_key().unwrap()).unwrap_err();
        assert!(!key_path.exists());
    }
}
