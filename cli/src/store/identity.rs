//! Access tokens of Microsoft Entra, by the SDK's credentials over our transport.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;
use trustbridge_azure::http::Client;

use super::credential::options;
use super::refusal;
use super::sources::Kind;
use super::transport::{Signer, Transport};
use crate::failure::{Exit, Failure};

/// The scope of blob storage.
const SCOPE: &str = "https://storage.azure.com/.default";
/// Time for one answer of a token endpoint.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for a token in all, retries included, and `az`, which is slow to start.
const TOKEN_WITHIN: Duration = Duration::from_secs(90);
/// A machine without a managed identity must not hold up the chain.
const PROBE_WITHIN: Duration = Duration::from_secs(3);
/// A token is renewed this long before it runs out.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// A credential whose tokens are kept, and which answers before a deadline.
#[derive(Debug)]
struct Kept {
    kind: Kind,
    source: Arc<dyn TokenCredential>,
    within: Duration,
    token: Mutex<Option<AccessToken>>,
}

impl Kept {
    fn new(kind: Kind, source: Arc<dyn TokenCredential>, within: Duration) -> Arc<Self> {
        Arc::new(Self {
            kind,
            source,
            within,
            token: Mutex::default(),
        })
    }
}

#[async_trait::async_trait]
impl TokenCredential for Kept {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut kept = self.token.lock().await;
        let renew_at = OffsetDateTime::now_utc() + RENEW_BEFORE;
        if let Some(token) = kept.as_ref().filter(|token| token.expires_on > renew_at) {
            return Ok(token.clone());
        }
        let asked = self.source.get_token(scopes, options);
        let token = tokio::time::timeout(self.within, asked).await.map_err(|_| {
            let (kind, seconds) = (self.kind.word(), self.within.as_secs());
            Error::with_message(
                ErrorKind::Credential,
                format!("{kind}: no token within {seconds} s"),
            )
        })??;
        Ok(kept.insert(token).clone())
    }
}

/// A service principal with a secret. The authority is `AZURE_AUTHORITY_HOST`, else Azure's public cloud.
pub(crate) fn client_secret(
    client: &Client,
    tenant: &str,
    id: String,
    secret: &str,
) -> Result<Arc<dyn TokenCredential>, Failure> {
    let own = ClientSecretCredentialOptions {
        client_options: entra(client),
    };
    let source = ClientSecretCredential::new(tenant, id, Secret::new(secret.to_owned()), Some(own))
        .map_err(|e| unusable(Kind::Environment, &e))?;
    Ok(Kept::new(Kind::Environment, source, TOKEN_WITHIN))
}

/// A Kubernetes workload identity.
pub(crate) fn workload(
    client: &Client,
    tenant: String,
    id: String,
    token_file: PathBuf,
) -> Result<Arc<dyn TokenCredential>, Failure> {
    let own = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions {
            client_options: entra(client),
        },
        client_id: Some(id),
        tenant_id: Some(tenant),
        token_file_path: Some(token_file),
    };
    let source = WorkloadIdentityCredential::new(Some(own)).map_err(|e| unusable(Kind::Workload, &e))?;
    Ok(Kept::new(Kind::Workload, source, TOKEN_WITHIN))
}

/// The first of the machine's own identities that has a token, else why each has none. A forced kind is given
/// time; otherwise a machine without a metadata service is passed by quickly.
pub(crate) async fn first(
    client: &Client,
    kinds: &[Kind],
    forced: bool,
) -> Result<(Kind, Arc<dyn TokenCredential>), Vec<(Kind, String)>> {
    let mut refused = Vec::new();
    for &kind in kinds {
        let within = if kind == Kind::Managed && !forced {
            PROBE_WITHIN
        } else {
            TOKEN_WITHIN
        };
        let token = match source(client, kind) {
            Ok(source) => Kept::new(kind, source, within),
            Err(error) => {
                refused.push((kind, refusal::reason(&error)));
                continue;
            }
        };
        match token.get_token(&[SCOPE], None).await {
            Ok(_) => return Ok((kind, token)),
            Err(error) => refused.push((kind, refusal::reason(&error))),
        }
    }
    Err(refused)
}

fn source(client: &Client, kind: Kind) -> azure_core::Result<Arc<dyn TokenCredential>> {
    if kind == Kind::Cli {
        let tools: Arc<dyn TokenCredential> = DeveloperToolsCredential::new(None)?;
        return Ok(tools);
    }
    // The metadata service has no certificate: it is a link-local address of the machine itself.
    let plain = Client::builder()
        .connect_timeout(PROBE_WITHIN)
        .allow_plain_http()
        .build()
        .unwrap_or_else(|_| client.clone());
    let own = ManagedIdentityCredentialOptions {
        client_options: entra(&plain),
        user_assigned_id: std::env::var("AZURE_CLIENT_ID")
            .ok()
            .filter(|id| !id.is_empty())
            .map(UserAssignedId::ClientId),
    };
    let managed: Arc<dyn TokenCredential> = ManagedIdentityCredential::new(Some(own))?;
    Ok(managed)
}

fn entra(client: &Client) -> azure_core::http::ClientOptions {
    options(Arc::new(Transport::new(client.clone(), Signer::None, PATIENCE)))
}

fn unusable(kind: Kind, error: &Error) -> Failure {
    let text = format!("credential {}: {}", kind.word(), refusal::reason(error));
    Failure::new(Exit::NotAllowed, text)
}
