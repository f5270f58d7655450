//! What the commands that use the network share: URLs without secrets, the client, errors with their exit code.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use trustbridge_azure::http::{self, Client, redact};
use url::Url;

use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Settings of every call to the outside.
#[derive(clap::Args)]
pub(crate) struct RemoteArgs {
    /// PEM file of a certificate authority to trust besides the system's.
    #[arg(long, value_name = "FILE", env = "TB_CA_PATH")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Seconds after which the command gives up [default: 3600; none while an upload or a download makes progress].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) timeout: Option<u64>,
}

/// A command without bytes to move gives up after this long.
const DEFAULT_SECONDS: u64 = 3600;

impl RemoteArgs {
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder();
        if let Some(path) = &self.ca_file {
            builder = builder.ca_file(path);
        }
        builder.build().map_err(|e| Failure::usage(e.to_string()))
    }

    pub(crate) fn deadline(&self) -> http::Deadline {
        http::Deadline::after(Duration::from_secs(self.timeout.unwrap_or(DEFAULT_SECONDS)))
    }

    /// Ends long work when its time is up, or when a signal came; each request has its own deadline besides.
    /// `left` says what becomes of work that was not finished.
    pub(crate) async fn limit<T>(
        &self,
        left: impl Fn() -> String,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.time_limit().hold(left, work).await
    }

    /// The end of work that begins now and is done in several calls.
    pub(crate) fn time_limit(&self) -> TimeLimit {
        let end = |seconds| Instant::now() + Duration::from_secs(seconds);
        TimeLimit(self.timeout.map(end))
    }
}

/// When long work ends that is not done: never, where no `--timeout` is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit(Option<Instant>);

impl TimeLimit {
    /// Does a part of the work; see [`RemoteArgs::limit`].
    pub(crate) async fn hold<T>(
        self,
        left: impl Fn() -> String,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limit = async {
            match self.0 {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = work => done,
            () = limit => Err(Failure::new(Exit::Unavailable, format!("--timeout: the time is up; {}", left()))),
            () = interrupt::requested_async() => {
                Err(Failure::new(Exit::Interrupted, format!("interrupted; {}", left())))
            }
        }
    }
}

/// Runs a command that uses the network.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(future)
}

/// The threads that the network's work runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Io, format!("starting the runtime: {e}")))
}

/// Parses an https URL that carries no credential. The text is never repeated with its query.
pub(crate) fn https_url(flag: &str, text: &str) -> Result<Url, Failure> {
    let refused = |rule: &str| Failure::usage(format!("{flag} {}: {rule}", redact(text)));
    let url = Url::parse(text).map_err(|_| refused("must be an absolute https URL"))?;
    if url.scheme() != "https" || !url.has_host() {
        return Err(refused("must be an https URL"));
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(refused(
            "must not hold a query, fragment or credentials; a SAS goes into a file",
        ));
    }
    Ok(url)
}

/// Checks the asset's folder URL, as `upload` prints it.
pub(crate) fn blob_base_url(text: &str, asset_id: &str) -> Result<String, Failure> {
    let url = https_url("--blob-base-url", text)?;
    let base = url.as_str().trim_end_matches('/');
    let folder = format!("/models/{asset_id}");
    if base.ends_with(&folder) {
        return Ok(base.to_owned());
    }
    Err(Failure::usage(format!(
        "--blob-base-url {}: must end in {folder}, the asset's folder in its container; `trustbridge upload` prints it",
        redact(text)
    )))
}

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Self {
        let exit = if error.is_transient() {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        let text = error.to_string();
        let next = if text.contains("certificate") {
            "; trust its certificate authority with --ca-file"
        } else {
            ""
        };
        Self::new(exit, text + next)
    }
}

/// Asks again after a pause while the failure is one that may pass, up to `tries` times in all.
pub(crate) async fn retrying<T, F: Future<Output = Result<T, Failure>>>(
    tries: u32,
    mut call: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut pause = Duration::from_millis(500);
    let mut left = tries;
    loop {
        left = left.saturating_sub(1);
        match call().await {
            Err(failure) if failure.exit == Exit::Unavailable && left > 0 => {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2);
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_secrets_are_refused_without_repeating_them() {
        for bad in [
            "https://a.example/c?sig=SECRET",
            "https://user:SECRET@a.example/c",
            "http://a.example/#SECRET",
        ] {
            let failure = https_url("--container-url", bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.to_string().contains("SECRET"), "{failure}");
        }
        assert!(https_url("--endpoint", "https://a.example").is_ok());
    }

    #[test]
    fn the_blob_base_url_is_the_assets_folder() {
        let base = "https://a.example/acct/c/models/tb-1";
        assert_eq!(blob_base_url(&format!("{base}/"), "tb-1").unwrap(), base);
        assert!(
            blob_base_url("https://a.example/acct/c", "tb-1")
                .unwrap_err()
                .to_string()
                .contains("/models/tb-1")
        );
    }

    #[test]
    fn a_passing_failure_is_tried_again_and_a_refusal_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let count = |exit| {
            let calls = std::cell::Cell::new(0);
            let result = runtime.block_on(retrying(4, || {
                calls.set(calls.get() + 1);
                std::future::ready(Err::<(), _>(Failure::new(exit, "x")))
            }));
            assert!(result.is_err());
            calls.get()
        };
        assert_eq!(count(Exit::Unavailable), 4);
        assert_eq!(count(Exit::NotAllowed), 1);
    }
}
