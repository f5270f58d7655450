//! Something secret in every way in which text may spell it: raw, in hex, in Base64 wherever it begins.

use super::Canary;
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use std::fs::File;

/// Something that must stand nowhere, in all its spellings.
#[derive(Clone)]
pub struct Needle(Vec<Vec<u8>>);

impl std::fmt::Debug for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Needle of {} spellings", self.0.len())
    }
}

impl Needle {
    /// All spellings of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hex = HEXLOWER.encode(bytes);
        let mut all = vec![
            bytes.to_vec(),
            hex.clone().into_bytes(),
            HEXUPPER.encode(bytes).into_bytes(),
        ];
        all.extend(base64(bytes));
        // As Kubernetes shows what stands in a Secret as hex.
        all.extend(base64(hex.as_bytes()));
        Self(all)
    }

    /// Whether it stands in there.
    #[must_use]
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0
            .iter()
            .any(|spelling| memchr::memmem::find(text, spelling).is_some())
    }
}

/// Base64 of something in the middle of something else: three ways, by where it begins, without what its neighbours
/// have a part in.
fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let from = |lead: usize| {
        let mut padded = vec![0; lead];
        padded.extend_from_slice(bytes);
        let text = BASE64.encode(&padded).into_bytes();
        let first = (lead * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        text.get(first..last).unwrap_or_default().to_vec()
    };
    (0..3).map(from).collect()
}

impl Canary {
    /// Its spellings.
    #[must_use]
    pub fn needle(&self) -> Needle {
        Needle::of(&self.bytes)
    }

    /// Its hex, to plant it in text.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.bytes)
    }

    /// Its bytes, to plant it in a file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether its bytes are in the rest of that file.
    pub fn is_in_file(&self, file: &mut File) -> std::io::Result<bool> {
        self.is_in(file).map(|(found, _)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_wherever_it_begins() {
        let secret: Vec<u8> = (1..=32).map(|n| n * 7).collect();
        let needle = Needle::of(&secret);
        for lead in 0..7 {
            for tail in 0..4 {
                let mut text = vec![b'x'; lead];
                text.extend_from_slice(&secret);
                text.extend(vec![b'y'; tail]);
                assert!(needle.is_in(&text));
                assert!(needle.is_in(BASE64.encode(&text).as_bytes()), "{lead} {tail}");
                let hex = format!("{}{}", "z".repeat(lead), HEXLOWER.encode(&secret));
                assert!(
                    needle.is_in(hex.as_bytes()) && needle.is_in(BASE64.encode(hex.as_bytes()).as_bytes())
                );
            }
        }
        let mut other = secret.clone();
        other[31] ^= 1;
        assert!(!needle.is_in(&other) && !needle.is_in(HEXLOWER.encode(&other).as_bytes()));
    }
}
