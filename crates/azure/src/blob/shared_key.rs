//! The `SharedKey` authorisation scheme.

use super::Error;
use crate::http;
use crate::sas::base64;
use ::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use ::http::{HeaderName, Request};
use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

/// An account's name and key. The key appears in no `Debug` and no error.
#[derive(Clone)]
pub struct SharedKey {
    account: String,
    key: Arc<hmac::Key>,
}

impl SharedKey {
    /// From the key as Azure shows it.
    pub fn from_base64(account: &str, key: &str) -> Result<Self, Error> {
        let raw = BASE64
            .decode(key.trim().as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| Error::AccountKey {
                account: account.to_owned(),
            })?;
        Ok(Self {
            account: account.to_owned(),
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &raw)),
        })
    }

    /// From a file that holds the key and nothing else.
    pub fn from_file(account: &str, path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| Error::File {
                path: path.display().to_string(),
                source,
            })?;
        Self::from_base64(account, &text)
    }

    /// The account's name.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Base64 of HMAC-SHA256 over `text`.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        base64(hmac::sign(&self.key, text.as_bytes()).as_ref())
    }

    pub(crate) fn authorise(&self, request: &mut Request<Bytes>, url: &Url) -> Result<(), Error> {
        let signature = self.sign(&string_to_sign(request, &self.account, url));
        let value = HeaderValue::from_str(&format!("SharedKey {}:{signature}", self.account))
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Now, as RFC 9110 writes dates.
pub(crate) fn http_date() -> String {
    Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn string_to_sign(request: &Request<Bytes>, account: &str, url: &Url) -> String {
    let headers = request.headers();
    let mut text = request.method().as_str().to_owned();
    for name in [
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "date",
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
    ] {
        let value = header(headers, name);
        text.push('\n');
        // Since version 2015-02-21 an empty body is signed as an empty text, not as 0.
        text.push_str(if name == "content-length" && value == "0" {
            ""
        } else {
            value
        });
    }
    text.push('\n');
    text.push_str(&canonical_headers(headers));
    text.push_str(&canonical_resource(account, url));
    text
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn canonical_headers(headers: &HeaderMap) -> String {
    let mut names: Vec<&str> = headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| name.starts_with("x-ms-"))
        .collect();
    names.sort_unstable();
    names.iter().fold(String::new(), |mut text, name| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{}", header(headers, name).trim());
        text
    })
}

/// `/account`, the path as it is sent (with Azurite's own `/account` in front), then each parameter.
fn canonical_resource(account: &str, url: &Url) -> String {
    let mut text = format!("/{account}{}", url.path());
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        params
            .entry(name.to_lowercase())
            .or_default()
            .push(value.into_owned());
    }
    for (name, mut values) in params {
        values.sort_unstable();
        let _ = write!(text, "\n{name}:{}", values.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_follows_the_documented_shape() {
        let url = Url::parse("https://h:1/acct/models/a%20b?comp=block&blockid=QQ%3D%3D").unwrap();
        let request = Request::put(url.as_str())
            .header("x-ms-version", "2022-11-02")
            .header("x-ms-date", "Sat, 21 Nov 2026 08:00:00 GMT")
            .header("content-length", 3)
            .header("range", "bytes=0-2")
            .body(Bytes::from_static(b"abc"))
            .unwrap();
        let expected = "PUT\n\n\n3\n\n\n\n\n\n\n\nbytes=0-2\n\
            x-ms-date:Sat, 21 Nov 2026 08:00:00 GMT\nx-ms-version:2022-11-02\n\
            /acct/acct/models/a%20b\nblockid:QQ==\ncomp:block";
        assert_eq!(string_to_sign(&request, "acct", &url), expected);
    }

    #[test]
    fn an_empty_body_is_signed_as_an_empty_text() {
        let url = Url::parse("https://h/c/b").unwrap();
        let request = Request::get(url.as_str())
            .header("content-length", 0)
            .body(Bytes::new())
            .unwrap();
        assert!(string_to_sign(&request, "acct", &url).starts_with("GET\n\n\n\n\n"));
    }

    #[test]
    fn a_broken_key_is_refused_without_being_shown() {
        let error = SharedKey::from_base64("acct", "not base64!").unwrap_err();
        assert!(!error.to_string().contains("not base64!"), "{error}");
        assert!(!format!("{:?}", SharedKey::from_base64("acct", "c2VjcmV0").unwrap()).contains("c2VjcmV0"));
    }
}
