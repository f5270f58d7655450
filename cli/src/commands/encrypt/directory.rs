//! A model directory: one ciphertext for each file, each under its own derived key, sealed in parallel.

use std::fs::File;
use std::path::Path;

use trustbridge_tbenc::manifest::{DIRECTORY, FileEntry, directory_digest};
use trustbridge_tbenc::{Budget, Encrypt, Key};

use super::file::changed;
use super::publication::Outputs;
use super::{Args, Summary, key, manifest, summary};
use crate::asset::Run;
use crate::failure::Failure;
use crate::model::checks;
use crate::model::scan::{SourceFile, scan};
use crate::parallel::{self, Stop};
use crate::progress::Progress;
use crate::staged::{create_new, sync};

pub(super) fn encrypt(args: &Args, asset_id: &str, outputs: &Outputs) -> Result<Summary, Failure> {
    if !args.plaintext_sha256 {
        return Err(Failure::usage(
            "--plaintext-sha256=false: the manifest of a directory always states the digests of its files; leave the flag \
             out",
        ));
    }
    let scan = scan(&args.input, &args.exclude)?;
    checks::check(&args.input, &scan)?;
    let key = key(args)?;
    let publication = outputs.stage()?;
    let entries = seal_all(&scan.files, publication.ciphertext(), &key, args.chunk_bytes)?;
    let mut manifest = manifest(args, asset_id, &key);
    DIRECTORY.clone_into(&mut manifest.weights_filename);
    manifest.plaintext_bytes = entries.iter().map(|entry| entry.plaintext_bytes).sum();
    manifest.sha256_ciphertext = directory_digest(&entries);
    manifest.files = Some(entries);
    let bytes = manifest
        .to_bytes()
        .map_err(|e| Failure::format(outputs.manifest.display(), &e))?;
    publication.publish(&key, &bytes)?;
    Ok(summary(args, outputs, manifest, &bytes, scan.skipped))
}

/// Seals the files on all cores, and gives their entries in the order of `files`.
fn seal_all(
    files: &[SourceFile],
    out: &Path,
    key: &Key,
    chunk_bytes: u32,
) -> Result<Vec<FileEntry>, Failure> {
    let budget = Budget::here(chunk_bytes, files.len());
    let total = files.iter().map(|file| file.bytes).sum();
    let stop = Stop::default();
    let run = Run {
        progress: &Progress::bytes("encrypting", total),
        stop: &stop,
        buffers: budget.buffers,
    };
    let seal = |file: &SourceFile| seal(file, out, key, chunk_bytes, &run);
    parallel::each(files, budget.files, |file| file.bytes, &stop, seal)
}

fn seal(
    file: &SourceFile,
    out: &Path,
    key: &Key,
    chunk_bytes: u32,
    run: &Run<'_>,
) -> Result<FileEntry, Failure> {
    let blob = format!("{DIRECTORY}{}.tbenc", file.path);
    let source = File::open(&file.full).map_err(|e| Failure::file("opening", &file.full, &e))?;
    let target_path = out.join(&blob);
    let target = create_new(&target_path)?;
    let encrypt = Encrypt {
        key: &key.derive_file(&file.path),
        chunk_bytes,
        plaintext_digest: true,
        buffers: run.buffers,
    };
    let sealed = encrypt
        .run(&source, &target, |bytes| run.observe(bytes))
        .map_err(|e| Failure::format(file.full.display(), &e))?;
    sync(&target, &target_path)?;
    if sealed.plaintext_bytes != file.bytes {
        return Err(changed(&file.full));
    }
    Ok(FileEntry {
        path: file.path.clone(),
        blob,
        role: file.role,
        plaintext_bytes: sealed.plaintext_bytes,
        plaintext_sha256: sealed.plaintext_sha256.unwrap_or_default(),
        sha256_ciphertext: sealed.sha256_ciphertext,
    })
}
