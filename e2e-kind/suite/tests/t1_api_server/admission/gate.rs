//! The chart installed for these tests, two organisations, and clients of several users.

mod organisations;

use crate::examples::{SHA, example};
use crate::lab::Answer;
use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::RwLock;
use trustbridge_e2e::install::{self, NAMESPACE};
use trustbridge_e2e::world::World;

/// The asset that the pods are licensed for.
const ASSET: &str = "t1-admission-asset";
/// The TunePod of both organisations.
const TUNEPOD: &str = "t1-tunepod";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The cluster's admin.
    Admin,
    /// The operator's service account.
    Operator,
    /// The scheduler.
    Scheduler,
    /// The admin with the group of nodes.
    Node,
    /// The controller that ends pods whose nodes are gone.
    PodCollector,
    /// The controller that marks pods of nodes that are silent.
    NodeController,
}

impl Who {
    const ALL: [Self; 6] = [
        Self::Admin,
        Self::Operator,
        Self::Scheduler,
        Self::Node,
        Self::PodCollector,
        Self::NodeController,
    ];

    fn impersonated(self) -> Option<(String, Vec<String>)> {
        let operator = format!("system:serviceaccount:{NAMESPACE}:{}", install::OPERATOR);
        let groups = |all: &[&str]| all.iter().map(|&g| g.to_owned()).collect();
        match self {
            Self::Admin => None,
            Self::Operator => Some((
                operator,
                groups(&["system:serviceaccounts", "system:authenticated"]),
            )),
            Self::Scheduler => Some((
                "system:kube-scheduler".to_owned(),
                groups(&["system:authenticated"]),
            )),
            Self::PodCollector | Self::NodeController => {
                let name = match self {
                    Self::PodCollector => "pod-garbage-collector",
                    _ => "node-controller",
                };
                Some((
                    format!("system:serviceaccount:kube-system:{name}"),
                    groups(&["system:serviceaccounts", "system:authenticated"]),
                ))
            }
            Self::Node => Some(("t1-node".to_owned(), groups(&["system:masters", "system:nodes"]))),
        }
    }
}

/// One request, as it goes to the API server.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asks.
    pub who: Who,
    /// `POST`, `PATCH`, `DELETE`.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// The object, or the merge patch.
    pub body: Value,
}

/// The installation and what the trials need of it.
pub struct Gate {
    world: World,
    clients: BTreeMap<Who, Client>,
    had_release: bool,
    org: String,
    bare: String,
    guarded: Value,
    /// Trials that only ask hold it for reading; those that break or replace the webhooks, for writing.
    pub turn: RwLock<()>,
}

