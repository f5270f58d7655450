//! The operator as a process of this machine, with the rights and the settings that it has in its pod.

use crate::install::{NAMESPACE, OPERATOR};
use crate::kubectl::Kubectl;
use crate::world::World;
use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodSpec, Secret};
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use trustbridge_cluster::netns::{self, Place};

/// The name in the leader election: the same after each restart, so the lease is taken up again at once.
const IDENTITY: &str = "tb-campaign";
/// Settings and a token lie in memory, not on a disk.
const MEMORY: &str = "/dev/shm";

/// The operator, started and killed at will.
#[derive(Debug)]
pub struct HostOperator {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    /// Whether there is a node's network to start it in.
    is_local: bool,
    child: Option<Child>,
    _files: TempDir,
}

impl HostOperator {
    /// Takes over from the Deployment: its settings, its ServiceAccount's token, and its replicas go to zero.
    pub async fn take_over(world: &World) -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("tb-operator-")
            .tempdir_in(MEMORY)?;
        let client = world.client().await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
        let deployment = deployments.get(OPERATOR).await?;
        let pod = deployment
            .spec
            .and_then(|spec| spec.template.spec)
            .context("the Deployment has no pod")?;
        let mounts = mounts(&client, &pod, files.path()).await?;
        scale(world, 0).await?;
        let container = pod
            .containers
            .first()
            .context("the Deployment has no container")?;
        let local = |text: &String| {
            mounts.iter().fold(text.clone(), |text, (inside, outside)| {
                text.replace(inside, outside)
            })
        };
        let mut arguments: Vec<String> = container.args.iter().flatten().map(local).collect();
        arguments.push("--admin-addr=127.0.0.1:0".to_owned());
        let mut environment: Vec<(String, String)> = container
            .env
            .iter()
            .flatten()
            .filter_map(|variable| Some((variable.name.clone(), local(variable.value.as_ref()?))))
            .collect();
        let kubeconfig = files.path().join("kubeconfig");
        fs::write(&kubeconfig, serde_json::to_vec(&own_kubeconfig(world).await?)?)?;
        for (name, value) in [("TB_NAMESPACE", NAMESPACE), ("TB_IDENTITY", IDENTITY)] {
            environment.push((name.to_owned(), value.to_owned()));
        }
        environment.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
        let log = world.stage_folder().join("campaign-operator.log");
        File::create(&log)?;
        Ok(Self {
            program: world.program(OPERATOR),
            arguments,
            environment,
            log,
            is_local: world.is_local(),
            child: None,
            _files: files,
        })
    }

    /// Starts it; its log goes on in the same file.
    ///
    /// In the local cluster it stands on the node: the policies let no stranger from outside ask a sentinel, and the end
    /// of each pod would wait for an answer.
    pub fn start(&mut self) -> Result<()> {
        let out = File::options().append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true);
        let runtime = Handle::current();
        let mut spawn = || {
            let _in = runtime.enter();
            command.spawn().context("cannot start the operator")
        };
        self.child = Some(if self.is_local {
            netns::within(Place::Node, spawn)?
        } else {
            spawn()?
        });
        Ok(())
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.child.as_ref()?.id().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Kills it, without a word, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Where its log is.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

/// Sets the replicas of the Deployment, and waits until there are as many pods.
pub async fn scale(world: &World, replicas: usize) -> Result<()> {
    let replicas_flag = format!("--replicas={replicas}");
    Kubectl::of(world)
        .run(&[
            "--namespace",
            NAMESPACE,
            "scale",
            "deployment",
            OPERATOR,
            &replicas_flag,
        ])
        .await?;
    let pods: Api<Pod> = Api::namespaced(world.client().await?, NAMESPACE);
    let params = ListParams::default().labels("app.kubernetes.io/component=operator");
    crate::wait::until_ok("the operator's pods", Duration::from_mins(1), async || {
        let found = pods.list(&params).await?.items.len();
        anyhow::ensure!(found == replicas, "{found} pods instead of {replicas}");
        Ok(())
    })
    .await
}

/// The admin's kubeconfig with the operator's own token in place of the admin's certificate.
async fn own_kubeconfig(world: &World) -> Result<Value> {
    let arguments = [
        "--namespace",
        NAMESPACE,
        "create",
        "token",
        OPERATOR,
        "--duration",
        "6h",
    ];
    let token = Kubectl::of(world).run(&arguments).await?;
    let mut config: Value = serde_saphyr::from_str(&fs::read_to_string(world.kubeconfig())?)?;
    let users = config
        .get_mut("users")
        .and_then(Value::as_array_mut)
        .context("the kubeconfig has no users")?;
    for user in users.iter_mut().filter_map(Value::as_object_mut) {
        user.insert("user".to_owned(), json!({"token": token.trim()}));
    }
    Ok(config)
}

/// Writes the files of mounted `ConfigMap`s and `Secret`s; answers (path in the pod, path here).
async fn mounts(client: &kube::Client, pod: &PodSpec, folder: &Path) -> Result<Vec<(String, String)>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let mut pairs = Vec::new();
    for volume in pod.volumes.iter().flatten() {
        let place = folder.join(&volume.name);
        fs::create_dir_all(&place)?;
        if let Some(source) = &volume.config_map {
            for (key, text) in maps.get(&source.name).await?.data.unwrap_or_default() {
                fs::write(place.join(key), text)?;
            }
        }
        if let Some(name) = volume
            .secret
            .as_ref()
            .and_then(|source| source.secret_name.as_ref())
        {
            for (key, bytes) in secrets.get(name).await?.data.unwrap_or_default() {
                fs::write(place.join(key), bytes.0)?;
            }
        }
        let mounts = pod
            .containers
            .iter()
            .flat_map(|container| container.volume_mounts.iter().flatten());
        for mount in mounts.filter(|mount| mount.name == volume.name) {
            pairs.push((mount.mount_path.clone(), place.display().to_string()));
        }
    }
    Ok(pairs)
}
