//! What can be wrong, and the class under which test vectors and events name it.

use std::fmt;
use std::io;

/// The class of an [`Error`]: stable words, the same in test vectors, events and exit messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The file's length is not the one that plaintext length and chunk size give.
    Size,
    /// Magic, version, algorithm or reserved bytes are wrong.
    Header,
    /// A length is outside its bounds or not the one this place of the file must have.
    Limit,
    /// A tag does not verify: wrong key, wrong place or changed bytes.
    Auth,
    /// The stream ends before the file is complete.
    Truncated,
    /// Bytes follow the last record.
    Trailing,
    /// A SHA-256 differs from the one that the manifest states.
    Digest,
    /// The manifest breaks a rule.
    Manifest,
    /// A key is not 64 hexadecimal characters, or the random source failed.
    Key,
    /// The writer was used out of order.
    Usage,
    /// Reading or writing failed.
    Io,
    /// The caller's observer said stop.
    Interrupted,
}

impl Class {
    /// The class as it is written in vectors and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::Header => "HEADER",
            Self::Limit => "LIMIT",
            Self::Auth => "AUTH",
            Self::Truncated => "TRUNCATED",
            Self::Trailing => "TRAILING",
            Self::Digest => "DIGEST",
            Self::Manifest => "MANIFEST",
            Self::Key => "KEY",
            Self::Usage => "USAGE",
            Self::Io => "IO",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a file, a manifest or a key was refused. No text holds key material or plaintext.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ciphertext's length is not the one that the manifest implies.
    #[error(
        "ciphertext is {actual} bytes, but plaintext_bytes {plaintext_bytes} in chunks of {chunk_bytes} make \
         {expected}: the file is not the one that the manifest describes; fetch it again"
    )]
    Size {
        /// Bytes present.
        actual: u64,
        /// Bytes required.
        expected: u64,
        /// The manifest's plaintext length.
        plaintext_bytes: u64,
        /// The manifest's chunk size.
        chunk_bytes: u32,
    },
    /// A header field does not have the one value that tbenc/v1 allows.
    #[error("header field {field} must be {rule}: this is not a tbenc/v1 file")]
    Header {
        /// The field of spec 5.3.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// `chunk_bytes` is outside 1 byte to 64 MiB.
    #[error(
        "chunk_bytes {value} is outside 1..=67108864; encrypt the model again with a value in that range"
    )]
    ChunkBytes {
        /// The value found.
        value: u32,
    },
    /// `chunk_bytes` of header and manifest differ.
    #[error(
        "chunk_bytes is {header} in the header and {manifest} in the manifest; they belong to two encryptions"
    )]
    ChunkBytesDiffer {
        /// The header's value.
        header: u32,
        /// The manifest's value.
        manifest: u32,
    },
    /// `plaintext_bytes` is larger than a file may be.
    #[error("plaintext_bytes {value} is over the limit of {limit}; split the file")]
    PlaintextBytes {
        /// The value found.
        value: u64,
        /// The largest accepted.
        limit: u64,
    },
    /// A record's length field is not the one its place demands.
    #[error("record {index}: pt_len is {pt_len}, must be {expected} here; the ciphertext was altered")]
    RecordLength {
        /// The record's index.
        index: u64,
        /// The value found.
        pt_len: u32,
        /// The value required.
        expected: u32,
    },
    /// A record's tag does not verify.
    #[error(
        "record {index}: authentication failed; wrong key or altered ciphertext, nothing of it was released"
    )]
    Auth {
        /// The record's index.
        index: u64,
    },
    /// The key is not the one that the manifest commits to.
    #[error(
        "the key does not match key_commitment of the manifest for asset {asset_id}; use the key made with it"
    )]
    WrongKey {
        /// The asset of the manifest.
        asset_id: String,
    },
    /// The bytes end too early.
    #[error("truncated in {place}: {missing} more bytes were expected; fetch the file again")]
    Truncated {
        /// Where it ended.
        place: Place,
        /// Bytes that are missing there, at least.
        missing: u64,
    },
    /// Bytes follow the end.
    #[error("bytes follow {place}, where nothing may follow; the ciphertext was altered")]
    Trailing {
        /// What they follow.
        place: Place,
    },
    /// A digest differs.
    #[error("{what} is {actual}, the manifest says {expected}; the bytes are not the published ones")]
    Digest {
        /// The manifest's field.
        what: &'static str,
        /// Digest of the bytes.
        actual: String,
        /// Digest stated.
        expected: String,
    },
    /// A manifest field breaks its rule.
    #[error("manifest {field}: {rule}")]
    Manifest {
        /// The field, with its index where it is in a list.
        field: String,
        /// The rule and the value found.
        rule: String,
    },
    /// A key's text form is malformed. The text itself is never repeated.
    #[error("key must be exactly 64 hexadecimal characters (got {chars} characters)")]
    KeyText {
        /// How many characters there were.
        chars: usize,
    },
    /// The system's random source failed.
    #[error("the system's random source failed; nothing was encrypted")]
    Random,
    /// The cipher refused a parameter it should accept.
    #[error("the cipher refused {what}")]
    Cipher {
        /// Which parameter.
        what: &'static str,
    },
    /// The writer was called out of order.
    #[error("sealing record {index}: {rule}")]
    Usage {
        /// The record's index.
        index: u64,
        /// The rule broken.
        rule: &'static str,
    },
    /// Reading or writing failed.
    #[error("{doing}: {message}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The system's text.
        message: String,
    },
    /// The observer of the run said stop.
    #[error("interrupted; what was written so far is not complete, throw it away")]
    Interrupted,
}

/// A place in a tbenc file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The 32-byte header.
    Header,
    /// The record with this index.
    Record(u64),
    /// The last record.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Record(index) => write!(f, "record {index}"),
            Self::End => f.write_str("the last record"),
        }
    }
}

impl Error {
    /// The class of research and vectors that this error belongs to.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Size { .. } => Class::Size,
            Self::Header { .. } => Class::Header,
            Self::ChunkBytes { .. }
            | Self::ChunkBytesDiffer { .. }
            | Self::PlaintextBytes { .. }
            | Self::RecordLength { .. } => Class::Limit,
            Self::Auth { .. } | Self::WrongKey { .. } => Class::Auth,
            Self::Truncated { .. } => Class::Truncated,
            Self::Trailing { .. } => Class::Trailing,
            Self::Digest { .. } => Class::Digest,
            Self::Manifest { .. } => Class::Manifest,
            Self::KeyText { .. } | Self::Random => Class::Key,
            Self::Cipher { .. } | Self::Usage { .. } => Class::Usage,
            Self::Io { .. } => Class::Io,
            Self::Interrupted => Class::Interrupted,
        }
    }

    pub(crate) fn io(doing: &'static str, error: &io::Error) -> Self {
        Self::Io {
            doing,
            kind: error.kind(),
            message: error.to_string(),
        }
    }

    pub(crate) fn manifest(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Manifest {
            field: field.into(),
            rule: rule.into(),
        }
    }
}
