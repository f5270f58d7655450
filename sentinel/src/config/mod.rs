//! The settings: every `TB_*` variable, read once, judged before anything else happens.

mod known;
mod lease;
mod metering;
mod read;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::billing::Term;
use read::Reader;

/// Where the kubelet looks for a termination message, unless the pod says otherwise.
pub(crate) const TERMINATION_LOG: &str = "/dev/termination-log";

/// Where the audit log lies, unless `TB_AUDIT_PATH` says otherwise: nothing is served without one.
const AUDIT_LOG: &str = "/var/log/trustbridge/audit.jsonl";

/// How plaintext reaches the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryMode {
    /// A FIFO for each file of weights.
    Fifo,
    /// A file in memory for each file of weights, for runtimes that map or seek.
    RamFile,
}

/// Where the runtime listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeTarget {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Where evidence for the control plane comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attestation {
    /// None is sent.
    None,
    /// The content of a file, read at each authorisation.
    File(PathBuf),
    /// What a program prints, run at each authorisation; program and arguments.
    Exec(Vec<String>),
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertPair {
    /// The chain.
    pub(crate) cert: PathBuf,
    /// The key.
    pub(crate) key: PathBuf,
}

/// Reporting to the metering service from this machine, without an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnMeter {
    /// The service.
    pub(crate) url: String,
    /// Against what usage is reported.
    pub(crate) resource: String,
    /// The purchased plan.
    pub(crate) plan: String,
    /// Which counters make which dimension.
    pub(crate) dimensions: Vec<Term>,
    /// A user-assigned identity; without one, the machine's own.
    pub(crate) client_id: Option<String>,
    /// Workload identity, in place of the machine's.
    pub(crate) federated: Option<Federated>,
}

/// Workload identity, by the variables that Azure's own libraries read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Federated {
    /// `AZURE_AUTHORITY_HOST`.
    pub(crate) authority: String,
    /// `AZURE_TENANT_ID`.
    pub(crate) tenant: String,
    /// `AZURE_CLIENT_ID`.
    pub(crate) client_id: String,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub(crate) token_file: PathBuf,
}

/// The Lease that is renewed as a sign of life, and what that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseSettings {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// The API server, `https://HOST:PORT`.
    pub(crate) server: String,
    /// File with the token by which the API server knows this pod; the kubelet writes a new one in time.
    pub(crate) token_path: PathBuf,
    /// File with the authorities of the API server's certificate.
    pub(crate) ca_path: PathBuf,
}

/// One client path that the proxy lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedPath {
    /// The method; without one GET and POST pass.
    pub(crate) method: Option<http::Method>,
    /// The exact path.
    pub(crate) path: String,
}

/// The settings of mode `serve`.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) contract_id: String,
    pub(crate) asset_id: String,
    pub(crate) edc_endpoint: String,
    pub(crate) target_dir: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) model_dir: PathBuf,
    pub(crate) pipe_path: PathBuf,
    pub(crate) ready_signal: PathBuf,
    pub(crate) delivery: DeliveryMode,
    pub(crate) runtime: RuntimeTarget,
    pub(crate) public_addr: SocketAddr,
    pub(crate) admin_addr: SocketAddr,
    pub(crate) public_tls: Option<CertPair>,
    pub(crate) ca_path: Option<PathBuf>,
    pub(crate) client_cert: Option<CertPair>,
    pub(crate) download_concurrency: usize,
    pub(crate) download_chunk_bytes: u64,
    /// A transfer without a byte for so long is given up and tried again.
    pub(crate) download_idle: Duration,
    /// Clocks of control plane and node may differ by this much: so long after `expires_at` serving goes on.
    pub(crate) expiry_grace: Duration,
    pub(crate) manifest_sha256: Option<String>,
    pub(crate) attestation: Attestation,
    pub(crate) node_name: Option<String>,
    /// UID of the pod, by which the webhook says that this is Kubernetes; a machine of its own has none.
    pub(crate) pod_uid: Option<String>,
    pub(crate) tokens_path: Option<PathBuf>,
    pub(crate) proxy_allow: Vec<AllowedPath>,
    pub(crate) audit_path: PathBuf,
    pub(crate) termination_log: PathBuf,
    pub(crate) usage_interval: Duration,
    pub(crate) own_meter: Option<OwnMeter>,
    /// `None`: nobody waits for a sign of life, as on a machine of its own.
    pub(crate) lease: Option<LeaseSettings>,
    pub(crate) log_level: String,
}

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value}: {rule}; {next}")]
pub(crate) struct Problem {
    /// The variable.
    pub(crate) field: &'static str,
    /// What it holds, or `(not set)`.
    pub(crate) value: String,
    /// What it must be.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) next: String,
}

/// The settings, and names that were given but mean nothing.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// `TB_*` variables that nobody reads: most often a typing error.
    pub(crate) unknown: Vec<String>,
}

