//! The control plane's answer (spec 4.1, CONTRACTS section 4), read strictly.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use trustbridge_secret_page::Kind;
use trustbridge_tbenc::Key;
use zeroize::Zeroizing;

use super::Error;
use crate::sys::KeyPage;

/// An authorisation is asked for again after a day at the latest, however long the answer says it lives.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// Clocks of control plane and node may differ by this much.
const SKEW: Duration = Duration::from_mins(1);
/// Longest reason that is repeated.
const REASON_CHARS: usize = 200;

/// A yes. It has no `Debug`: it holds the key, and URLs that are keys.
pub(super) struct Answer {
    pub(super) asset_id: Option<String>,
    pub(super) manifest_url: Zeroizing<String>,
    pub(super) sas_url: Option<Zeroizing<String>>,
    pub(super) files: BTreeMap<String, Zeroizing<String>>,
    pub(super) key: Key,
    pub(super) key_memory: Kind,
    pub(super) manifest_sha256: Option<String>,
    pub(super) life: Duration,
    pub(super) refresh_after: Option<Duration>,
}

/// What a 200 says.
pub(super) enum Verdict {
    Authorized(Box<Answer>),
    Denied(String),
    /// No answer of a control plane that could be used; something in between may have spoken.
    Unreadable(String),
}

#[derive(Deserialize)]
struct Raw {
    status: String,
    reason: Option<String>,
    asset_id: Option<String>,
    sas_url: Option<Zeroized>,
    manifest_url: Option<Zeroized>,
    decryption_key_hex: Option<Zeroized>,
    expires_at: Option<Timestamp>,
    refresh_after: Option<RefreshAfter>,
    files: Option<Vec<RawFile>>,
    manifest_sha256: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    path: String,
    url: Zeroized,
}

/// Seconds from now, or a moment.
#[derive(Deserialize)]
#[serde(untagged)]
enum RefreshAfter {
    Seconds(u64),
    At(Timestamp),
}

/// A text that is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroized(Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Answer {
    /// Reads a 200. Errors are final; none repeats a URL's query or any part of the key.
    pub(super) fn parse(body: &[u8], now: Timestamp) -> Result<Verdict, Error> {
        // serde_json's message could quote the text it stumbled on.
        let raw: Raw = match serde_json::from_slice(body) {
            Ok(raw) => raw,
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                return Ok(Verdict::Unreadable(format!(
                    "the answer is not the expected JSON ({place})"
                )));
            }
        };
        match raw.status.as_str() {
            "authorized" => match raw.expired_for(now) {
                Some(past) => Ok(Verdict::Unreadable(format!(
                    "expires_at lies {} s in the past; do the clocks of control plane and node agree?",
                    past.as_secs()
                ))),
                None => raw
                    .authorized(now)
                    .map(|answer| Verdict::Authorized(Box::new(answer))),
            },
            "denied" => {
                let reason = raw
                    .reason
                    .as_deref()
                    .map(printable)
                    .filter(|reason| !reason.is_empty());
                Ok(Verdict::Denied(
                    reason.unwrap_or_else(|| "no_reason_given".to_owned()),
                ))
            }
            other => Ok(Verdict::Denied(format!("unknown status {:?}", printable(other)))),
        }
    }
}

impl Raw {
    /// How long ago the answer ran out, where that is no matter of two clocks any more. Such an answer authorises
    /// nothing: it is an old one, or somebody repeats it.
    fn expired_for(&self, now: Timestamp) -> Option<Duration> {
        let past = Duration::try_from(now.duration_since(self.expires_at?)).ok()?;
        (past > SKEW).then_some(past)
    }

    fn authorized(self, now: Timestamp) -> Result<Answer, Error> {
        let missing =
            |field: &str| Error::Contradiction(format!("{field} is missing from an authorized answer"));
        let key_text = self
            .decryption_key_hex
            .ok_or_else(|| missing("decryption_key_hex"))?;
        let page = KeyPage::new()
            .map_err(|error| Error::Unavailable(format!("there is no memory for the key: {error}")))?;
        let key_memory = page.kind();
        let key = Key::from_hex_in(Box::new(page), &key_text.0)
            .map_err(|error| Error::Contradiction(format!("decryption_key_hex: {error}")))?;
        let manifest_url = https(
            "manifest_url",
            self.manifest_url.ok_or_else(|| missing("manifest_url"))?,
        )?;
        let sas_url = self.sas_url.map(|url| https("sas_url", url)).transpose()?;
        let mut files = BTreeMap::new();
        for file in self.files.unwrap_or_default() {
            let url = https("files[].url", file.url)?;
            if files.insert(file.path.clone(), url).is_some() {
                let path = printable(&file.path);
                return Err(Error::Contradiction(format!("files[] names {path:?} twice")));
            }
        }
        if let Some(digest) = &self.manifest_sha256
            && !(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(Error::Contradiction(
                "manifest_sha256 is not 64 hexadecimal characters".to_owned(),
            ));
        }
        let expires_at = self.expires_at.ok_or_else(|| missing("expires_at"))?;
        Ok(Answer {
            asset_id: self.asset_id,
            manifest_url,
            sas_url,
            files,
            key,
            key_memory,
            manifest_sha256: self.manifest_sha256.map(|digest| digest.to_ascii_lowercase()),
            life: until(now, expires_at),
            refresh_after: self.refresh_after.map(|after| match after {
                RefreshAfter::Seconds(seconds) => Duration::from_secs(seconds),
                RefreshAfter::At(moment) => until(now, moment),
            }),
        })
    }
}

fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now))
        .unwrap_or(Duration::ZERO)
        .min(LONGEST_LIFE)
}

fn https(field: &str, url: Zeroized) -> Result<Zeroizing<String>, Error> {
    match url::Url::parse(&url.0) {
        Ok(parsed) if parsed.scheme() == "https" && parsed.has_host() => Ok(url.0),
        _ => Err(Error::Contradiction(format!("{field} is no https URL"))),
    }
}

/// The reason in the body of a refusal, where there is one.
pub(super) fn reason_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        reason: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    Some(printable(&refusal.reason)).filter(|reason| !reason.is_empty())
}

/// The reason of a body that says `denied`, whatever the status that it came with.
pub(super) fn denial_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Denial {
        status: String,
    }
    let denial: Denial = serde_json::from_slice(body).ok()?;
    (denial.status == "denied").then(|| reason_of(body).unwrap_or_else(|| "no_reason_given".to_owned()))
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(REASON_CHARS)
        .collect()
}
