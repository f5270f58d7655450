//! A bearer token: made here, read by the buyer, known to the sentinel by its sum alone.

use aws_lc_rs::rand;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt;

/// Random bytes of a token.
const BYTES: usize = 32;
/// Start of every token, by which scanners of logs and repositories know one.
const PREFIX: &str = "tbt_";

/// A token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// A new one; `None`: the system gave no random bytes.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = [0_u8; BYTES];
        rand::fill(&mut bytes).ok()?;
        Some(Self(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))))
    }

    /// What lies in a Secret; `None`: nobody could have made that here.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let random = BASE64URL_NOPAD
            .decode(text.strip_prefix(PREFIX)?.as_bytes())
            .ok()?;
        (random.len() == BYTES).then(|| Self(text.to_owned()))
    }

    /// For the Secret, and for the question to the port.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 in lower-case hex: the line by which the sentinel accepts it.
    pub(super) fn sum(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_known_again() {
        let [one, other] = [(), ()].map(|()| Token::new().unwrap());
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(Token::of_bytes(one.as_str().as_bytes()), Some(one.clone()));
        assert_eq!(one.sum().len(), 64);
        for wrong in ["", "tbt_", "tbt_YQ", "abc", "\n"] {
            assert_eq!(Token::of_bytes(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(!format!("{one:?}").contains(one.as_str()));
    }
}