impl Config {
    /// Reads the variables; all problems are named at once.
    pub(crate) fn load(vars: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Vec<Problem>> {
        let mut r = Reader::new(vars);
        let target_dir = r.path("TB_TARGET_DIR", "/mnt/resource/trustbridge");
        let pipe_path = r.path("TB_PIPE_PATH", "/dev/shm/model-pipe");
        let model_dir = r.path_or("TB_MODEL_DIR", || pipe_path.with_file_name("model"));
        let config = Self {
            contract_id: r.required("TB_CONTRACT_ID", "the contract's id, from Order.spec.contractId"),
            asset_id: r.asset_id("TB_ASSET_ID"),
            edc_endpoint: r.https_url("TB_EDC_ENDPOINT"),
            state_dir: r.path_or("TB_STATE_DIR", || target_dir.clone()),
            ready_signal: r.path("TB_READY_SIGNAL", "/dev/shm/weights/ready.signal"),
            delivery: r.delivery("TB_DELIVERY"),
            runtime: r.runtime("TB_RUNTIME_URL", "http://127.0.0.1:8081"),
            public_addr: r.address("TB_PUBLIC_ADDR", "0.0.0.0:8000"),
            admin_addr: r.address("TB_ADMIN_ADDR", "0.0.0.0:8001"),
            public_tls: r.pair("TB_TLS_CERT_PATH", "TB_TLS_KEY_PATH"),
            ca_path: r.optional_path("TB_CA_PATH"),
            client_cert: r.pair("TB_CLIENT_CERT_PATH", "TB_CLIENT_KEY_PATH"),
            download_concurrency: usize::try_from(r.number("TB_DOWNLOAD_CONCURRENCY", 4, 1..=64))
                .unwrap_or(4),
            download_chunk_bytes: r.number("TB_DOWNLOAD_CHUNK_BYTES", 8 << 20, (64 << 10)..=(256 << 20)),
            download_idle: Duration::from_secs(r.number("TB_DOWNLOAD_IDLE_SECONDS", 20, 1..=600)),
            expiry_grace: Duration::from_secs(r.number("TB_EXPIRY_GRACE_SECONDS", 60, 1..=3600)),
            manifest_sha256: r.sha256("TB_MANIFEST_SHA256"),
            attestation: r.attestation("TB_ATTESTATION"),
            node_name: r.optional("TB_NODE_NAME"),
            pod_uid: r.optional("TB_POD_UID"),
            tokens_path: r.optional_path("TB_TOKENS_PATH"),
            proxy_allow: r.allow_list("TB_PROXY_ALLOW"),
            audit_path: r.path("TB_AUDIT_PATH", AUDIT_LOG),
            termination_log: r.path("TB_TERMINATION_LOG", TERMINATION_LOG),
            usage_interval: Duration::from_secs(r.number("TB_USAGE_INTERVAL_SECONDS", 60, 1..=3600)),
            own_meter: r.own_meter(),
            lease: r.lease(),
            log_level: r.log_level("TB_LOG_LEVEL"),
            target_dir,
            model_dir,
            pipe_path,
        };
        r.not_used_by_serve();
        config.check_places(&mut r);
        config.check_folders(&mut r);
        r.finish().map(|unknown| Loaded { config, unknown })
    }

    /// Plaintext and ciphertext must not share a place: what is cleared at boot is plaintext only, and what
    /// lies on a disk is ciphertext only.
    fn check_places(&self, r: &mut Reader) {
        let memory = [
            ("TB_MODEL_DIR", &self.model_dir),
            ("TB_PIPE_PATH", &self.pipe_path),
            ("TB_READY_SIGNAL", &self.ready_signal),
        ];
        for (field, place) in memory {
            for other in [&self.target_dir, &self.state_dir] {
                if place.starts_with(other) || other.starts_with(place) {
                    let rule = format!("must neither lie in {} nor contain it", other.display());
                    r.problem(
                        field,
                        &place.display().to_string(),
                        &rule,
                        "choose a path in the memory volume",
                    );
                }
            }
        }
        if self.model_dir.parent().is_none() {
            r.problem(
                "TB_MODEL_DIR",
                "/",
                "must not be the root",
                "choose a directory of its own",
            );
        }
        for (field, place) in [
            ("TB_PIPE_PATH", &self.pipe_path),
            ("TB_READY_SIGNAL", &self.ready_signal),
        ] {
            if place.starts_with(&self.model_dir) {
                let next = "choose a path beside it: the directory is emptied at boot";
                r.problem(
                    field,
                    &place.display().to_string(),
                    "must not lie in TB_MODEL_DIR",
                    next,
                );
            }
        }
    }

    /// The folders of these files are open for writing while the process lives: that must not be the whole system.
    fn check_folders(&self, r: &mut Reader) {
        let files = [
            ("TB_PIPE_PATH", &self.pipe_path),
            ("TB_READY_SIGNAL", &self.ready_signal),
            ("TB_AUDIT_PATH", &self.audit_path),
        ];
        for (field, file) in files {
            if file.parent().is_none_or(|folder| folder.parent().is_none()) {
                r.problem(
                    field,
                    &file.display().to_string(),
                    "must not lie in the root, whose every folder would be open for writing",
                    "choose a path in a directory of its own",
                );
            }
        }
    }
}
