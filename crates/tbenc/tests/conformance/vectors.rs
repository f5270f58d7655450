//! The checked-in vectors (`vectors/README.md`), through every reader of the crate and through the reference.

use data_encoding::HEXLOWER;
use libtest_mimic::Trial;
use serde_json::Value;
use trustbridge_tbenc::manifest::{Manifest, commitment_hex};
use trustbridge_tbenc::{Error, Key};

use crate::readers::{Outcome, Stated, by_core, by_stream, by_threads, length_is_exact};
use crate::samples::key_of;
use crate::{counted, reference};

const FILES: &str = include_str!("../../vectors/tbenc-v1.json");
const KEYS: &str = include_str!("../../vectors/keys-v1.json");
const MANIFESTS: &str = include_str!("../../vectors/manifests-v1.json");

pub(crate) fn trials() -> Vec<Trial> {
    let (files, texts) = (list(FILES, "vectors"), list(KEYS, "texts"));
    let (derived, manifests) = (list(KEYS, "derivations"), list(MANIFESTS, "vectors"));
    vec![
        counted(
            files.len(),
            "vectors: {} of {} files as stated, by decrypt_stream, by threads, by Opener, by aes-gcm",
            move || every(&files, file),
        ),
        counted(
            texts.len(),
            "vectors: {} of {} texts of keys as stated",
            move || every(&texts, key_text),
        ),
        counted(
            derived.len(),
            "vectors: {} of {} derived keys as stated",
            move || every(&derived, derivation),
        ),
        counted(
            manifests.len(),
            "vectors: {} of {} manifests as stated",
            move || every(&manifests, manifest),
        ),
    ]
}

/// How many vectors there are in all files.
pub(crate) fn total() -> usize {
    [
        (FILES, "vectors"),
        (KEYS, "texts"),
        (KEYS, "derivations"),
        (MANIFESTS, "vectors"),
    ]
    .map(|(document, part)| list(document, part).len())
    .iter()
    .sum()
}

/// The bytes of every manifest, good and bad.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    list(MANIFESTS, "vectors").iter().map(manifest_bytes).collect()
}

fn list(document: &str, part: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    document[part].as_array().unwrap().clone()
}

fn every(vectors: &[Value], check: fn(&Value) -> Result<(), String>) -> Result<usize, String> {
    for vector in vectors {
        check(vector).map_err(|difference| format!("{}: {difference}", vector["comment"]))?;
    }
    Ok(vectors.len())
}

fn field<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap()
}

