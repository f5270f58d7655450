//! Where a credential may come from: a flag, the environment, the machine. Reading, and one decision.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use url::Url;
use zeroize::Zeroizing;

use super::credential::CredentialArgs;
use super::place;
use super::sas::{ConnectionSecret, ConnectionString, query_string};
use crate::failure::{Exit, Failure};
use crate::secret;

/// The kinds of credential, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A shared access signature.
    Sas,
    /// A storage connection string.
    ConnectionString,
    /// The account's key.
    AccountKey,
    /// A service principal's secret in `AZURE_CLIENT_SECRET`.
    Environment,
    /// A Kubernetes workload identity.
    Workload,
    /// The managed identity of this machine.
    Managed,
    /// Whoever is logged in to `az`, else to `azd`.
    Cli,
}

const ORDER: [Kind; 7] = [
    Kind::Sas,
    Kind::ConnectionString,
    Kind::AccountKey,
    Kind::Environment,
    Kind::Workload,
    Kind::Managed,
    Kind::Cli,
];

impl Kind {
    /// Its name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sas => "sas",
            Self::ConnectionString => "connection-string",
            Self::AccountKey => "account-key",
            Self::Environment => "environment",
            Self::Workload => "workload",
            Self::Managed => "managed",
            Self::Cli => "cli",
        }
    }

    fn is_token(self) -> bool {
        matches!(
            self,
            Self::Environment | Self::Workload | Self::Managed | Self::Cli
        )
    }
}

/// What was decided.
pub(crate) enum Choice {
    Sas(Zeroizing<String>),
    Key {
        account: String,
        key: Zeroizing<String>,
    },
    ClientSecret {
        tenant: String,
        client: String,
        secret: Zeroizing<String>,
    },
    Workload {
        tenant: String,
        client: String,
        token_file: PathBuf,
    },
    /// Nothing is configured: these may still have a token. With why the others were not used.
    Ask {
        kinds: Vec<Kind>,
        forced: bool,
        missing: Vec<(Kind, String)>,
    },
}

/// One kind's answer.
enum Finding {
    Here(Choice),
    Missing(String),
    /// Only asking it will tell.
    Ask,
}

