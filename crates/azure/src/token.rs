//! Access tokens of Microsoft Entra: client credentials with a secret or with workload identity, and managed
//! identity.

mod cache;
mod managed;
#[cfg(test)]
mod tests;

pub use managed::ManagedIdentity;

use crate::http::{self, Client, Deadline};
use ::http::header::{ACCEPT, CONTENT_TYPE};
use ::http::{Request, Response};
use bytes::Bytes;
use cache::{Cache, Kept};
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

/// Scope for Azure Resource Manager.
pub const ARM_SCOPE: &str = "https://management.azure.com/.default";
/// Scope for Azure Storage.
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What proves that we are the client. Both are files that rotate, and both are read again for each exchange.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A file with the application's client secret.
    ClientSecretFile(PathBuf),
    /// The file that workload identity projects (`AZURE_FEDERATED_TOKEN_FILE`).
    AssertionFile(PathBuf),
}

/// Who asks whom for what.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The authority, `https://login.microsoftonline.com` unless told otherwise (`AZURE_AUTHORITY_HOST`).
    pub authority: String,
    /// Tenant id.
    pub tenant: String,
    /// The application's client id.
    pub client_id: String,
    /// The scope, such as [`ARM_SCOPE`].
    pub scope: String,
    /// Secret or assertion.
    pub proof: Proof,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the secret or the assertion cannot be read, or is empty.
    #[error("{what} {path}: {reason}")]
    Proof {
        /// Which file.
        what: &'static str,
        /// Where.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The authority is no URL.
    #[error("authority {0}: give an absolute URL, such as https://login.microsoftonline.com")]
    Authority(String),
    /// The authority refused.
    #[error(
        "token for client {client_id} of tenant {tenant}: HTTP {status} {code}; check the client id, the secret or the federated credential"
    )]
    Refused {
        /// Client id.
        client_id: String,
        /// Tenant id.
        tenant: String,
        /// HTTP status.
        status: u16,
        /// OAuth error and, where given, the AADSTS number.
        code: String,
    },
    /// The instance metadata service gave no token.
    #[error(
        "managed identity: HTTP {status} {code}; is an identity assigned to this machine, and is its client id right?"
    )]
    NoIdentity {
        /// HTTP status.
        status: u16,
        /// OAuth error.
        code: String,
    },
    /// The call did not come through.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl Error {
    /// Whether waiting may help. New federated credentials take seconds to spread and answer 400 or 401 until
    /// then, so a refusal counts as well.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::NoIdentity { .. } => true,
            Self::Http(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// A bearer token; it is wiped when dropped and never printed.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token itself, for the authorization header and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

/// Where a client's tokens come from.
#[derive(Debug)]
pub enum Credential {
    /// A secret or a federated assertion is exchanged for them.
    Exchanged(TokenSource),
    /// The machine's identity.
    Managed(ManagedIdentity),
}

impl Credential {
    /// A token that is still good.
    pub async fn token(&self, deadline: Deadline) -> Result<AccessToken, Error> {
        match self {
            Self::Exchanged(source) => source.token(deadline).await,
            Self::Managed(identity) => identity.token(deadline).await,
        }
    }

    /// Forgets the token, after the resource refused it.
    pub async fn forget(&self) {
        match self {
            Self::Exchanged(source) => source.forget().await,
            Self::Managed(identity) => identity.forget().await,
        }
    }
}

/// Exchanges proofs for tokens and keeps a token for 80 % of its life.
pub struct TokenSource {
    http: Client,
    identity: Identity,
    cached: Cache,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl TokenSource {
    /// Nothing is exchanged before the first [`TokenSource::token`].
    #[must_use]
    pub fn new(http: Client, identity: Identity) -> Self {
        Self {
            http,
            identity,
            cached: Cache::default(),
        }
    }

    /// A token that is still good; callers that come together share one exchange.
    pub async fn token(&self, deadline: Deadline) -> Result<AccessToken, Error> {
        self.cached.token(self.exchange(deadline)).await
    }

    /// Forgets the token, after the resource answered 401.
    pub async fn forget(&self) {
        self.cached.forget().await;
    }

    async fn exchange(&self, deadline: Deadline) -> Result<Kept, Error> {
        let url = token_url(&self.identity)?;
        let form = self.form().await?;
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Bytes::copy_from_slice(form.as_bytes()))
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        let answer = self.http.send(request, deadline).await?;
        let granted: Option<Granted> = serde_json::from_slice(answer.body()).ok();
        match granted {
            Some(granted) if answer.status().is_success() => Ok(Kept::new(
                AccessToken(Zeroizing::new(granted.access_token)),
                granted.expires_in,
            )),
            _ => Err(Error::Refused {
                client_id: self.identity.client_id.clone(),
                tenant: self.identity.tenant.clone(),
                status: answer.status().as_u16(),
                code: refusal(&answer),
            }),
        }
    }

    async fn form(&self) -> Result<Zeroizing<String>, Error> {
        // The file is read before the form begins: a serializer must not be held across a wait.
        let (name, proof) = match &self.identity.proof {
            Proof::ClientSecretFile(path) => ("client_secret", read("client secret file", path).await?),
            Proof::AssertionFile(path) => ("client_assertion", read("federated token file", path).await?),
        };
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &self.identity.client_id);
        form.append_pair("scope", &self.identity.scope);
        if name == "client_assertion" {
            form.append_pair("client_assertion_type", ASSERTION_TYPE);
        }
        form.append_pair(name, &proof);
        Ok(Zeroizing::new(form.finish()))
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// `invalid_client AADSTS7000215`: the description's text may hold identifiers, its number is enough.
fn refusal(answer: &Response<Bytes>) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(answer.body()) else {
        return "without a token in the answer".to_owned();
    };
    let number = refusal
        .error_description
        .split([':', ' '])
        .next()
        .unwrap_or_default();
    let number = if number.starts_with("AADSTS") { number } else { "" };
    format!("{} {number}", refusal.error).trim().to_owned()
}

fn token_url(identity: &Identity) -> Result<Url, Error> {
    let bad = || Error::Authority(http::redact(&identity.authority));
    let mut url = Url::parse(&identity.authority).map_err(|_| bad())?;
    url.path_segments_mut()
        .map_err(|()| bad())?
        .pop_if_empty()
        .extend([identity.tenant.as_str(), "oauth2", "v2.0", "token"]);
    Ok(url)
}

async fn read(what: &'static str, path: &Path) -> Result<Zeroizing<String>, Error> {
    let fail = |reason: String| Error::Proof {
        what,
        path: path.display().to_string(),
        reason,
    };
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
    let text = text.map_err(|source| fail(source.to_string()))?;
    let trimmed = Zeroizing::new(text.trim().to_owned());
    if trimmed.is_empty() {
        Err(fail("it is empty".to_owned()))
    } else {
        Ok(trimmed)
    }
}
