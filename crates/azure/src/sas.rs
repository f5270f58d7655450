//! Shared access signatures of a service (blob or container), format version 2022-11-02.
//!
//! The version is pinned because the text that is signed differs between versions.

mod account;

pub use account::AccountSas;

use crate::blob::SharedKey;
use data_encoding::BASE64;
use jiff::Timestamp;
use std::fmt;
use url::Url;
use url::form_urlencoded::Serializer;

/// The signed version, `sv`.
pub const SAS_VERSION: &str = "2022-11-02";

/// What a signature opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SasScope {
    /// One blob.
    Blob,
    /// Every blob of a container.
    Container,
}

impl SasScope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "b",
            Self::Container => "c",
        }
    }
}

/// The terms of a service SAS before it is signed.
#[derive(Clone, Debug)]
pub struct ServiceSas {
    scope: SasScope,
    permissions: String,
    start: Option<Timestamp>,
    expiry: Timestamp,
    https_only: bool,
}

impl ServiceSas {
    /// Read access to one blob until `expiry`, over HTTPS alone and without a start: a start of "now" fails on
    /// every client whose clock is behind.
    #[must_use]
    pub fn read_blob(expiry: Timestamp) -> Self {
        Self::new(SasScope::Blob, "r", expiry)
    }

    /// Any other terms. `permissions` in the service's order: `racwdxltmeop`.
    #[must_use]
    pub fn new(scope: SasScope, permissions: &str, expiry: Timestamp) -> Self {
        Self {
            scope,
            permissions: permissions.to_owned(),
            start: None,
            expiry,
            https_only: true,
        }
    }

    /// Valid from `start` on.
    #[must_use]
    pub fn starting(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// Allows plain HTTP too, for an emulator on loopback.
    #[must_use]
    pub fn allow_http(mut self) -> Self {
        self.https_only = false;
        self
    }

    /// The query string, percent-encoded, without the leading `?`.
    #[must_use]
    pub fn sign(&self, key: &SharedKey, container: &str, blob: &str) -> String {
        let start = self.start.map(iso).unwrap_or_default();
        let expiry = iso(self.expiry);
        let protocol = if self.https_only { "https" } else { "https,http" };
        let signature = key.sign(&self.string_to_sign(key.account(), container, blob));
        let mut query = Serializer::new(String::new());
        query
            .append_pair("sv", SAS_VERSION)
            .append_pair("sr", self.scope.as_str());
        if !start.is_empty() {
            query.append_pair("st", &start);
        }
        query
            .append_pair("se", &expiry)
            .append_pair("sp", &self.permissions)
            .append_pair("spr", protocol);
        query.append_pair("sig", &signature);
        query.finish()
    }

    /// The sixteen lines that are signed.
    fn string_to_sign(&self, account: &str, container: &str, blob: &str) -> String {
        let resource = match self.scope {
            SasScope::Blob => format!("/blob/{account}/{container}/{blob}"),
            SasScope::Container => format!("/blob/{account}/{container}"),
        };
        let lines = [
            self.permissions.as_str(),
            &self.start.map(iso).unwrap_or_default(),
            &iso(self.expiry),
            &resource,
            "", // si: no stored policy
            "", // sip: no address range
            if self.https_only { "https" } else { "https,http" },
            SAS_VERSION,
            self.scope.as_str(),
            "", // snapshot
            "", // ses: no encryption scope
            "", // rscc
            "", // rscd
            "", // rsce
            "", // rscl
            "", // rsct
        ];
        lines.join("\n")
    }
}

fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A URL that carries a SAS, and what its parameters say. Neither `Debug` nor `Display` shows the query.
#[derive(Clone, PartialEq, Eq)]
pub struct SasUrl {
    url: Url,
    expiry: Option<Timestamp>,
    start: Option<Timestamp>,
    permissions: Option<String>,
}

/// Why a text is not a usable SAS URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SasError {
    /// Not an absolute URL.
    #[error("{url}: not an absolute URL ({reason})")]
    Url {
        /// The text without its query.
        url: String,
        /// What the parser says.
        reason: String,
    },
    /// `st` or `se` is no time.
    #[error("{url}: SAS parameter {name} is not an ISO 8601 time in UTC")]
    Time {
        /// URL without its query.
        url: String,
        /// `st` or `se`.
        name: &'static str,
    },
}

