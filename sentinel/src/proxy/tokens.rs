//! Accepted bearer tokens: a file of SHA-256 sums in hexadecimal, one a line, read again when it changes.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use trustbridge_tbenc::hex_digest;

/// How often the file is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Tells one content of the file from another.
type Version = (u64, i64, i64, u64);

#[derive(Default)]
struct Known {
    sums: HashSet<String>,
    version: Option<Version>,
    looked: Option<Instant>,
}

/// See the module. Without a readable file nobody is let in.
pub(super) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

impl Tokens {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::new(Known::default()),
        }
    }

    /// Whether the request carries exactly one bearer token, and that one is accepted.
    pub(super) fn accept(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return false;
        };
        let sum = hex_digest(token.trim().as_bytes());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            known.look(&self.path);
        }
        // Sums are compared, not tokens: how long it takes says nothing about a token.
        scheme.eq_ignore_ascii_case("bearer") && known.sums.contains(&sum)
    }
}

impl Known {
    fn look(&mut self, path: &Path) {
        self.looked = Some(Instant::now());
        let version =
            std::fs::metadata(path).map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()));
        if self.version.is_some() && self.version == version.as_ref().ok().copied() {
            return;
        }
        match version.and_then(|version| Ok((version, std::fs::read_to_string(path)?))) {
            Ok((version, text)) => {
                let sums = text.lines().map(|line| line.trim().to_ascii_lowercase());
                self.sums = sums.filter(|sum| sum.len() == 64).collect();
                self.version = Some(version);
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "TB_TOKENS_PATH cannot be read: every request is refused");
                self.sums.clear();
                self.version = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;
    use http::HeaderMap;
    use trustbridge_tbenc::hex_digest;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_accepted_tokens_pass() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, format!("# ours\n{}\n", hex_digest(b"good").to_uppercase())).unwrap();
        let tokens = Tokens::new(path);
        assert!(tokens.accept(&headers(&["Bearer good"])));
        assert!(tokens.accept(&headers(&["bearer good"])));
        for bad in [
            &[][..],
            &["Bearer bad"],
            &["Basic good"],
            &["good"],
            &["Bearer good", "Bearer good"],
        ] {
            assert!(!tokens.accept(&headers(bad)), "{bad:?}");
        }
    }

    #[test]
    fn without_a_file_nobody_passes() {
        let tokens = Tokens::new("/no/such/file".into());
        assert!(!tokens.accept(&headers(&["Bearer good"])));
    }

    #[test]
    fn a_changed_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, hex_digest(b"old")).unwrap();
        let tokens = Tokens::new(path.clone());
        assert!(tokens.accept(&headers(&["Bearer old"])));
        std::fs::write(&path, format!("{}\n", hex_digest(b"new"))).unwrap();
        tokens.known.lock().unwrap().looked = None;
        assert!(tokens.accept(&headers(&["Bearer new"])));
        assert!(!tokens.accept(&headers(&["Bearer old"])));
    }
}
