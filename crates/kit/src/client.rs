//! A Kubernetes client whose every call ends.

use kube::{Client, Config};
use std::time::Duration;

/// A response that says nothing for this long is given up. Longer than a watch may be silent
/// ([`crate::watch::TIMEOUT_S`] and its five seconds of grace), so that it only ends what is dead.
pub const READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Time to reach the API server.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a kubeconfig nor a service account was found.
    #[error("no cluster is configured: set KUBECONFIG or run in a pod with a service account ({0})")]
    Infer(#[from] kube::config::InferConfigError),
    /// The configuration does not make a client.
    #[error("the cluster configuration gives no client: {0}")]
    Build(#[from] kube::Error),
}

/// Sets the deadlines, and turns the hidden retries off: up to 15 of them, POST included, would answer
/// an outage with writes that nobody planned, and a `Retry-After` of a day with a sleep of a day.
#[must_use]
pub fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

/// A client from `KUBECONFIG`, `~/.kube/config` or the pod's service account.
pub async fn connect() -> Result<Client, Error> {
    Ok(Client::try_from(bounded(Config::infer().await?))?)
}

/// What `error` says, once: the client's own text repeats the server's status in full.
#[must_use]
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (HTTP {} {})", status.message, status.code, status.reason),
        other => with_causes(other),
    }
}

/// An error with all its causes: of a failed connection the last one alone says why. What was said is not repeated.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_retries_or_waits_behind_our_back() {
        let config = bounded(Config::new("https://127.0.0.1:6443".parse().unwrap()));
        assert!(!config.default_retry);
        assert!(config.read_timeout.unwrap().as_secs() > u64::from(crate::watch::TIMEOUT_S) + 5);
    }
}
