//! What runs outside the cluster: Azurite and the doubles of the control plane and of ARM.

pub mod azurite;
pub mod daemon;
mod secrets;

use crate::wait;
use crate::world::World;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use daemon::Daemon;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trustbridge_azure::blob::{BlobClient, Credential, SharedKey};
use trustbridge_azure::http::{Client, Deadline};

/// Port of the control plane double.
pub const CONTROL_PLANE_PORT: u16 = 7443;
/// Port of the ARM double and its token endpoint.
pub const ARM_PORT: u16 = 7444;
/// The ids under which the ARM double knows the cluster.
pub const ARM_IDS: ArmIds = ArmIds {
    tenant: "11111111-1111-4111-8111-111111111111",
    subscription: "22222222-2222-4222-8222-222222222222",
    client: "33333333-3333-4333-8333-333333333333",
    resource_group: "tb-demo",
    cluster: "tb-demo",
};

/// How long a program may take until it answers.
const START: Duration = Duration::from_secs(30);
/// How long one call to a double may take.
const CALL: Duration = Duration::from_secs(20);
/// In the order in which they end.
const NAMES: [&str; 3] = ["arm", "control-plane", "azurite"];

/// The names that Azure would give.
#[derive(Clone, Copy, Debug)]
pub struct ArmIds {
    /// Tenant.
    pub tenant: &'static str,
    /// Subscription.
    pub subscription: &'static str,
    /// Client (the operator's identity).
    pub client: &'static str,
    /// Resource group of the cluster.
    pub resource_group: &'static str,
    /// The managed cluster.
    pub cluster: &'static str,
}

/// The running stage.
#[derive(Clone, Debug)]
pub struct Stage {
    folder: PathBuf,
    host: String,
    ca: PathBuf,
    http: Client,
}

impl Stage {
    /// Starts what does not run yet; answers the stage and what was started.
    pub async fn up(world: &World) -> Result<(Self, String)> {
        let stage = Self::of(world)?;
        std::fs::create_dir_all(stage.folder.join("azurite"))?;
        secrets::ensure(&stage.folder)?;
        let account_key = std::fs::read_to_string(stage.account_key_file())?;
        let daemons = [
            azurite::daemon(world, &account_key),
            stage.control_plane(world),
            stage.arm(world),
        ];
        let mut started = Vec::new();
        for daemon in &daemons {
            if daemon.ensure(&stage.folder)? {
                started.push(daemon.name);
            }
        }
        for (daemon, port) in daemons.iter().zip([azurite::PORT, CONTROL_PLANE_PORT, ARM_PORT]) {
            stage.answers(daemon, port).await?;
        }
        stage
            .blobs()?
            .create_container(azurite::CONTAINER, Deadline::after(CALL))
            .await?;
        let what = if started.is_empty() {
            "all three ran already".to_owned()
        } else {
            format!("started {}", started.join(", "))
        };
        Ok((stage, what))
    }

    /// The stage as it was set up by an earlier run.
    pub fn of(world: &World) -> Result<Self> {
        let ca = world.layout().pki().join("outside-ca.crt");
        let http = Client::builder().system_bundle(false).ca_file(&ca).build()?;
        Ok(Self {
            folder: world.stage_folder(),
            host: world.outside().to_string(),
            ca,
            http,
        })
    }

    /// Ends everything; what is not running is fine.
    pub fn down(world: &World) -> Result<()> {
        NAMES
            .iter()
            .try_for_each(|name| daemon::stop(&world.stage_folder(), name))
    }

    /// The certificate authority of everything outside.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The control plane's URL.
    #[must_use]
    pub fn control_plane_url(&self) -> String {
        format!("https://{}:{CONTROL_PLANE_PORT}", self.host)
    }

    /// ARM's URL; the token endpoint is there too.
    #[must_use]
    pub fn arm_url(&self) -> String {
        format!("https://{}:{ARM_PORT}", self.host)
    }

