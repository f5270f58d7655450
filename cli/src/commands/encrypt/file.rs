//! One file in the spec's layout: `model.tbenc` and `model.manifest.json`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use trustbridge_tbenc::manifest::SINGLE_FILE;
use trustbridge_tbenc::{Key, Sealed, encrypt_stream};

use super::{Args, Summary, manifest, new_key, summary};
use crate::asset::MANIFEST_NAME;
use crate::failure::Failure;
use crate::model::safetensors::read_header;
use crate::publish::{Staged, parent, refuse_existing, sync};
use crate::secret::write_key;

pub(super) fn encrypt(args: &Args, asset_id: &str) -> Result<Summary, Failure> {
    let (manifest_path, key_path) = outputs(args)?;
    if args.input.extension().is_some_and(|e| e == "safetensors") {
        read_header(&args.input)?;
    }
    let key = new_key()?;
    let (staged, sealed) = seal(&args.input, &args.out, &key, args.chunk_bytes)?;
    let mut manifest = manifest(args, asset_id, &key);
    SINGLE_FILE.clone_into(&mut manifest.weights_filename);
    manifest.plaintext_bytes = sealed.plaintext_bytes;
    manifest.plaintext_sha256 = Some(sealed.plaintext_sha256);
    manifest.sha256_ciphertext = sealed.sha256_ciphertext;
    let bytes = manifest
        .to_bytes()
        .map_err(|e| Failure::format(&manifest_path, &e))?;
    publish(staged, &args.out, (&manifest_path, &bytes), (&key_path, &key))?;
    Ok(summary(manifest, &bytes, &manifest_path, key_path, Vec::new()))
}

/// Where manifest and key go; nothing may be there yet.
fn outputs(args: &Args) -> Result<(PathBuf, PathBuf), Failure> {
    if args.out.file_name().is_none_or(|name| name != SINGLE_FILE) {
        return Err(Failure::input(format!(
            "--out {}: the ciphertext of one file is called {SINGLE_FILE} wherever it goes; end the path in it",
            args.out.display()
        )));
    }
    let folder = parent(&args.out);
    let manifest = args
        .manifest
        .clone()
        .unwrap_or_else(|| folder.join(MANIFEST_NAME));
    if parent(&manifest) != folder {
        return Err(Failure::input(format!(
            "--manifest {}: must lie beside --out, in {}",
            manifest.display(),
            folder.display()
        )));
    }
    let key = args
        .key_out
        .clone()
        .unwrap_or_else(|| folder.join(format!("{SINGLE_FILE}.key")));
    refuse_existing("--out", &args.out)?;
    refuse_existing("--manifest", &manifest)?;
    refuse_existing("--key-out", &key)?;
    Ok((manifest, key))
}

fn seal(input: &Path, out: &Path, key: &Key, chunk_bytes: u32) -> Result<(Staged, Sealed), Failure> {
    let source = File::open(input).map_err(|e| Failure::file("--in: opening", input, &e))?;
    let (staged, file) = Staged::file(out)?;
    let sealed = encrypt_stream(&source, &file, key, chunk_bytes).map_err(|e| Failure::format(input, &e))?;
    sync(&file, out)?;
    Ok((staged, sealed))
}

/// Key, ciphertext, manifest, in this order: a manifest is only ever there when the rest is. What an error
/// leaves half done is taken away again.
fn publish(staged: Staged, out: &Path, manifest: (&Path, &[u8]), key: (&Path, &Key)) -> Result<(), Failure> {
    let (staged_manifest, mut file) = Staged::file(manifest.0)?;
    file.write_all(manifest.1)
        .map_err(|e| Failure::file("writing", manifest.0, &e))?;
    sync(&file, manifest.0)?;
    write_key(key.0, key.1)?;
    let mut done = staged.commit();
    if done.is_ok() {
        done = staged_manifest.commit().inspect_err(|_| remove(out));
    }
    done.inspect_err(|_| remove(key.0))
}

fn remove(path: &Path) {
    // Already failing: the first error is the one to report.
    let _ = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_publication_leaves_neither_key_nor_ciphertext() {
        let dir = tempfile::tempdir().unwrap();
        let (out, manifest, key_path) = (
            dir.path().join("model.tbenc"),
            dir.path().join("m.json"),
            dir.path().join("k"),
        );
        let input = dir.path().join("plain");
        std::fs::write(&input, b"abc").unwrap();
        let key = new_key().unwrap();
        let (staged, sealed) = seal(&input, &out, &key, 2).unwrap();
        assert_eq!(sealed.plaintext_bytes, 3);
        // Somebody else takes the manifest's name in between.
        std::fs::write(&manifest, b"theirs").unwrap();
        publish(staged, &out, (&manifest, b"{}"), (&key_path, &key)).unwrap_err();
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(
            left.len(),
            2,
            "only the input and the other's file may be left: {left:?}"
        );
        assert_eq!(std::fs::read(&manifest).unwrap(), b"theirs");
    }
}
