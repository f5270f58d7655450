//! One file in the spec's layout: the asset key itself, one ciphertext, one manifest.

use std::fs::File;
use std::path::Path;

use trustbridge_tbenc::manifest::SINGLE_FILE;
use trustbridge_tbenc::{Budget, Encrypt, Key, Sealed};

use super::publication::{Outputs, Publication};
use super::{Args, Summary, key, manifest, summary};
use crate::asset::Run;
use crate::failure::Failure;
use crate::model::safetensors::read_header;
use crate::parallel::Stop;
use crate::progress::Progress;

pub(super) fn encrypt(args: &Args, asset_id: &str, outputs: &Outputs) -> Result<Summary, Failure> {
    if args.input.extension().is_some_and(|e| e == "safetensors") {
        read_header(&args.input)?;
    }
    let key = key(args)?;
    let publication = outputs.stage()?;
    let sealed = seal(args, &key, &publication)?;
    let mut manifest = manifest(args, asset_id, &key);
    SINGLE_FILE.clone_into(&mut manifest.weights_filename);
    manifest.plaintext_bytes = sealed.plaintext_bytes;
    manifest.plaintext_sha256 = sealed.plaintext_sha256;
    manifest.sha256_ciphertext = sealed.sha256_ciphertext;
    let bytes = manifest
        .to_bytes()
        .map_err(|e| Failure::format(outputs.manifest.display(), &e))?;
    publication.publish(&key, &bytes)?;
    Ok(summary(args, outputs, manifest, &bytes, Vec::new()))
}

fn seal(args: &Args, key: &Key, publication: &Publication) -> Result<Sealed, Failure> {
    let opening = |e| Failure::file("--in: opening", &args.input, &e);
    let source = File::open(&args.input).map_err(opening)?;
    let meta = source.metadata().map_err(opening)?;
    let Some(file) = &publication.file else {
        return Err(Failure::usage(
            "encrypt: a single file has no folder of ciphertexts",
        ));
    };
    let run = Run {
        progress: &Progress::bytes("encrypting", meta.len()),
        stop: &Stop::default(),
        buffers: Budget::here(args.chunk_bytes, 1).buffers,
    };
    let encrypt = Encrypt {
        key,
        chunk_bytes: args.chunk_bytes,
        plaintext_digest: args.plaintext_sha256,
        buffers: run.buffers,
    };
    let sealed = encrypt
        .run(&source, file, |bytes| run.observe(bytes))
        .map_err(|e| Failure::format(args.input.display(), &e))?;
    if sealed.plaintext_bytes != meta.len() {
        return Err(changed(&args.input));
    }
    Ok(sealed)
}

/// A source that is still written.
pub(super) fn changed(path: &Path) -> Failure {
    Failure::data(format!(
        "{}: changed while it was read; encrypt it when it is finished",
        path.display()
    ))
}