    /// The container that the provider uploads to.
    #[must_use]
    pub fn container_url(&self) -> String {
        format!(
            "https://{}:{}/{}/{}",
            self.host,
            azurite::PORT,
            azurite::ACCOUNT,
            azurite::CONTAINER
        )
    }

    /// The storage account's key, in Base64.
    #[must_use]
    pub fn account_key_file(&self) -> PathBuf {
        self.folder.join("account.key")
    }

    /// The provider's token for the control plane.
    #[must_use]
    pub fn provider_token_file(&self) -> PathBuf {
        self.folder.join("provider.token")
    }

    /// The client secret of the operator's identity.
    #[must_use]
    pub fn client_secret_file(&self) -> PathBuf {
        self.folder.join("client.secret")
    }

    /// Where this suite may keep files of its own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The storage account, as its owner.
    pub fn blobs(&self) -> Result<BlobClient> {
        let key = SharedKey::from_file(azurite::ACCOUNT, &self.account_key_file())?;
        let endpoint = format!("https://{}:{}/{}", self.host, azurite::PORT, azurite::ACCOUNT);
        Ok(BlobClient::new(
            self.http.clone(),
            &endpoint,
            Credential::SharedKey(key),
        )?)
    }

    /// Asks a double; any answer that is not a success is an error with its body.
    pub async fn ask(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json")
            .body(bytes)?;
        let answer = self.http.send(request, Deadline::after(CALL)).await?;
        let (status, bytes) = (answer.status(), answer.into_body());
        if !status.is_success() {
            bail!("{url} answered {status}: {}", String::from_utf8_lossy(&bytes));
        }
        if bytes.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&bytes).with_context(|| format!("{url}: not JSON"))
        }
    }

    async fn answers(&self, daemon: &Daemon, port: u16) -> Result<()> {
        let url = format!("https://{}:{port}/", self.host);
        wait::until_ok(daemon.name, START, async || {
            daemon.check(&self.folder)?;
            let request = Request::get(&url).body(Bytes::new())?;
            // Any answer will do: it listens, and its certificate is the right one.
            let _: StatusCode = self
                .http
                .send(request, Deadline::after(Duration::from_secs(3)))
                .await?
                .status();
            Ok(())
        })
        .await
    }

    fn control_plane(&self, world: &World) -> Daemon {
        let mut arguments = self.listening(world, "control-plane", CONTROL_PLANE_PORT);
        for (flag, value) in [
            ("--state-dir", self.folder.join("control-plane").into_os_string()),
            ("--allow-contract", "contract-allow".into()),
            (
                "--provider-token-file",
                self.provider_token_file().into_os_string(),
            ),
            ("--blob-account", azurite::ACCOUNT.into()),
            (
                "--blob-account-key-file",
                self.account_key_file().into_os_string(),
            ),
        ] {
            arguments.extend([flag.into(), value]);
        }
        Daemon {
            name: "control-plane",
            program: world.program("tb-double"),
            arguments,
            environment: Vec::new(),
        }
    }

    fn arm(&self, world: &World) -> Daemon {
        let mut arguments = self.listening(world, "arm", ARM_PORT);
        for (flag, value) in [
            ("--node", OsString::from(world.node())),
            ("--kubeconfig", world.kubeconfig().into_os_string()),
            ("--client-id", ARM_IDS.client.into()),
            ("--client-secret-file", self.client_secret_file().into_os_string()),
        ] {
            arguments.extend([flag.into(), value]);
        }
        Daemon {
            name: "arm",
            program: world.program("tb-double"),
            arguments,
            environment: Vec::new(),
        }
    }

    fn listening(&self, world: &World, double: &str, port: u16) -> Vec<OsString> {
        let pki = world.layout().pki();
        let address = format!("{}:{port}", self.host);
        vec![
            double.into(),
            "--listen".into(),
            address.into(),
            "--tls-cert".into(),
            pki.join("outside.crt").into_os_string(),
            "--tls-key".into(),
            pki.join("outside.key").into_os_string(),
        ]
    }
}
