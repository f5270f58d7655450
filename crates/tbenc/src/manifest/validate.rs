//! The manifest's rules, each with an error that names the field, the value and the rule.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{ALGO, DIRECTORY, FORMAT, FileEntry, MAX_FILES, Manifest, Role, directory_digest, natural_order};
use super::{check_asset_id, check_path};
use crate::error::Error;
use crate::layout::{MAX_CHUNK_BYTES, MAX_PLAINTEXT_BYTES, MIN_CHUNK_BYTES};

/// Longest free text (`created_at`, `tool`).
const MAX_TEXT_BYTES: usize = 128;

pub(super) fn validate(manifest: &Manifest) -> Result<(), Error> {
    constant("format", &manifest.format, FORMAT)?;
    constant("algo", &manifest.algo, ALGO)?;
    if !(MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(&manifest.chunk_bytes) {
        let rule = format!(
            "is {}, must be {MIN_CHUNK_BYTES} to {MAX_CHUNK_BYTES}",
            manifest.chunk_bytes
        );
        return Err(Error::manifest("chunk_bytes", rule));
    }
    length("plaintext_bytes", manifest.plaintext_bytes)?;
    sha256("sha256_ciphertext", &manifest.sha256_ciphertext)?;
    check_asset_id(&manifest.asset_id).map_err(|rule| quoted("asset_id", &manifest.asset_id, rule))?;
    for (field, digest) in [
        ("key_commitment", &manifest.key_commitment),
        ("plaintext_sha256", &manifest.plaintext_sha256),
    ] {
        digest.as_deref().map_or(Ok(()), |text| sha256(field, text))?;
    }
    for (field, value) in [("created_at", &manifest.created_at), ("tool", &manifest.tool)] {
        let legal = |t: &String| t.len() <= MAX_TEXT_BYTES && !t.chars().any(char::is_control);
        if !value.as_ref().is_none_or(legal) {
            return Err(Error::manifest(
                field,
                "must be at most 128 bytes without control characters",
            ));
        }
    }
    match &manifest.files {
        None => single(manifest),
        Some(files) => directory(manifest, files),
    }
}

fn single(manifest: &Manifest) -> Result<(), Error> {
    let name = &manifest.weights_filename;
    check_path(name).map_err(|rule| quoted("weights_filename", name, rule))
}

fn directory(manifest: &Manifest, files: &[FileEntry]) -> Result<(), Error> {
    constant("weights_filename", &manifest.weights_filename, DIRECTORY)?;
    if manifest.plaintext_sha256.is_some() {
        return Err(Error::manifest(
            "plaintext_sha256",
            "stands for a single file; a directory has it in files[]",
        ));
    }
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(Error::manifest(
            "files",
            format!("has {} entries, must have 1 to {MAX_FILES}", files.len()),
        ));
    }
    for (index, file) in files.iter().enumerate() {
        entry(index, file)?;
    }
    unique_places(files)?;
    order(files)?;
    let sum = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.plaintext_bytes));
    if sum != Some(manifest.plaintext_bytes) {
        let rule = format!(
            "is {}, must be the sum of files[].plaintext_bytes",
            manifest.plaintext_bytes
        );
        return Err(Error::manifest("plaintext_bytes", rule));
    }
    let digest = directory_digest(files);
    if digest != manifest.sha256_ciphertext {
        let rule = format!(
            "is {}, must be {digest}, the SHA-256 of the lines '<sha256_ciphertext>  <blob>' of files[] in order",
            manifest.sha256_ciphertext
        );
        return Err(Error::manifest("sha256_ciphertext", rule));
    }
    Ok(())
}

fn entry(index: usize, file: &FileEntry) -> Result<(), Error> {
    let field = |name: &str| format!("files[{index}].{name}");
    check_path(&file.path).map_err(|rule| quoted(field("path"), &file.path, rule))?;
    check_path(&file.blob).map_err(|rule| quoted(field("blob"), &file.blob, rule))?;
    if !file.blob.starts_with(DIRECTORY) {
        return Err(quoted(field("blob"), &file.blob, "must lie under files/"));
    }
    length(&field("plaintext_bytes"), file.plaintext_bytes)?;
    sha256(&field("plaintext_sha256"), &file.plaintext_sha256)?;
    sha256(&field("sha256_ciphertext"), &file.sha256_ciphertext)
}

/// Paths and blobs stand once, and no path is a directory of another one.
fn unique_places(files: &[FileEntry]) -> Result<(), Error> {
    let paths: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut seen = HashSet::new();
    let mut blobs = HashSet::new();
    for (index, file) in files.iter().enumerate() {
        if !seen.insert(file.path.as_str()) {
            return Err(quoted(format!("files[{index}].path"), &file.path, "stands twice"));
        }
        if !blobs.insert(file.blob.as_str()) {
            return Err(quoted(format!("files[{index}].blob"), &file.blob, "stands twice"));
        }
        let parents = file
            .path
            .match_indices('/')
            .filter_map(|(at, _)| file.path.get(..at));
        if let Some(parent) = parents.into_iter().find(|parent| paths.contains(parent)) {
            let rule = format!("lies in {parent:?}, which is itself a file");
            return Err(quoted(format!("files[{index}].path"), &file.path, rule));
        }
    }
    Ok(())
}

/// Weights come last, in natural order: a loader that reads them as streams opens them one after another.
fn order(files: &[FileEntry]) -> Result<(), Error> {
    let pairs = files.iter().zip(files.iter().skip(1)).enumerate();
    for (index, (before, after)) in pairs {
        if before.role != Role::Weights {
            continue;
        }
        let field = format!("files[{}].path", index + 1);
        if after.role != Role::Weights {
            return Err(quoted(field, &after.path, "must stand before the weights"));
        }
        if natural_order(&before.path, &after.path) != Ordering::Less {
            return Err(quoted(
                field,
                &after.path,
                "must stand in natural order among the weights",
            ));
        }
    }
    Ok(())
}

fn constant(field: &str, value: &str, rule: &str) -> Result<(), Error> {
    if value == rule {
        Ok(())
    } else {
        Err(quoted(field, value, format!("must be {rule:?}")))
    }
}

fn length(field: &str, value: u64) -> Result<(), Error> {
    if value <= MAX_PLAINTEXT_BYTES {
        return Ok(());
    }
    Err(Error::manifest(
        field,
        format!("is {value}, must be at most {MAX_PLAINTEXT_BYTES}"),
    ))
}

fn sha256(field: &str, value: &str) -> Result<(), Error> {
    if value.len() == 64 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(quoted(
        field,
        value,
        "must be 64 lowercase hexadecimal characters",
    ))
}

/// An error that repeats the value, cut to a length that fits a log line.
fn quoted(field: impl Into<String>, value: &str, rule: impl AsRef<str>) -> Error {
    let shown: String = value.chars().take(80).collect();
    Error::manifest(field, format!("{shown:?} {}", rule.as_ref()))
}
