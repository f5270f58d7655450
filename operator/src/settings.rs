//! Flags and environment, and what decisions read of them.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Reconciles every kind of trustbridge.io.
#[derive(Debug, Parser)]
#[command(name = "trustbridge-operator", version)]
pub struct Cli {
    /// What to do; reconciling unless told otherwise.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the operator.
    #[command(flatten)]
    pub flags: Flags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints the rights that the operator needs, as a JSON list.
    Rbac,
}

/// Where GPU nodes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// AKS agent pools over ARM.
    Aks,
    /// Nodes that are there, by label.
    Static,
    /// Karpenter's `NodePools` with `AKSNodeClasses`, in the operator's own cluster.
    Karpenter,
}

/// Where Karpenter may look for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlacementScope {
    /// In the region, without a zone.
    Regional,
    /// In a zone.
    Zonal,
}

impl PlacementScope {
    /// The value of Karpenter's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regional => "regional",
            Self::Zonal => "zonal",
        }
    }
}

/// What Karpenter's pools are made by.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_field_names)] // The flags are called so.
pub struct Karpenter {
    /// Image family of the `AKSNodeClasses`.
    #[arg(long, env = "TB_KARPENTER_IMAGE_FAMILY", default_value = "Ubuntu2204")]
    pub karpenter_image_family: String,
    /// Size of the system disk in GB (10^9 bytes).
    #[arg(long, env = "TB_KARPENTER_OS_DISK_GB", default_value_t = 300, value_parser = clap::value_parser!(u32).range(100..=4096))]
    pub karpenter_os_disk_gb: u32,
    /// Where to look for a machine; unset leaves it to Karpenter. GPU sizes are often to be had in the region and in
    /// none of its zones.
    #[arg(long, env = "TB_KARPENTER_PLACEMENT_SCOPE", value_enum)]
    pub karpenter_placement_scope: Option<PlacementScope>,
}

/// Flags of the operator; nearly each is also an environment variable.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Namespace of the operator itself: its lease lies there.
    #[arg(long, env = "TB_NAMESPACE", default_value = "trustbridge-system")]
    pub namespace: String,
    /// Name in the leader election; the host name when unset. Two operators must not share one.
    #[arg(long, env = "TB_IDENTITY")]
    pub identity: Option<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "TB_ADMIN_ADDR", default_value = "0.0.0.0:8080")]
    pub admin_addr: SocketAddr,
    /// Logs as text for people instead of JSON lines.
    #[arg(long, env = "TB_LOG_TEXT")]
    pub log_text: bool,
    /// More certificate authorities (PEM) for control planes, ARM and blob stores; copied to protected namespaces.
    #[arg(long, env = "TB_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Where GPU nodes come from.
    #[arg(long, env = "TB_NODE_POOL_PROVIDER", value_enum, default_value = "aks")]
    pub node_pool_provider: Provider,
    /// Label (key=value) of the nodes that the static provider uses; may be repeated.
    #[arg(long = "static-node-label", env = "TB_STATIC_NODE_LABELS", value_delimiter = ',', value_parser = key_value, default_value = "trustbridge.io/gpu=true")]
    pub static_node_labels: Vec<(String, String)>,
    /// Label (key=value) of the nodes of every pool that is made, besides the operator's own; may be repeated.
    #[arg(long = "pool-node-label", env = "TB_POOL_NODE_LABELS", value_delimiter = ',', value_parser = key_value)]
    pub pool_node_labels: Vec<(String, String)>,
    /// Entry of the NVIDIA device plug-in's configuration that pools of one GPU name in the label
    /// `nvidia.com/device-plugin.config`; unset leaves it to the plug-in.
    #[arg(long, env = "TB_DEVICE_PLUGIN_CONFIG")]
    pub device_plugin_config: Option<String>,
    /// Longest pause before a refused node pool is asked for again, in seconds; unset leaves it to the kind of refusal.
    #[arg(long, env = "TB_POOL_RETRY_CAP_SECONDS")]
    pub pool_retry_cap_seconds: Option<u64>,
    /// A node pool counts as gone when it was seen as absent twice, so many seconds apart: a request whose answer was
    /// lost may arrive in between.
    #[arg(long, env = "TB_POOL_SECOND_LOOK_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub pool_second_look_seconds: u64,
    /// How often all tagged node pools are looked at for such as came into being after their end was attested, in seconds.
    #[arg(long, env = "TB_POOL_SWEEP_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub pool_sweep_seconds: u64,
    /// So long a bearer token goes on being accepted after a new one took its place, in seconds.
    #[arg(long, env = "TB_TOKEN_OVERLAP_SECONDS", default_value_t = 600)]
    pub token_overlap_seconds: u64,
    /// Access to ARM.
    #[command(flatten)]
    pub arm: Arm,
    /// What Karpenter's pools are made by.
    #[command(flatten)]
    pub karpenter: Karpenter,
    /// What pods of protected models are like.
    #[command(flatten)]
    pub pods: Pods,
}

