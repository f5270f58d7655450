//! Shared access signatures of an account: what a service SAS cannot open, such as a container's properties.

use super::{SAS_VERSION, iso};
use crate::blob::SharedKey;
use jiff::Timestamp;
use url::form_urlencoded::Serializer;

/// The terms of an account SAS for the Blob service, over HTTPS alone and without a start: a start of "now"
/// fails on every client whose clock is behind.
#[derive(Clone, Debug)]
pub struct AccountSas {
    permissions: String,
    expiry: Timestamp,
}

impl AccountSas {
    /// Terms that hold for containers and blobs until `expiry`. `permissions` in the service's order:
    /// `rwdylacupt`.
    #[must_use]
    pub fn new(permissions: &str, expiry: Timestamp) -> Self {
        Self {
            permissions: permissions.to_owned(),
            expiry,
        }
    }

    /// The query string, percent-encoded, without the leading `?`.
    #[must_use]
    pub fn sign(&self, key: &SharedKey) -> String {
        let signature = key.sign(&self.string_to_sign(key.account()));
        Serializer::new(String::new())
            .append_pair("sv", SAS_VERSION)
            .append_pair("ss", SERVICES)
            .append_pair("srt", RESOURCES)
            .append_pair("se", &iso(self.expiry))
            .append_pair("sp", &self.permissions)
            .append_pair("spr", PROTOCOL)
            .append_pair("sig", &signature)
            .finish()
    }

    /// Ten lines, each ended.
    fn string_to_sign(&self, account: &str) -> String {
        let lines = [
            account,
            &self.permissions,
            SERVICES,
            RESOURCES,
            "", // st: no start
            &iso(self.expiry),
            "", // sip: no address range
            PROTOCOL,
            SAS_VERSION,
            "", // ses: no encryption scope
            "", // the last line is ended too
        ];
        lines.join("\n")
    }
}

const SERVICES: &str = "b";
const RESOURCES: &str = "co";
const PROTOCOL: &str = "https";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_are_signed_and_the_key_is_not_shown() {
        let key = SharedKey::from_base64("acct", "c2VjcmV0LWtleQ==").unwrap();
        let sas = AccountSas::new("rwlc", "2026-11-21T10:00:00Z".parse().unwrap());
        let text = "acct\nrwlc\nb\nco\n\n2026-11-21T10:00:00Z\n\nhttps\n2022-11-02\n\n";
        assert_eq!(sas.string_to_sign("acct"), text);
        let query = sas.sign(&key);
        let signature = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "sig")
            .unwrap()
            .1;
        assert_eq!(signature, key.sign(text));
        assert!(!query.contains("c2VjcmV0"), "{query}");
    }
}