impl SasUrl {
    /// Reads a URL; one without any SAS parameter is accepted and never expires.
    pub fn parse(text: &str) -> Result<Self, SasError> {
        let redacted = crate::http::redact(text);
        let url = Url::parse(text).map_err(|source| SasError::Url {
            url: redacted.clone(),
            reason: source.to_string(),
        })?;
        let param = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let time = |name: &'static str| match param(name) {
            None => Ok(None),
            Some(text) => parse_time(&text).map(Some).ok_or_else(|| SasError::Time {
                url: redacted.clone(),
                name,
            }),
        };
        Ok(Self {
            expiry: time("se")?,
            start: time("st")?,
            permissions: param("sp"),
            url,
        })
    }

    /// The whole URL, secret included: for the request line and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    /// The URL without its query, for people.
    #[must_use]
    pub fn redacted(&self) -> String {
        crate::http::redact(self.url.as_str())
    }

    /// `se`: from then on the service refuses it.
    #[must_use]
    pub fn expiry(&self) -> Option<Timestamp> {
        self.expiry
    }

    /// `st`: before then the service refuses it.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// `sp`.
    #[must_use]
    pub fn permissions(&self) -> Option<&str> {
        self.permissions.as_deref()
    }
}

impl fmt::Debug for SasUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasUrl")
            .field("url", &self.redacted())
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SasUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// The service writes times with seconds, without seconds, or as a date alone.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let date_time = match text.strip_suffix('Z') {
        Some(minutes) => format!("{minutes}:00Z"),
        None => format!("{text}T00:00:00Z"),
    };
    date_time.parse().ok()
}

/// Base64 of a digest, as the service writes signatures.
pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    const KEY: &str = "dHJ1c3RicmlkZ2UtdGVzdC1hY2NvdW50LWtleS0wMTIzNDU2Nzg5";

    fn key() -> SharedKey {
        SharedKey::from_base64("acct", KEY).unwrap()
    }

    /// HMAC by its definition (RFC 2104) on another SHA-256: the independent path.
    fn hmac_by_definition(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut block = [0_u8; 64];
        block[..key.len()].copy_from_slice(key);
        let inner = Sha256::new()
            .chain_update(block.map(|b| b ^ 0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(block.map(|b| b ^ 0x5c))
            .chain_update(inner)
            .finalize()
            .to_vec()
    }

    #[test]
    fn the_signature_is_hmac_over_sixteen_lines() {
        let sas = ServiceSas::read_blob("2026-11-21T10:00:00Z".parse().unwrap());
        let text = "r\n\n2026-11-21T10:00:00Z\n/blob/acct/models/a/b c.tbenc\n\n\nhttps\n2022-11-02\nb\n\n\n\n\n\n\n";
        assert_eq!(sas.string_to_sign("acct", "models", "a/b c.tbenc"), text);
        assert_eq!(text.split('\n').count(), 16);
        let raw_key = BASE64.decode(KEY.as_bytes()).unwrap();
        let expected = BASE64.encode(&hmac_by_definition(&raw_key, text.as_bytes()));
        let query = sas.sign(&key(), "models", "a/b c.tbenc");
        let sig = url::form_urlencoded::parse(query.as_bytes())
            .find(|(k, _)| k == "sig")
            .unwrap()
            .1;
        assert_eq!(sig, expected);
    }

    #[test]
    fn what_is_signed_can_be_read_back() {
        let expiry: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let start: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let query = ServiceSas::new(SasScope::Container, "rl", expiry)
            .starting(start)
            .allow_http()
            .sign(&key(), "models", "");
        let url = SasUrl::parse(&format!("https://acct.example/models?{query}")).unwrap();
        assert_eq!(url.expiry(), Some(expiry));
        assert_eq!(url.start(), Some(start));
        assert_eq!(url.permissions(), Some("rl"));
        assert!(url.expose().contains("sr=c"));
    }

    #[test]
    fn nothing_printed_holds_the_signature() {
        let url = SasUrl::parse("https://h/c/b?se=2026-11-21T10%3A00%3A00Z&sig=secret").unwrap();
        assert!(!format!("{url} {url:?}").contains("secret"));
        let error = SasUrl::parse("https://h/c/b?se=later&sig=secret").unwrap_err();
        assert_eq!(
            error.to_string(),
            "https://h/c/b: SAS parameter se is not an ISO 8601 time in UTC"
        );
    }

    #[test]
    fn shorter_times_and_plain_urls_are_understood() {
        let minutes = SasUrl::parse("https://h/b?se=2026-11-21T10%3A00Z").unwrap();
        assert_eq!(minutes.expiry(), "2026-11-21T10:00:00Z".parse().ok());
        let day = SasUrl::parse("https://h/b?se=2026-11-21").unwrap();
        assert_eq!(day.expiry(), "2026-11-21T00:00:00Z".parse().ok());
        assert_eq!(SasUrl::parse("https://h/b").unwrap().expiry(), None);
    }
}