/// Access to ARM.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_field_names)] // The flags are called so.
pub struct Arm {
    /// Root of Azure Resource Manager.
    #[arg(long, env = "TB_ARM_ENDPOINT", default_value = "https://management.azure.com")]
    pub arm_endpoint: String,
    /// The token authority.
    #[arg(
        long,
        env = "TB_ARM_AUTHORITY",
        default_value = "https://login.microsoftonline.com"
    )]
    pub arm_authority: String,
    /// Tenant id.
    #[arg(long, env = "TB_ARM_TENANT", default_value = "")]
    pub arm_tenant: String,
    /// Client id of the operator's identity.
    #[arg(long, env = "TB_ARM_CLIENT_ID", default_value = "")]
    pub arm_client_id: String,
    /// File with the client secret; unset takes workload identity's token file.
    #[arg(long, env = "TB_ARM_CLIENT_SECRET_FILE")]
    pub arm_client_secret_file: Option<PathBuf>,
    /// File with the workload identity token.
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE")]
    pub arm_federated_token_file: Option<PathBuf>,
    /// Subscription id.
    #[arg(long, env = "TB_ARM_SUBSCRIPTION", default_value = "")]
    pub arm_subscription: String,
    /// Resource group of the cluster.
    #[arg(long, env = "TB_ARM_RESOURCE_GROUP", default_value = "")]
    pub arm_resource_group: String,
    /// The managed cluster's name.
    #[arg(long, env = "TB_ARM_CLUSTER", default_value = "")]
    pub arm_cluster: String,
    /// API version of agent pools.
    #[arg(long, env = "TB_ARM_API_VERSION", default_value = "2026-07-01")]
    pub arm_api_version: String,
}

/// What pods of protected models are like.
#[derive(Clone, Debug, Args)]
pub struct Pods {
    /// Image of the model server where an order names none.
    #[arg(
        long,
        env = "TB_RUNTIME_IMAGE",
        default_value = "localhost/trustbridge-double:dev"
    )]
    pub runtime_image: String,
    /// Argument of the model server where an order names none; may be repeated. Unset leaves it to the image.
    #[arg(long = "runtime-arg", allow_hyphen_values = true)]
    pub runtime_args: Vec<String>,
    /// Memory of the model server where an order names none.
    #[arg(long, env = "TB_RUNTIME_MEMORY", default_value = "512Mi")]
    pub runtime_memory: String,
    /// TCP port outside the cluster that protected pods may reach (control plane, blob store); may be repeated.
    #[arg(
        long = "egress-port",
        env = "TB_EGRESS_PORTS",
        value_delimiter = ',',
        default_value = "443"
    )]
    pub egress_ports: Vec<u16>,
    /// Address range of the cluster's pods, Services and nodes, which protected pods must not reach; may be repeated.
    #[arg(
        long = "cluster-cidr",
        env = "TB_CLUSTER_CIDRS",
        value_delimiter = ',',
        default_value = "10.244.0.0/16,10.96.0.0/16"
    )]
    pub cluster_cidrs: Vec<String>,
    /// ClusterRole that members of an organisation get in its namespace.
    #[arg(long, env = "TB_BUYER_ROLE", default_value = "trustbridge-buyer")]
    pub buyer_role: String,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.ok_or_else(|| format!("'{text}' must be key=value, e.g. trustbridge.io/gpu=true"))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// What decisions read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What pods of protected models are like.
    pub pods: Pods,
    /// Certificate authorities, PEM.
    pub ca_bundle: Option<String>,
    /// Longest pause before a refused node pool is asked for again.
    pub pool_retry_cap: Option<Duration>,
    /// Time between two looks that find no node pool; `None` believes the first, which nothing but a test asks for.
    pub second_look: Option<Duration>,
    /// Time between two looks at all tagged node pools.
    pub pool_sweep: Duration,
    /// So long a token is accepted after a new one took its place.
    pub token_overlap: Duration,
    /// The operator's own namespace.
    pub namespace: String,
}

impl Settings {
    /// Settings of `flags`, with the CA file read.
    pub fn load(flags: &Flags) -> std::io::Result<Self> {
        Ok(Self {
            pods: flags.pods.clone(),
            ca_bundle: flags.ca_file.as_ref().map(std::fs::read_to_string).transpose()?,
            pool_retry_cap: flags.pool_retry_cap_seconds.map(Duration::from_secs),
            second_look: Some(Duration::from_secs(flags.pool_second_look_seconds)),
            pool_sweep: Duration::from_secs(flags.pool_sweep_seconds),
            token_overlap: Duration::from_secs(flags.token_overlap_seconds),
            namespace: flags.namespace.clone(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn settings() -> Settings {
        let cli = Cli::parse_from(["trustbridge-operator"]);
        Settings::load(&cli.flags).unwrap()
    }

    #[test]
    fn every_flag_has_a_default_that_parses() {
        let settings = settings();
        assert_eq!(settings.pods.egress_ports, [443]);
        assert_eq!(settings.pods.cluster_cidrs.len(), 2);
    }

    #[test]
    fn arguments_of_the_model_server_are_taken_as_they_are() {
        assert!(settings().pods.runtime_args.is_empty(), "the image has its own");
        let given = [
            "trustbridge-operator",
            "--runtime-arg=--lora-modules=a,b",
            "--runtime-arg=--port",
        ];
        let cli = Cli::parse_from(given);
        assert_eq!(cli.flags.pods.runtime_args, ["--lora-modules=a,b", "--port"]);
    }

    #[test]
    fn labels_must_be_pairs() {
        assert!(key_value("a=b").is_ok());
        assert!(key_value("a").unwrap_err().contains("key=value"));
    }
}