/// A variable of the environment; one that is not Unicode counts as not set.
pub(crate) fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Decides which credential is used for `url`. `env` reads a variable of the environment.
pub(crate) fn choose(
    args: &CredentialArgs,
    url: &Url,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Choice, Failure> {
    let forced = forced(args)?;
    let kinds = forced.map_or(ORDER.to_vec(), |kind| vec![kind]);
    let (mut asked, mut missing) = (Vec::new(), Vec::new());
    for kind in kinds {
        if forced.is_none() && !place::is_azure(url) && (kind.is_token() || kind == Kind::Sas) {
            missing.push((kind, not_sent(kind, url)));
            continue;
        }
        match find(kind, args, url, env)? {
            Finding::Here(choice) => return Ok(choice),
            Finding::Missing(why) => missing.push((kind, why)),
            Finding::Ask => asked.push(kind),
        }
    }
    Ok(Choice::Ask {
        kinds: asked,
        forced: forced.is_some(),
        missing,
    })
}

/// Why a secret that whoever holds it can use is not sent: a URL may come from anybody. A connection string names its
/// host itself.
fn not_sent(kind: Kind, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let what = if kind == Kind::Sas {
        "no --sas-file; a SAS of the environment"
    } else {
        "a token"
    };
    format!(
        "{host} is not a host of Azure's storage; {what} goes there only with --credential {}",
        kind.word()
    )
}

/// The kind that a flag names; flags beat the environment.
pub(super) fn forced(args: &CredentialArgs) -> Result<Option<Kind>, Failure> {
    let by_file = [
        (Kind::Sas, "--sas-file", args.sas_file.is_some()),
        (
            Kind::ConnectionString,
            "--connection-string-file",
            args.connection_string_file.is_some(),
        ),
        (
            Kind::AccountKey,
            "--account-key-file",
            args.account_key_file.is_some(),
        ),
    ];
    let given = by_file.into_iter().find(|(.., given)| *given);
    match (args.credential, given) {
        (Some(kind), Some((other, flag, _))) if kind != other => Err(Failure::usage(format!(
            "--credential {}: {flag} gives another one; leave one of them out",
            kind.word()
        ))),
        (Some(kind), _) => Ok(Some(kind)),
        (None, given) => Ok(given.map(|(kind, ..)| kind)),
    }
}

fn find(
    kind: Kind,
    args: &CredentialArgs,
    url: &Url,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Finding, Failure> {
    let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let missing = |why: &str| Ok(Finding::Missing(why.to_owned()));
    match kind {
        Kind::Sas => {
            let source = text("--sas-file", args.sas_file.as_deref(), "TB_BLOB_SAS", &set)?;
            let Some((source, sas)) = source else {
                return missing("no --sas-file, TB_BLOB_SAS_FILE or TB_BLOB_SAS");
            };
            Ok(Finding::Here(Choice::Sas(query_string(&source, &sas)?)))
        }
        Kind::ConnectionString => {
            let flag = "--connection-string-file";
            let file = args.connection_string_file.as_deref();
            match text(flag, file, "AZURE_STORAGE_CONNECTION_STRING", &set)? {
                Some((source, string)) => connection_string(&source, &string, url).map(Finding::Here),
                None => missing("no --connection-string-file or AZURE_STORAGE_CONNECTION_STRING"),
            }
        }
        Kind::AccountKey => match &args.account_key_file {
            None => missing("no --account-key-file"),
            Some(path) => Ok(Finding::Here(Choice::Key {
                account: args
                    .account
                    .clone()
                    .unwrap_or_else(|| place::account(url).to_owned()),
                key: secret::read("--account-key-file", path)?,
            })),
        },
        Kind::Environment => Ok(environment(&set)),
        Kind::Workload => Ok(workload(&set)),
        Kind::Managed | Kind::Cli => Ok(Finding::Ask),
    }
}

/// A secret from the flag's file, else from the file that `<variable>_FILE` names, else from the variable; with
/// the name of where it was.
fn text(
    flag: &str,
    file: Option<&Path>,
    variable: &str,
    set: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(String, Zeroizing<String>)>, Failure> {
    if let Some(path) = file {
        return Ok(Some((flag.to_owned(), secret::read(flag, path)?)));
    }
    let file_variable = format!("{variable}_FILE");
    if let Some(path) = set(&file_variable) {
        let secret = secret::read(&file_variable, Path::new(&path))?;
        return Ok(Some((file_variable, secret)));
    }
    Ok(set(variable).map(|value| (variable.to_owned(), Zeroizing::new(value))))
}

fn connection_string(source: &str, string: &str, url: &Url) -> Result<Choice, Failure> {
    let parsed = ConnectionString::parse(source, string)?;
    if !parsed.is_for(url) {
        let (own, asked) = (&parsed.endpoint, url.host_str().unwrap_or_default());
        return Err(Failure::new(
            Exit::NotAllowed,
            format!(
                "{source}: the connection string is for {}{} and signs nothing for {asked}; give the one of that account",
                own.host_str().unwrap_or_default(),
                own.path().trim_end_matches('/'),
            ),
        ));
    }
    Ok(match parsed.secret {
        ConnectionSecret::Sas(sas) => Choice::Sas(sas),
        ConnectionSecret::Key { account, key } => Choice::Key { account, key },
    })
}

fn environment(set: &dyn Fn(&str) -> Option<String>) -> Finding {
    let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
    match names.map(set) {
        [Some(tenant), Some(client), Some(secret)] => Finding::Here(Choice::ClientSecret {
            tenant,
            client,
            secret: Zeroizing::new(secret),
        }),
        _ => unset(&names, set),
    }
}

fn workload(set: &dyn Fn(&str) -> Option<String>) -> Finding {
    let names = ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
    match names.map(set) {
        [Some(file), Some(tenant), Some(client)] => Finding::Here(Choice::Workload {
            tenant,
            client,
            token_file: PathBuf::from(file),
        }),
        _ => unset(&names, set),
    }
}

fn unset(names: &[&str], set: &dyn Fn(&str) -> Option<String>) -> Finding {
    let absent: Vec<&str> = names.iter().copied().filter(|name| set(name).is_none()).collect();
    Finding::Missing(format!("{} not set", absent.join(", ")))
}

#[cfg(test)]
mod tests;
