//! Fresh random files of the sizes that spec phase 1 names, sealed here and opened in Python, and the other way.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use libtest_mimic::Trial;
use serde_json::json;
use trustbridge_tbenc::{Expected, ciphertext_bytes, decrypt_stream, encrypt_stream};

use crate::samples::key_of;
use crate::{counted, python, reference};

const MIB: u32 = 1 << 20;
const CHUNKS: [u32; 6] = [1, 16, 4096, MIB, 4 * MIB, 16 * MIB];

pub(crate) fn trials() -> Vec<Trial> {
    let planned = CHUNKS.iter().map(|chunk| sizes(*chunk).len()).sum();
    vec![
        counted(
            planned,
            "interop: {} random files sealed here open in Python",
            sealed_here,
        ),
        counted(
            planned,
            "interop: {} random files sealed in Python open here",
            sealed_there,
        ),
    ]
}

/// Empty, one byte, and around one chunk; of smaller chunks several, aligned and not.
fn sizes(chunk_bytes: u32) -> Vec<usize> {
    let chunk = chunk_bytes as usize;
    let mut sizes = vec![0, 1, chunk - 1, chunk, chunk + 1];
    if chunk_bytes <= 4 * MIB {
        sizes.extend([2 * chunk, 2 * chunk + 1, 3 * chunk - 1]);
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

struct Case {
    name: String,
    chunk_bytes: u32,
    key: [u8; 32],
    plain: Vec<u8>,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).unwrap();
    bytes
}

fn case(chunk_bytes: u32, size: usize) -> Case {
    let mut plain = vec![0; size];
    rand::fill(&mut plain).unwrap();
    Case {
        name: format!("{size}-in-{chunk_bytes}"),
        chunk_bytes,
        key: random(),
        plain,
    }
}

/// Goes through all cases, one chunk size at a time, so that the disk holds few files at once.
fn each_chunk_size(run: fn(&Path, &[Case]) -> Result<(), String>) -> Result<usize, String> {
    let mut ran = 0;
    for chunk_bytes in CHUNKS {
        let folder = tempfile::tempdir().unwrap();
        let cases: Vec<Case> = sizes(chunk_bytes)
            .into_iter()
            .map(|size| case(chunk_bytes, size))
            .collect();
        run(folder.path(), &cases)?;
        ran += cases.len();
    }
    Ok(ran)
}

fn sealed_here() -> Result<usize, String> {
    each_chunk_size(|folder, cases| {
        let mut described = Vec::new();
        for case in cases {
            let file = BufWriter::new(File::create(folder.join(&case.name)).unwrap());
            let sealed = encrypt_stream(case.plain.as_slice(), file, &key_of(&case.key), case.chunk_bytes)
                .map_err(|error| format!("{}: {error}", case.name))?;
            described.push(json!({
                "key": HEXLOWER.encode(&case.key),
                "ciphertext": case.name,
                "manifest": {
                    "plaintext_bytes": case.plain.len(),
                    "chunk_bytes": case.chunk_bytes,
                    "sha256_ciphertext": sealed.sha256_ciphertext,
                },
                "plaintext_sha256": reference::sha256_hex(&case.plain),
            }));
        }
        describe(folder, &described);
        let said = python::run("reader.py", &["open", folder.to_str().unwrap()])?;
        python::expect_line(&said, &format!("opened {0} of {0}", cases.len()))
    })
}

fn sealed_there() -> Result<usize, String> {
    each_chunk_size(|folder, cases| {
        let mut described = Vec::new();
        for case in cases {
            fs::write(folder.join(&case.name), &case.plain).unwrap();
            described.push(json!({
                "key": HEXLOWER.encode(&case.key),
                "nonce_prefix": HEXLOWER.encode(&random::<4>()),
                "chunk_bytes": case.chunk_bytes,
                "plaintext": case.name,
                "ciphertext": format!("{}.tbenc", case.name),
            }));
        }
        describe(folder, &described);
        let said = python::run("generate.py", &["seal", folder.to_str().unwrap()])?;
        python::expect_line(&said, &format!("sealed {0} of {0}", cases.len()))?;
        cases.iter().try_for_each(|case| opens_here(folder, case))
    })
}

fn opens_here(folder: &Path, case: &Case) -> Result<(), String> {
    let path = folder.join(format!("{}.tbenc", case.name));
    let plaintext_bytes = case.plain.len() as u64;
    let length = fs::metadata(&path).unwrap().len();
    if length != ciphertext_bytes(plaintext_bytes, case.chunk_bytes) {
        return Err(format!("{}: Python wrote {length} bytes", case.name));
    }
    let sha256_ciphertext = &reference::sha256_hex(&fs::read(&path).unwrap());
    let expected = Expected {
        plaintext_bytes,
        chunk_bytes: case.chunk_bytes,
        sha256_ciphertext,
    };
    let (file, mut released) = (BufReader::new(File::open(&path).unwrap()), Vec::new());
    decrypt_stream(file, &mut released, &key_of(&case.key), expected)
        .map_err(|error| format!("{}: {error}", case.name))?;
    if released == case.plain {
        return Ok(());
    }
    Err(format!("{}: another plaintext", case.name))
}

fn describe(folder: &Path, cases: &[serde_json::Value]) {
    fs::write(folder.join("cases.json"), serde_json::to_vec(cases).unwrap()).unwrap();
}