/// The bytes of a file vector, its key and what is stated about it.
pub(crate) fn parts(vector: &Value) -> ([u8; 32], Stated, Vec<u8>) {
    let key: [u8; 32] = hex(field(vector, "key")).try_into().unwrap();
    let manifest = &vector["manifest"];
    let stated = Stated {
        plaintext_bytes: manifest["plaintext_bytes"].as_u64().unwrap(),
        chunk_bytes: u32::try_from(manifest["chunk_bytes"].as_u64().unwrap()).unwrap(),
        sha256_ciphertext: field(manifest, "sha256_ciphertext").to_owned(),
    };
    let bytes = match vector["ciphertext"].as_str() {
        Some(text) => hex(text),
        None => expand(&vector["recipe"], &key, &stated),
    };
    (key, stated, bytes)
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The bytes that a recipe stands for.
fn expand(recipe: &Value, key: &[u8; 32], stated: &Stated) -> Vec<u8> {
    let number = |name: &str| usize::try_from(recipe[name].as_u64().unwrap()).unwrap();
    let blocks = (0..=number("text_bytes") / 32).map(|n| format!("tbenc vector {n}"));
    let mut text: Vec<u8> = blocks
        .flat_map(|seed| hex(&reference::sha256_hex(seed.as_bytes())))
        .collect();
    text.truncate(number("text_bytes"));
    let ranges: Vec<(usize, usize)> = serde_json::from_value(recipe["records"].clone()).unwrap();
    let prefix = hex(field(recipe, "nonce_prefix")).try_into().unwrap();
    let chunk_bytes = u32::try_from(number("chunk_bytes")).unwrap();
    let bytes = reference::seal_ranges(key, prefix, chunk_bytes, &text, &ranges);
    assert_eq!(
        reference::sha256_hex(&bytes),
        stated.sha256_ciphertext,
        "the recipe gives other bytes"
    );
    bytes
}

fn file(vector: &Value) -> Result<(), String> {
    let (key, stated, bytes) = parts(vector);
    if length_is_exact(&stated, &bytes) != vector["length_is_exact"].as_bool().unwrap() {
        return Err(String::from("check_size disagrees with length_is_exact"));
    }
    let handle = key_of(&key);
    for (reader, outcome) in [
        ("decrypt_stream", by_stream(&handle, &stated, &bytes)),
        ("threads", by_threads(&handle, &stated, &bytes)),
        ("Opener", by_core(&handle, &stated, &bytes)),
        ("the aes-gcm reader", reference::open(&key, &stated, &bytes)),
    ] {
        as_stated(vector, &outcome).map_err(|difference| format!("{reader}: {difference}"))?;
    }
    Ok(())
}

fn as_stated(vector: &Value, outcome: &Outcome) -> Result<(), String> {
    let result = if outcome.refused.is_none() {
        "valid"
    } else {
        "invalid"
    };
    states(vector, "error", outcome.refused.as_deref())?;
    states(vector, "result", result)?;
    states(vector, "released_bytes", outcome.released.len())?;
    states(
        vector,
        "released_sha256",
        reference::sha256_hex(&outcome.released),
    )
}

/// What was found is what the vector states, which is nothing where it has no such field.
fn states(vector: &Value, name: &str, found: impl Into<Value>) -> Result<(), String> {
    let found = found.into();
    if found == vector[name] {
        return Ok(());
    }
    Err(format!("{name} is {found}, the vector says {}", vector[name]))
}

fn key_text(vector: &Value) -> Result<(), String> {
    let text = field(vector, "text");
    match Key::from_hex(text) {
        Ok(key) => {
            states(vector, "result", "valid")?;
            states(vector, "key", key.to_hex().as_str())
        }
        Err(error) => {
            if text.len() > 8 && error.to_string().contains(text.trim()) {
                return Err(String::from("the error repeats the key's text"));
            }
            states(vector, "error", error.class().as_str())
        }
    }
}

fn derivation(vector: &Value) -> Result<(), String> {
    let bytes: [u8; 32] = hex(field(vector, "key")).try_into().unwrap();
    let (key, context) = (key_of(&bytes), field(vector, "context"));
    let derived = match field(vector, "purpose") {
        "file" => key.derive_file(context).to_hex().to_string(),
        "commit" => commitment_hex(&key, context),
        other => return Err(format!("purpose {other:?} is not known")),
    };
    let info = format!("trustbridge/tbenc/v1/{}\0{context}", field(vector, "purpose"));
    let wanted = HEXLOWER.encode(&reference::hkdf(&bytes, info.as_bytes()));
    if derived != wanted {
        return Err(format!("derived {derived}, the reference {wanted}"));
    }

    states(vector, "derived", derived)
}

fn manifest_bytes(vector: &Value) -> Vec<u8> {
    match vector["manifest"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => hex(field(vector, "manifest_hex")),
    }
}

fn manifest(vector: &Value) -> Result<(), String> {
    let manifest = match Manifest::parse(&manifest_bytes(vector)) {
        Ok(manifest) => manifest,
        Err(error) => {
            states(vector, "error", error.class().as_str())?;
            let Error::Manifest { field, .. } = &error else {
                return Err(format!("{error} names no field"));
            };
            return states(vector, "field", field.as_str());
        }
    };
    states(vector, "result", "valid")?;
    let written = manifest.to_bytes().map_err(|error| error.to_string())?;
    if Manifest::parse(&written).as_ref() != Ok(&manifest) {
        return Err(String::from("what it writes is read back differently"));
    }
    let Some(key) = vector["key"].as_str() else {
        return Ok(());
    };
    let commitment = match manifest.check_key(&Key::from_hex(key).unwrap()) {
        Ok(true) => "same",
        Ok(false) => "absent",
        Err(error) if error.class().as_str() == "AUTH" => "differs",
        Err(error) => return Err(error.to_string()),
    };
    states(vector, "commitment", commitment)
}
