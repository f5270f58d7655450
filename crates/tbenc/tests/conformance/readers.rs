//! The crate's ways to open a file, brought to one form that can be compared.

use trustbridge_tbenc::{
    Decrypt, Error, Expected, HEADER_BYTES, Header, Key, MAX_BUFFERS, MAX_CHUNK_BYTES, MAX_PLAINTEXT_BYTES,
    Opened, Opener, Place, check_size, decrypt_stream, hex_digest, unobserved,
};

/// What a manifest says about a file.
#[derive(Clone, Debug)]
pub(crate) struct Stated {
    pub(crate) plaintext_bytes: u64,
    pub(crate) chunk_bytes: u32,
    pub(crate) sha256_ciphertext: String,
}

/// What a reader made of a file: all it released, and the class under which it refused the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) released: Vec<u8>,
    pub(crate) refused: Option<String>,
}

impl Outcome {
    pub(crate) fn expect_same(&self, what: &str, wanted: &Self) -> Result<(), String> {
        if self == wanted {
            return Ok(());
        }
        Err(format!(
            "{what}: {}, must be {}",
            self.in_words(),
            wanted.in_words()
        ))
    }

    fn in_words(&self) -> String {
        let digest = hex_digest(&self.released);
        let result = self.refused.as_deref().unwrap_or("valid");
        format!("{result} after {} bytes of SHA-256 {digest}", self.released.len())
    }
}

fn expected(stated: &Stated) -> Expected<'_> {
    Expected {
        plaintext_bytes: stated.plaintext_bytes,
        chunk_bytes: stated.chunk_bytes,
        sha256_ciphertext: &stated.sha256_ciphertext,
    }
}

/// Through `decrypt_stream`.
pub(crate) fn by_stream(key: &Key, stated: &Stated, bytes: &[u8]) -> Outcome {
    let mut released = Vec::new();
    let opened = decrypt_stream(bytes, &mut released, key, expected(stated));
    outcome(released, opened)
}

/// Through `Decrypt` with as many buffers as it takes: each stage on a thread of its own, whatever the size.
pub(crate) fn by_threads(key: &Key, stated: &Stated, bytes: &[u8]) -> Outcome {
    let mut released = Vec::new();
    let decrypt = Decrypt {
        buffers: MAX_BUFFERS,
        ..Decrypt::new(key, expected(stated))
    };
    let opened = decrypt.run(bytes, &mut released, unobserved);
    outcome(released, opened)
}

fn outcome(released: Vec<u8>, opened: Result<Opened, Error>) -> Outcome {
    if let Ok(opened) = &opened {
        assert_eq!(opened.plaintext_sha256, Some(hex_digest(&released)));
        assert_eq!(opened.plaintext_bytes, released.len() as u64);
    }
    Outcome {
        released,
        refused: opened.err().map(|error| error.class().as_str().to_owned()),
    }
}

/// Through `Header` and `Opener` alone, the last chunk held back until the end and the digest stand.
pub(crate) fn by_core(key: &Key, stated: &Stated, bytes: &[u8]) -> Outcome {
    let mut released = Vec::new();
    let refused = core_into(key, stated, bytes, &mut released).err();
    Outcome {
        released,
        refused: refused.map(|error| error.class().as_str().to_owned()),
    }
}

fn core_into(key: &Key, stated: &Stated, bytes: &[u8], released: &mut Vec<u8>) -> Result<(), Error> {
    let (first, mut rest) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(Error::Truncated {
            place: Place::Header,
            missing: HEADER_BYTES.saturating_sub(bytes.len()) as u64,
        })?;
    let parsed = Header::parse(first)?;
    parsed.expect_chunk_bytes(stated.chunk_bytes)?;
    let mut opener = Opener::new(key, parsed, stated.plaintext_bytes)?;
    let mut held = Vec::new();
    while opener.remaining() > 0 {
        released.append(&mut held);
        let needed = opener.next_record_bytes();
        let (record, behind) = rest.split_at_checked(needed).ok_or(Error::Truncated {
            place: Place::Record(opener.next_index()),
            missing: needed.saturating_sub(rest.len()) as u64,
        })?;
        held = opener.open_record(&mut record.to_vec())?.to_vec();
        rest = behind;
    }
    opener.finish()?;
    if !rest.is_empty() {
        return Err(opener.open_record(&mut rest.to_vec()).unwrap_err());
    }
    let actual = hex_digest(bytes);
    if actual != stated.sha256_ciphertext {
        return Err(Error::Digest {
            what: "sha256_ciphertext",
            actual,
            expected: stated.sha256_ciphertext.clone(),
        });
    }
    released.append(&mut held);
    Ok(())
}

/// Whether the crate's first question about a blob, its length, accepts it.
pub(crate) fn length_is_exact(stated: &Stated, bytes: &[u8]) -> bool {
    let answer = check_size(bytes.len() as u64, stated.plaintext_bytes, stated.chunk_bytes);
    let legal =
        (1..=MAX_CHUNK_BYTES).contains(&stated.chunk_bytes) && stated.plaintext_bytes <= MAX_PLAINTEXT_BYTES;
    if let Err(error) = &answer {
        assert_eq!(error.class().as_str(), if legal { "SIZE" } else { "LIMIT" });
    }
    answer.is_ok()
}
