//! Something secret in every way in which text may spell it: raw, in hex, in Base64 wherever it begins.

use super::Canary;
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use std::fs::File;
use std::io::Read;

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

/// How much of a file is held in memory at once.
const WINDOW: usize = 1 << 20;

impl Needle {
    /// The first of them that stands in the rest of that file, by its place in the list. The file is read once, in
    /// windows that overlap by the longest spelling.
    pub fn first_in_file(needles: &[&Self], file: &mut File) -> std::io::Result<Option<usize>> {
        let spellings = needles.iter().flat_map(|needle| &needle.0);
        let overlap = spellings
            .map(Vec::len)
            .max()
            .unwrap_or_default()
            .saturating_sub(1);
        let mut window = Vec::with_capacity(WINDOW + overlap);
        loop {
            let keep = window.len().saturating_sub(overlap);
            window.drain(..keep);
            let read = Read::by_ref(file).take(WINDOW as u64).read_to_end(&mut window)?;
            let found = needles.iter().position(|needle| needle.is_in(&window));
            if found.is_some() || read == 0 {
                return Ok(found);
            }
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    #[test]
    fn a_spelling_across_two_windows_of_a_file_is_found() {
        let secrets: [Vec<u8>; 2] = [(1..=32).collect(), (100..=163).collect()];
        let needles = secrets.clone().map(|secret| Needle::of(&secret));
        let needles: Vec<&Needle> = needles.iter().collect();
        let search = |text: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text).unwrap();
            file.rewind().unwrap();
            Needle::first_in_file(&needles, &mut file).unwrap()
        };
        let spelt = [
            (0, secrets[0].clone()),
            (0, HEXLOWER.encode(&secrets[0]).into_bytes()),
            (1, BASE64.encode(&secrets[1]).into_bytes()),
            (1, HEXUPPER.encode(&secrets[1]).into_bytes()),
        ];
        for (number, text) in spelt {
            for lead in [0, WINDOW - 5, WINDOW, 2 * WINDOW - 31] {
                let file = [vec![b'-'; lead], text.clone(), vec![b'-'; 9]].concat();
                assert_eq!(search(&file), Some(number), "{lead}");
            }
        }
        assert_eq!(search(&vec![b'-'; WINDOW + 9]), None);
    }

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