impl Gate {
    /// Installs the chart and makes both organisations.
    pub async fn open(world: &World) -> Result<Self> {
        let had_release = install::for_admission(world).await?;
        let mut clients = BTreeMap::new();
        for who in Who::ALL {
            clients.insert(who, client(world, who).await?);
        }
        let number = std::process::id();
        let mut gate = Self {
            world: world.clone(),
            clients,
            had_release,
            org: format!("t1a{number}"),
            bare: format!("t1b{number}"),
            guarded: Value::Null,
            turn: RwLock::default(),
        };
        let mut asset = example("ModelAsset", ASSET);
        *asset.pointer_mut("/spec/manifestSha256").context("a spec")? = SHA.into();
        gate.made("/apis/trustbridge.io/v1alpha1/modelassets", &asset)
            .await?;
        for org in [&gate.org, &gate.bare] {
            gate.organisation(org).await?;
        }
        gate.leave_out_bare().await?;
        gate.guarded = gate.injected().await?;
        let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": Self::pod("", "")["spec"]});
        gate.made(&format!("/api/v1/namespaces/{}/pods", gate.own()), &plain)
            .await?;
        let record = json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": "UsageRecord", "metadata": {"name": "kept"},
            "spec": {"tunePodRef": {"name": "o-0"}, "tunePodUid": "u", "orderRef": {"name": "o"}, "day": "2026-01-07"}});
        gate.made(&gate.records(), &record).await?;
        let mut victim = gate.guarded();
        victim["metadata"]["name"] = "victim".into();
        let ask = Ask {
            who: Who::Operator,
            method: "POST",
            path: format!("/api/v1/namespaces/{}/pods", gate.bare()),
            body: victim,
        };
        gate.ask(&ask)
            .await?
            .map_err(|refusal| anyhow::anyhow!("the victim: {}", refusal.message))?;
        Ok(gate)
    }

    /// The pod as the injector makes it, in the namespace that the webhooks leave out.
    pub fn guarded(&self) -> Value {
        self.guarded.clone()
    }

    /// Takes all of it away again; an installation that was there before becomes what it was.
    pub async fn close(&self) -> Result<()> {
        for org in [&self.org, &self.bare] {
            let tunepod = format!("/apis/trustbridge.io/v1alpha1/namespaces/tb-{org}/tunepods/{TUNEPOD}");
            self.gone(&tunepod).await?;
            // Without a node nobody would end its pods.
            self.emptied(&format!("tb-{org}-protected")).await?;
            self.emptied(&format!("tb-{org}")).await?;
            for namespace in [format!("tb-{org}-protected"), format!("tb-{org}")] {
                self.gone(&format!("/api/v1/namespaces/{namespace}")).await?;
            }
        }
        self.gone(&format!("/apis/trustbridge.io/v1alpha1/modelassets/{ASSET}"))
            .await?;
        install::after_admission(&self.world, self.had_release).await
    }

    /// Whether the installation is this suite's alone.
    pub fn is_ours(&self) -> bool {
        !self.had_release
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A client.
    pub fn client(&self, who: Who) -> Client {
        self.clients
            .get(&who)
            .cloned()
            .unwrap_or_else(|| panic!("{who:?} has no client"))
    }

    /// The organisation's own namespace.
    pub fn own(&self) -> String {
        format!("tb-{}", self.org)
    }

    /// Where its usage records are.
    pub fn records(&self) -> String {
        format!(
            "/apis/trustbridge.io/v1alpha1/namespaces/{}/usagerecords",
            self.own()
        )
    }

    /// Its protected namespace.
    pub fn protected(&self) -> String {
        format!("tb-{}-protected", self.org)
    }

    /// The protected namespace that the webhooks leave out.
    pub fn bare(&self) -> String {
        format!("tb-{}-protected", self.bare)
    }

    /// Sends it; a refusal is an answer too.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer> {
        let kind = match ask.method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = if ask.body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(&ask.body)?
        };
        let request = http::Request::builder()
            .method(ask.method)
            .uri(&ask.path)
            .header("content-type", kind)
            .body(body)?;
        let client = self.client(ask.who);
        let sent = client.request::<Value>(request);
        match tokio::time::timeout(Duration::from_secs(20), sent).await? {
            Ok(object) => Ok(Ok(object)),
            Err(kube::Error::Api(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error).with_context(|| format!("{} {}", ask.method, ask.path)),
        }
    }

    /// A pod of the operator's kind for the namespace, as its author writes it.
    pub fn pod(namespace: &str, name: &str) -> Value {
        let own = namespace.trim_end_matches("-protected");
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": namespace,
                "labels": {"trustbridge.io/inject": "true", "trustbridge.io/tunepod": TUNEPOD,
                    "app.kubernetes.io/managed-by": install::OPERATOR},
                "annotations": {"trustbridge.io/tunepod": format!("{own}/{TUNEPOD}"),
                    "trustbridge.io/runtime-container": "runtime"},
            },
            "spec": {
                // No node has it: the pod stays where it is put, in the API server.
                "nodeSelector": {"trustbridge.io/t1": "nowhere"},
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "runtime", "image": "registry.example/model-server:1",
                    "readinessProbe": {"httpGet": {"path": "/health", "port": 8081}},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        })
    }

    /// Where pods of a namespace are made; nothing stays.
    pub fn tried(namespace: &str) -> String {
        format!("/api/v1/namespaces/{namespace}/pods?dryRun=All")
    }

    /// The organisation's TunePod as the annotation names it.
    pub fn tunepod(&self) -> String {
        format!("{}/{TUNEPOD}", self.own())
    }

    /// Makes an object as the admin.
    pub async fn made(&self, path: &str, object: &Value) -> Result<Value> {
        let ask = Ask {
            who: Who::Admin,
            method: "POST",
            path: path.to_owned(),
            body: object.clone(),
        };
        self.ask(&ask)
            .await?
            .map_err(|refusal| anyhow::anyhow!("{path}: {}", refusal.message))
    }

    /// Deletes an object as the admin; one that is not there is fine.
    pub async fn gone(&self, path: &str) -> Result<()> {
        let ask = Ask {
            who: Who::Admin,
            method: "DELETE",
            path: path.to_owned(),
            body: json!({"gracePeriodSeconds": 0}),
        };
        match self.ask(&ask).await? {
            Err(refusal) if refusal.code != 404 => anyhow::bail!("{path}: {}", refusal.message),
            _ => Ok(()),
        }
    }

    /// Ends every pod of a namespace.
    async fn emptied(&self, namespace: &str) -> Result<()> {
        self.gone(&format!("/api/v1/namespaces/{namespace}/pods")).await
    }

    /// An object as it is.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let ask = Ask {
            who: Who::Admin,
            method: "GET",
            path: path.to_owned(),
            body: Value::Null,
        };
        self.ask(&ask)
            .await?
            .map_err(|refusal| anyhow::anyhow!("{path}: {}", refusal.message))
    }
}

async fn client(world: &World, who: Who) -> Result<Client> {
    let file = Kubeconfig::read_from(world.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(20));
    // A refusal is what is looked for: nothing is tried again behind our back.
    config.default_retry = false;
    if let Some((user, groups)) = who.impersonated() {
        config.auth_info.impersonate = Some(user);
        config.auth_info.impersonate_groups = Some(groups);
    }
    Ok(Client::try_from(config)?)
}
