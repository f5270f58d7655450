//! Flags and environment of the program.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Admission webhooks of TrustBridge.
#[derive(Debug, Parser)]
#[command(name = "trustbridge-webhook", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the webhooks.
    Serve(Serve),
    /// Check an installation; `helm test` runs it.
    Check(Place),
}

/// Where the webhook lives.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Namespace of the installation.
    #[arg(long, env = "TB_NAMESPACE", default_value = "trustbridge-system")]
    pub(crate) namespace: String,
    /// Name of the Service in front of the webhook.
    #[arg(long, env = "TB_WEBHOOK_SERVICE", default_value = "trustbridge-webhook")]
    pub(crate) service: String,
    /// Name of the mutating and of the validating webhook configuration.
    #[arg(long, env = "TB_WEBHOOK_CONFIGURATION", default_value = "trustbridge")]
    pub(crate) configuration: String,
}

/// How the webhooks are served.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the webhook lives.
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address of the webhooks, TLS.
    #[arg(long, env = "TB_WEBHOOK_ADDR", default_value = "0.0.0.0:8443")]
    pub(crate) listen: SocketAddr,
    /// Address of probes and metrics.
    #[arg(long, env = "TB_HEALTH_ADDR", default_value = "0.0.0.0:8080")]
    pub(crate) health_listen: SocketAddr,
    /// Secret that holds the certificates; made if it is missing.
    #[arg(long, env = "TB_WEBHOOK_SECRET", default_value = "trustbridge-webhook-tls")]
    pub(crate) secret: String,
    /// Folder with `tls.crt` and `tls.key` that cert-manager keeps; no certificate is made and no caBundle written then.
    #[arg(long = "tls-dir", env = "TB_WEBHOOK_TLS_DIR")]
    pub(crate) tls_folder: Option<PathBuf>,
    /// JSON file with the settings of the injected sentinel.
    #[arg(
        long,
        env = "TB_SENTINEL_SETTINGS",
        default_value = "/etc/trustbridge/sentinel.json"
    )]
    pub(crate) sentinel_settings: PathBuf,
    /// User that may make protected pods; repeat or separate by commas.
    #[arg(
        long = "pod-creator",
        env = "TB_POD_CREATORS",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) pod_creators: Vec<String>,
    /// Log for people instead of JSON lines. `RUST_LOG` chooses what is logged.
    #[arg(long, env = "TB_LOG_TEXT")]
    pub(crate) log_text: bool,
}
