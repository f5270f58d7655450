//! The CNI plug-in itself against the agent's loop and socket, with a kernel that only remembers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc::{Sender, channel};
use trustbridge_netpol::agent::{Agent, Message, Settings};
use trustbridge_netpol::apply::{Error, Loader};
use trustbridge_netpol::index::{Change, Delta};
use trustbridge_netpol::model::{Key, Namespace, Pod, Policy, Selector};
use trustbridge_netpol::server::{Lists, bind, serve};

#[derive(Clone, Default)]
struct Kernel(Arc<Mutex<String>>);

impl Loader for Kernel {
    async fn load(&mut self, text: &str) -> Result<(), Error> {
        text.clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

#[derive(Clone)]
struct Listed(Vec<Policy>);

impl Lists for Listed {
    async fn policies(&self, _: &str) -> Result<Vec<Policy>, String> {
        Ok(self.0.clone())
    }
}

struct Cluster {
    to: Sender<Message>,
    kernel: Kernel,
}

/// Starts an agent that listens at the path.
fn start(socket: &Path, policies: Vec<Policy>) -> Cluster {
    let kernel = Kernel::default();
    let settings = Settings {
        pod_cidr: "10.244.0.0/24".parse().unwrap(),
        node: "here".into(),
    };
    let (agent, _) = Agent::new(settings, kernel.clone());
    let (to, from) = channel(16);
    tokio::spawn(agent.run(from));
    tokio::spawn(serve(bind(socket).unwrap(), Listed(policies), to.clone()));
    Cluster { to, kernel }
}

impl Cluster {
    async fn change(&self, change: Change) {
        self.to.send(Message::Change(change)).await.unwrap();
    }

    async fn lists(&self) {
        let shop = Namespace {
            name: "shop".into(),
            labels: BTreeMap::new(),
        };
        self.change(Change::Namespace(Delta::Replace(vec![shop]))).await;
        self.change(Change::Policy(Delta::Replace(vec![]))).await;
        self.change(Change::Pod(Delta::Replace(vec![]))).await;
    }

    fn rules(&self) -> String {
        self.kernel.0.lock().unwrap().clone()
    }
}

fn web() -> Pod {
    Pod {
        key: Key::new("shop", "web"),
        uid: "u1".into(),
        labels: BTreeMap::new(),
        node: Some("here".into()),
        host_network: false,
        finished: false,
        addresses: [].into(),
        ports: vec![],
        created: String::new(),
    }
}

fn deny() -> Policy {
    let (ingress, egress) = (Some(vec![]), Some(vec![]));
    Policy {
        key: Key::new("shop", "deny"),
        version: 1,
        pods: Selector::default(),
        ingress,
        egress,
    }
}

fn result() -> Value {
    json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.244.0.5/24", "gateway": "10.244.0.1" }] })
}

async fn gate(command: &str, socket: &Path) -> Output {
    let config = json!({ "cniVersion": "1.0.0", "name": "pods", "type": "tb-cni-gate",
        "socket": socket, "prevResult": result() });
    let mut child = Command::new(env!("CARGO_BIN_EXE_tb-cni-gate"))
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", "c1")
        .env(
            "CNI_ARGS",
            "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(config.to_string().as_bytes())
        .await
        .unwrap();
    child.wait_with_output().await.unwrap()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn socket(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("netpol.sock")
}

#[tokio::test]
async fn add_waits_for_the_pod_and_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&socket(&folder), vec![deny()]);
    cluster.lists().await;
    let path = socket(&folder);
    let adding = tokio::spawn(async move { gate("ADD", &path).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!adding.is_finished(), "the pod is unknown: its start must wait");
    assert!(!cluster.rules().contains("10.244.0.5"));

    cluster.change(Change::Pod(Delta::Upsert(web()))).await;
    let output = adding.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(answer(&output), result());
    // Address and policy are in force, though neither has come by a watch.
    for part in [
        "elements = { 10.244.0.5 }",
        "chain ingress-10.244.0.5 {",
        "chain egress-10.244.0.5 {",
    ] {
        assert!(
            cluster.rules().contains(part),
            "{part} is not in {}",
            cluster.rules()
        );
    }
    assert!(gate("CHECK", &socket(&folder)).await.status.success());
    assert!(gate("DEL", &socket(&folder)).await.status.success());
    let failed = gate("CHECK", &socket(&folder)).await;
    assert_eq!(
        (failed.status.code(), &answer(&failed)["code"]),
        (Some(1), &json!(100))
    );
    assert!(!cluster.rules().contains("10.244.0.5"));
}

#[tokio::test]
async fn add_outlives_an_agent_that_is_just_starting() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder);
    let adding = tokio::spawn(async move { gate("ADD", &path).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!adding.is_finished(), "nobody answers: the pod's start must wait");
    let cluster = start(&socket(&folder), vec![]);
    cluster.lists().await;
    cluster.change(Change::Pod(Delta::Upsert(web()))).await;
    assert!(adding.await.unwrap().status.success());
}

#[tokio::test]
async fn without_an_agent_add_fails_in_time_and_del_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder);
    let before = Instant::now();
    let (added, deleted) = tokio::join!(gate("ADD", &path), gate("DEL", &path));
    assert!(
        deleted.status.success(),
        "the runtime must be able to clean up: {deleted:?}"
    );
    assert_eq!(added.status.code(), Some(1));
    assert!(
        (15..25).contains(&before.elapsed().as_secs()),
        "{:?}",
        before.elapsed()
    );
    let answer = answer(&added);
    assert_eq!(answer["code"], 11);
    let message = answer["msg"].as_str().unwrap();
    assert!(
        message.contains("netpol.sock") && message.contains("waited 20 s"),
        "{message}"
    );
}
