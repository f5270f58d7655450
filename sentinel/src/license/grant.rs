//! One authorisation, as the rest of the program uses it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use trustbridge_azure::http::redact;
use trustbridge_secret_page::Kind;
use trustbridge_tbenc::Key;
use zeroize::Zeroizing;

use super::Error;
use super::answer::Answer;

/// Shortest time between two renewals that nobody asked for.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

/// An accepted authorisation. No `Debug`: it holds the key and URLs that are keys.
pub(crate) struct Grant {
    /// Counts from 1; a renewal has the next number.
    pub(crate) generation: u64,
    /// Where the manifest is.
    pub(crate) manifest_url: Zeroizing<String>,
    /// What the control plane says the manifest's digest is.
    pub(crate) manifest_sha256: Option<String>,
    /// The asset's key. All generations share the first one's memory.
    pub(crate) key: Arc<Key>,
    /// How far the key is out of others' reach.
    pub(crate) key_memory: Kind,
    sas_url: Option<Zeroizing<String>>,
    files: BTreeMap<String, Zeroizing<String>>,
    accepted: Instant,
    life: Duration,
    refresh_after: Duration,
}

impl Grant {
    /// Accepts an answer, unless it speaks of another asset, another key or another manifest than before.
    pub(super) fn accept(answer: Answer, before: Option<&Self>, asset_id: &str) -> Result<Self, Error> {
        if let Some(other) = answer.asset_id.as_deref().filter(|id| *id != asset_id) {
            let other: String = other.chars().filter(|c| !c.is_control()).take(128).collect();
            return Err(Error::Contradiction(format!(
                "it is for asset {other:?}, asked was {asset_id:?}"
            )));
        }
        let (mut key, mut key_memory) = (Arc::new(answer.key), answer.key_memory);
        let mut manifest_sha256 = answer.manifest_sha256;
        if let Some(before) = before {
            if before.key.commitment(asset_id) != key.commitment(asset_id) {
                return Err(Error::Contradiction(
                    "decryption_key_hex changed at a renewal".to_owned(),
                ));
            }
            if manifest_sha256.is_some()
                && before.manifest_sha256.is_some()
                && manifest_sha256 != before.manifest_sha256
            {
                return Err(Error::Contradiction(
                    "manifest_sha256 changed at a renewal".to_owned(),
                ));
            }
            key = before.key.clone();
            key_memory = before.key_memory;
            manifest_sha256 = manifest_sha256.or_else(|| before.manifest_sha256.clone());
        }
        // 80 % of the life, so that a renewal has time to be tried again.
        let refresh_after = answer
            .refresh_after
            .unwrap_or(Duration::MAX)
            .min(answer.life * 4 / 5);
        Ok(Self {
            generation: before.map_or(1, |before| before.generation + 1),
            manifest_url: answer.manifest_url,
            manifest_sha256,
            key,
            key_memory,
            sas_url: answer.sas_url,
            files: answer.files,
            accepted: Instant::now(),
            life: answer.life,
            refresh_after: refresh_after.max(SHORTEST_REFRESH),
        })
    }

    /// Where the ciphertext is: of the file at `path` in a directory asset, or of the only one.
    pub(crate) fn url_of(&self, path: Option<&str>) -> Option<&str> {
        match path {
            Some(path) => self.files.get(path).map(|url| url.as_str()),
            None => self.sas_url.as_ref().map(|url| url.as_str()),
        }
    }

    /// The URL of `path` for messages.
    pub(crate) fn shown_url_of(&self, path: Option<&str>) -> String {
        self.url_of(path).map(redact).unwrap_or_default()
    }

    /// How long it lives from when it was accepted. Measured by a clock that nobody sets.
    pub(crate) fn life(&self) -> Duration {
        self.life
    }

    /// When it should be renewed.
    pub(super) fn refresh_at(&self) -> Instant {
        self.accepted + self.refresh_after
    }

    /// When it has run out.
    pub(super) fn expires(&self) -> Instant {
        self.accepted + self.life
    }
}
