//! The credential that a command uses, and the SDK's options that carry it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::{self as sdk, ClientOptions, HttpClient};
use trustbridge_azure::blob::{SERVICE_VERSION, SharedKey};
use trustbridge_azure::http::Client;
use url::Url;

use super::identity;
use super::retry;
use super::sas::Terms;
use super::sources::{Choice, Kind, choose, forced, from_environment};
use super::transport::{Signer, Transport};
use crate::failure::{Exit, Failure};
use crate::secret;

/// Which credential opens the storage account.
///
/// Without a flag the first of these is used that is there: a SAS, a connection string, a service principal, a
/// workload identity, the machine's managed identity, the Azure CLI's login.
#[derive(clap::Args, Default)]
#[allow(
    clippy::doc_markdown,
    reason = "these are the help texts, where back ticks would be shown"
)]
pub(crate) struct CredentialArgs {
    /// Use this kind of credential and no other [default: the first that is there].
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) credential: Option<Kind>,
    /// File that holds a SAS ('-': standard input) [env: TB_BLOB_SAS_FILE; the SAS itself: TB_BLOB_SAS; for hosts that
    /// are not Azure's only with --credential sas].
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["connection_string_file", "account_key_file"])]
    pub(crate) sas_file: Option<PathBuf>,
    /// File that holds a storage connection string ('-': standard input) [env:
    /// AZURE_STORAGE_CONNECTION_STRING_FILE; the string itself: AZURE_STORAGE_CONNECTION_STRING].
    #[arg(long, value_name = "FILE|-", conflicts_with = "account_key_file")]
    pub(crate) connection_string_file: Option<PathBuf>,
    /// File that holds the account's key ('-': standard input).
    #[arg(long, value_name = "FILE|-")]
    pub(crate) account_key_file: Option<PathBuf>,
    /// The account of the key [default: from the URL].
    #[arg(long, value_name = "NAME", requires = "account_key_file")]
    pub(crate) account: Option<String>,
}

impl CredentialArgs {
    /// Refuses what cannot open `url`, as far as that can be seen without asking anybody. Files are read again at
    /// their use.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Failure> {
        forced(self)?;
        let files = [
            ("--sas-file", &self.sas_file),
            ("--connection-string-file", &self.connection_string_file),
            ("--account-key-file", &self.account_key_file),
        ];
        for (flag, path) in files {
            if let Some(path) = path {
                return secret::probe(flag, path);
            }
        }
        // A file that a variable names may be a pipe, too.
        let named_by_variable = ["TB_BLOB_SAS_FILE", "AZURE_STORAGE_CONNECTION_STRING_FILE"];
        if named_by_variable
            .iter()
            .any(|name| from_environment(name).is_some())
        {
            return Ok(());
        }
        match choose(self, url, &from_environment)? {
            Choice::Ask { kinds, missing, .. } if kinds.is_empty() => Err(nothing_there(url, &missing, &[])),
            _ => Ok(()),
        }
    }
}

/// Time for a request to the store whose bodies are short.
const PATIENCE: Duration = Duration::from_mins(1);

/// How requests to one account are signed and sent.
#[derive(Clone)]
pub(crate) struct Access {
    transport: Arc<Transport>,
    token: Option<Arc<dyn TokenCredential>>,
    /// What the SAS says, where there is one that we did not make.
    pub(crate) terms: Option<Terms>,
    /// What to call it in an error.
    pub(crate) name: &'static str,
}

impl Access {
    /// The credential for `url`, by flags, environment and machine.
    pub(crate) async fn find(args: &CredentialArgs, url: &Url, client: &Client) -> Result<Self, Failure> {
        Self::of(choose(args, url, &from_environment)?, url, client).await
    }

    /// The credential that was chosen for `url`.
    pub(crate) async fn of(choice: Choice, url: &Url, client: &Client) -> Result<Self, Failure> {
        match choice {
            Choice::Sas(sas) => Ok(Self::sas(client, sas)),
            Choice::Key { account, key } => {
                let key =
                    SharedKey::from_base64(&account, &key).map_err(|e| Failure::usage(e.to_string()))?;
                Ok(Self::new(client, Signer::Key(key), "account key"))
            }
            Choice::ClientSecret {
                tenant,
                client: id,
                secret,
            } => {
                let token = identity::client_secret(client, &tenant, id, &secret)?;
                Ok(Self::token(client, token, Kind::Environment))
            }
            Choice::Workload {
                tenant,
                client: id,
                token_file,
            } => {
                let token = identity::workload(client, tenant, id, token_file)?;
                Ok(Self::token(client, token, Kind::Workload))
            }
            Choice::Ask {
                kinds,
                forced,
                missing,
            } => match identity::first(client, &kinds, forced).await {
                Ok((kind, token)) => Ok(Self::token(client, token, kind)),
                Err(refused) => Err(nothing_there(url, &missing, &refused)),
            },
        }
    }

    /// A SAS that the caller has.
    pub(crate) fn sas(client: &Client, sas: zeroize::Zeroizing<String>) -> Self {
        let terms = Terms::parse(&sas);
        Self {
            terms: Some(terms),
            ..Self::new(client, Signer::Sas(sas), "SAS")
        }
    }

    /// No credential at all.
    pub(crate) fn anonymous(client: &Client) -> Self {
        Self::new(client, Signer::None, "no credential")
    }

    fn token(client: &Client, token: Arc<dyn TokenCredential>, kind: Kind) -> Self {
        Self {
            token: Some(token),
            ..Self::new(client, Signer::None, kind.word())
        }
    }

    fn new(client: &Client, signer: Signer, name: &'static str) -> Self {
        Self {
            transport: Arc::new(Transport::new(client.clone(), signer, PATIENCE)),
            token: None,
            terms: None,
            name,
        }
    }

    /// The bearer token's source, for the SDK's clients.
    pub(crate) fn token_credential(&self) -> Option<Arc<dyn TokenCredential>> {
        self.token.clone()
    }

    /// The SDK's options: our transport, our retries.
    pub(crate) fn options(&self) -> ClientOptions {
        options(self.transport.clone())
    }

    /// The service version of every request: that of the SAS format that we write.
    pub(crate) fn version() -> String {
        SERVICE_VERSION.to_owned()
    }
}

/// Options for one of the SDK's clients on `transport`.
pub(crate) fn options(transport: Arc<dyn HttpClient>) -> ClientOptions {
    ClientOptions {
        retry: retry::options(),
        transport: Some(sdk::Transport::new(transport)),
        ..ClientOptions::default()
    }
}

fn nothing_there(url: &Url, missing: &[(Kind, String)], refused: &[(Kind, String)]) -> Failure {
    let each = missing.iter().chain(refused);
    let each: Vec<String> = each
        .map(|(kind, why)| format!("{}: {why}", kind.word()))
        .collect();
    let host = url.host_str().unwrap_or_default();
    Failure::new(
        Exit::NotAllowed,
        format!(
            "no credential for {host}; give --sas-file FILE, or one of the others:\n  {}",
            each.join("\n  ")
        ),
    )
}
