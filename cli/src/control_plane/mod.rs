//! The provider's side of the control plane: registering assets (`PUT /api/v1/assets/{asset_id}`).

mod answer;
mod registration;

pub(crate) use registration::Registration;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use trustbridge_azure::http::{Client, Deadline};
use url::Url;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::remote::{RemoteArgs, https_url, retrying};
use crate::secret;

/// Who the provider is: a bearer token, a client certificate, or both.
#[derive(clap::Args)]
pub(crate) struct Identity {
    /// File that holds the provider's bearer token ('-': standard input).
    #[arg(long, value_name = "FILE|-", env = "TB_PROVIDER_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Client certificate chain for mutual TLS (PEM).
    #[arg(long, value_name = "FILE", env = "TB_CLIENT_CERT_PATH")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Key of --client-cert (PEM).
    #[arg(long, value_name = "FILE", env = "TB_CLIENT_KEY_PATH")]
    pub(crate) client_key: Option<PathBuf>,
}

impl Identity {
    /// Refuses half an identity, and none at all, before anything is sent.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match (&self.token_file, &self.client_cert, &self.client_key) {
            (_, Some(_), None) => Err(Failure::usage("--client-cert: needs --client-key FILE beside it")),
            (_, None, Some(_)) => Err(Failure::usage("--client-key: needs --client-cert FILE beside it")),
            (None, None, None) => Err(Failure::usage(
                "no identity for the control plane: give --token-file FILE (or TB_PROVIDER_TOKEN_FILE), or \
                 --client-cert FILE and --client-key FILE",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses files that cannot be the identity's, also before anything is sent. They are read again at their use.
    pub(crate) fn check_files(&self, remote: &RemoteArgs) -> Result<(), Failure> {
        self.check()?;
        if let Some(path) = &self.token_file {
            secret::probe("--token-file", path)?;
        }
        client(self, remote).map(drop)
    }
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The asset was new.
    Created,
    /// The control plane knew the asset and now holds exactly this.
    Known,
}

/// Times that the call is tried.
const TRIES: u32 = 4;

/// Longest single try; `--timeout` bounds all of them together.
const CALL: Duration = Duration::from_mins(1);

/// The control plane's API, as one provider uses it.
pub(crate) struct ControlPlane {
    client: Client,
    endpoint: Url,
    token: Option<Zeroizing<String>>,
    deadline: Deadline,
}

impl ControlPlane {
    /// Reads the identity's files; nothing is sent yet.
    pub(crate) fn open(endpoint: &str, identity: &Identity, remote: &RemoteArgs) -> Result<Self, Failure> {
        identity.check()?;
        let token = identity
            .token_file
            .as_deref()
            .map(|path| secret::read("--token-file", path))
            .transpose()?;
        Ok(Self {
            client: client(identity, remote)?,
            endpoint: https_url("--edc-endpoint", endpoint)?,
            token,
            deadline: remote.deadline(),
        })
    }

    /// Where an asset is registered.
    pub(crate) fn asset_url(&self, asset_id: &str) -> Url {
        asset_url(self.endpoint.clone(), asset_id)
    }

    /// Registers the asset; the same registration again changes nothing. A signal ends it.
    pub(crate) async fn register(&self, registration: &Registration<'_>) -> Result<Outcome, Failure> {
        let body = registration.to_body()?;
        let url = self.asset_url(registration.asset_id());
        tokio::select! {
            done = retrying(TRIES, || self.put(&url, &body)) => done,
            () = interrupt::requested_async() => Err(Failure::new(
                Exit::Interrupted,
                "interrupted; the control plane may know the asset by now: registering it again changes nothing",
            )),
        }
    }

    async fn put(&self, url: &Url, body: &Bytes) -> Result<Outcome, Failure> {
        let mut request = Request::put(url.as_str()).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let value = Zeroizing::new(format!("Bearer {}", token.as_str()));
            request = request.header(AUTHORIZATION, value.as_str());
        }
        // The text of the error could hold the header's value.
        let request = request.body(body.clone()).map_err(|_| {
            Failure::usage("--token-file: the token cannot stand in a header; it must be one line of ASCII")
        })?;
        let deadline = Deadline::after(CALL).min(self.deadline);
        let sent = self.client.send(request, deadline).await;
        answer::judge(url.as_str(), &sent.map_err(answer::unsent)?)
    }
}

fn asset_url(mut endpoint: Url, asset_id: &str) -> Url {
    if let Ok(mut segments) = endpoint.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "v1", "assets", asset_id]);
    }
    endpoint
}

fn client(identity: &Identity, remote: &RemoteArgs) -> Result<Client, Failure> {
    let mut builder = Client::builder();
    if let Some(path) = &remote.ca_file {
        builder = builder.ca_file(path);
    }
    if let (Some(cert), Some(key)) = (&identity.client_cert, &identity.client_key) {
        builder = builder.client_certificate(cert, key);
    }
    builder
        .build()
        .map_err(|e| Failure::new(Exit::Usage, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn identity(token: bool, cert: bool, key: bool) -> Identity {
        let file = |wanted: bool| wanted.then(|| Path::new("f").to_owned());
        Identity {
            token_file: file(token),
            client_cert: file(cert),
            client_key: file(key),
        }
    }

    #[test]
    fn a_token_or_a_whole_certificate_is_needed() {
        for (token, cert, key, right) in [
            (true, false, false, true),
            (false, true, true, true),
            (true, true, true, true),
            (false, false, false, false),
            (true, true, false, false),
            (false, false, true, false),
        ] {
            let checked = identity(token, cert, key).check();
            assert_eq!(checked.is_ok(), right, "{token} {cert} {key}");
            assert!(checked.err().is_none_or(|e| e.exit == Exit::Usage));
        }
    }

    #[test]
    fn the_asset_is_put_below_the_endpoint() {
        let below = asset_url(Url::parse("https://edc.example/base/").unwrap(), "tb-1");
        assert_eq!(below.as_str(), "https://edc.example/base/api/v1/assets/tb-1");
    }
}
