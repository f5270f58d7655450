//! What can go wrong with a call, without the secrets it carried.

use std::path::PathBuf;

/// Why a call, or the making of a client, failed. No variant holds a query string, header or body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deadline passed.
    #[error("{url}: no answer before the deadline ({stage}); the other side is slow or unreachable")]
    Deadline {
        /// URL without its query.
        url: String,
        /// What was being waited for.
        stage: &'static str,
    },
    /// Name resolution, connecting, TLS or the protocol failed.
    #[error("{url}: {reason}")]
    Transport {
        /// URL without its query.
        url: String,
        /// The chain of causes in one line.
        reason: String,
    },
    /// The answer is larger than the caller wanted to hold.
    #[error("{url}: the answer is larger than the limit of {limit} bytes")]
    BodyTooLarge {
        /// URL without its query.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The URL breaks a rule of the client; nothing was sent.
    #[error("{url}: refused before sending: {rule}")]
    Refused {
        /// URL without its query.
        url: String,
        /// The rule.
        rule: &'static str,
    },
    /// A request could not be put together.
    #[error("{url}: the request is not valid HTTP: {reason}")]
    Request {
        /// URL without its query.
        url: String,
        /// Which part.
        reason: String,
    },
    /// A certificate, key or bundle could not be used.
    #[error("{what} {path}: {reason}; give a readable PEM file", path = path.display())]
    Pem {
        /// Which setting.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The TLS configuration as a whole is not usable.
    #[error("TLS configuration: {0}")]
    Tls(String),
}

impl Error {
    pub(crate) fn transport(url: String, source: &(dyn std::error::Error + 'static)) -> Self {
        Self::Transport {
            url,
            reason: chain(source),
        }
    }

    pub(crate) fn request(url: &str, source: &(dyn std::error::Error + 'static)) -> Self {
        Self::Request {
            url: redact(url),
            reason: chain(source),
        }
    }

    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Transport { .. })
    }
}

/// Removes from `url` what may be secret: user name and password, query and fragment.
#[must_use]
pub fn redact(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let plain = url.get(..end).unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else {
        return plain.to_owned();
    };
    let (authority, path) = rest
        .find('/')
        .and_then(|at| rest.split_at_checked(at))
        .unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn chain(source: &(dyn std::error::Error + 'static)) -> String {
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
