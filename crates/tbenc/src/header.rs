//! The 32-byte file header (spec 5.3).

use aws_lc_rs::rand;

use crate::error::Error;
use crate::layout::check_chunk_bytes;

/// Length of the header.
pub const HEADER_BYTES: usize = 32;
/// The first eight bytes of every file.
pub const MAGIC: [u8; 8] = *b"TBENC001";
/// The format's version.
pub const VERSION: u16 = 1;
/// `AES-256-GCM-CHUNKED`.
pub const ALGO_AES_256_GCM_CHUNKED: u8 = 1;

/// The variable part of the header. Magic, version, algorithm and reserved bytes have one legal value each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Plaintext bytes in every record but the last.
    pub chunk_bytes: u32,
    /// First four bytes of every nonce of this file.
    pub nonce_prefix: [u8; 4],
}

impl Header {
    /// A header for a new file, with a fresh random nonce prefix.
    pub fn generate(chunk_bytes: u32) -> Result<Self, Error> {
        let mut nonce_prefix = [0; 4];
        rand::fill(&mut nonce_prefix).map_err(|_| Error::Random)?;
        Self {
            chunk_bytes,
            nonce_prefix,
        }
        .checked()
    }

    /// Reads a header; everything that is not the one legal value is refused.
    ///
    /// The reserved bytes are no part of the associated data, so only this check covers them.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Error> {
        let [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7,
            v0,
            v1,
            algo,
            c0,
            c1,
            c2,
            c3,
            p0,
            p1,
            p2,
            p3,
            reserved @ ..,
        ] = *bytes;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(Error::Header {
                field: "magic",
                rule: "TBENC001",
            });
        }
        if u16::from_be_bytes([v0, v1]) != VERSION {
            return Err(Error::Header {
                field: "version",
                rule: "1",
            });
        }
        if algo != ALGO_AES_256_GCM_CHUNKED {
            return Err(Error::Header {
                field: "algo",
                rule: "1 (AES-256-GCM-CHUNKED)",
            });
        }
        if reserved != [0; 13] {
            return Err(Error::Header {
                field: "reserved",
                rule: "13 zero bytes",
            });
        }
        Self {
            chunk_bytes: u32::from_be_bytes([c0, c1, c2, c3]),
            nonce_prefix: [p0, p1, p2, p3],
        }
        .checked()
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let [m0, m1, m2, m3, m4, m5, m6, m7] = MAGIC;
        let [v0, v1] = VERSION.to_be_bytes();
        let [c0, c1, c2, c3] = self.chunk_bytes.to_be_bytes();
        let [p0, p1, p2, p3] = self.nonce_prefix;
        let algo = ALGO_AES_256_GCM_CHUNKED;
        [
            m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, algo, c0, c1, c2, c3, p0, p1, p2, p3, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0,
        ]
    }

    /// Refuses a header whose chunk size is not the manifest's. Ask before allocating a buffer.
    pub fn expect_chunk_bytes(&self, manifest: u32) -> Result<(), Error> {
        if self.chunk_bytes == manifest {
            return Ok(());
        }
        Err(Error::ChunkBytesDiffer {
            header: self.chunk_bytes,
            manifest,
        })
    }

    pub(crate) fn checked(self) -> Result<Self, Error> {
        check_chunk_bytes(self.chunk_bytes)?;
        Ok(self)
    }
}
