//! What an upload has to do: decided from what is there, before the first byte is sent.

use std::path::PathBuf;

use futures::{StreamExt, TryStreamExt, stream};

use super::container::{Container, Stored};
use crate::failure::Failure;

/// One blob that must be there at the end.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The local file.
    pub(crate) path: PathBuf,
    /// The blob's name in the container.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Of the content, as the manifest states it; of the manifest itself, computed.
    pub(crate) sha256: String,
}

/// What one item needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The blob is there, with this very content.
    Keep,
    /// There is no such blob.
    Send,
}

/// Looks at every item's blob. Other content under one of the names is refused before anything is sent.
pub(crate) async fn steps(container: &Container, items: &[&Item]) -> Result<Vec<Step>, Failure> {
    stream::iter(items.iter().copied())
        .map(|item| async move {
            let stored = container.look(&item.name).await?;
            step(item, stored.as_ref()).map_err(|found| {
                Failure::data(format!(
                    "{}: exists already and {found}; a published model is never replaced: encrypt under another \
                     --asset-id, or delete the blob",
                    container.place.blob(&item.name)
                ))
            })
        })
        .buffered(LOOKS_AT_ONCE)
        .try_collect()
        .await
}

const LOOKS_AT_ONCE: usize = 8;

/// Compares an item with what is stored under its name.
pub(crate) fn step(item: &Item, stored: Option<&Stored>) -> Result<Step, String> {
    let Some(stored) = stored else {
        return Ok(Step::Send);
    };
    match &stored.sha256 {
        Some(sha256) if *sha256 == item.sha256 && stored.bytes == item.bytes => Ok(Step::Keep),
        Some(sha256) => {
            let sha256: String = sha256
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(64)
                .collect();
            Err(format!(
                "holds {} bytes with SHA-256 {sha256}, not {} with {}",
                stored.bytes, item.bytes, item.sha256
            ))
        }
        None => Err(format!(
            "was not written by `trustbridge upload` ({} bytes, no sha256 metadata)",
            stored.bytes
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_content_is_kept() {
        let item = Item {
            path: PathBuf::from("f"),
            name: "models/a/model.tbenc".to_owned(),
            bytes: 5,
            sha256: "aa".to_owned(),
        };
        let stored = |bytes, sha256: Option<&str>| Stored {
            bytes,
            sha256: sha256.map(str::to_owned),
            etag: None,
        };
        assert_eq!(step(&item, None), Ok(Step::Send));
        assert_eq!(step(&item, Some(&stored(5, Some("aa")))), Ok(Step::Keep));
        step(&item, Some(&stored(6, Some("aa")))).unwrap_err();
        assert!(
            step(&item, Some(&stored(5, Some("bb"))))
                .unwrap_err()
                .contains("bb")
        );
        assert!(
            step(&item, Some(&stored(5, None)))
                .unwrap_err()
                .contains("not written by")
        );
    }
}
