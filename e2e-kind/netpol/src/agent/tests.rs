use std::collections::BTreeSet as Set;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;

use super::*;
use crate::apply::Error;
use crate::index::Delta;
use crate::model::{Key, Labels, Namespace, Pod, Rule, Selector};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 5);

/// A kernel that remembers what it was given and fails when told to.
#[derive(Clone, Default)]
struct Kernel(Arc<Mutex<(Vec<String>, usize)>>);

impl Kernel {
    fn loads(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn fail(&self, times: usize) {
        self.0.lock().unwrap().1 = times;
    }
}

impl Loader for Kernel {
    async fn load(&mut self, text: &str) -> Result<(), Error> {
        let mut state = self.0.lock().unwrap();
        if state.1 > 0 {
            state.1 -= 1;
            return Err(Error::Refused("no".into()));
        }
        state.0.push(text.to_owned());
        Ok(())
    }
}

struct Running {
    to: Sender<Message>,
    kernel: Kernel,
    ready: watch::Receiver<bool>,
}

fn start() -> Running {
    let kernel = Kernel::default();
    let settings = Settings {
        pod_cidr: "10.244.0.0/24".parse().unwrap(),
        node: "here".into(),
    };
    let (agent, ready) = Agent::new(settings, kernel.clone());
    let (to, from) = channel(16);
    tokio::spawn(agent.run(from));
    Running { to, kernel, ready }
}

fn pod(addresses: &[Ipv4Addr]) -> Pod {
    Pod {
        key: Key::new("shop", "web"),
        uid: "u1".into(),
        labels: Labels::new(),
        node: None,
        host_network: false,
        finished: false,
        addresses: addresses.iter().copied().collect::<Set<_>>(),
        ports: vec![],
        created: String::new(),
    }
}

fn policy() -> Policy {
    let rules: Vec<Rule> = vec![];
    Policy {
        key: Key::new("shop", "p"),
        version: 1,
        pods: Selector::default(),
        ingress: Some(rules),
        egress: None,
    }
}

fn sandbox() -> Sandbox {
    Sandbox {
        container_id: "c1".into(),
        namespace: "shop".into(),
        name: "web".into(),
        uid: Some("u1".into()),
        addresses: vec![ADDRESS],
    }
}

impl Running {
    async fn change(&self, change: Change) {
        self.to.send(Message::Change(change)).await.unwrap();
    }

    async fn lists(&self, pods: Vec<Pod>) {
        let shop = Namespace {
            name: "shop".into(),
            labels: Labels::new(),
        };
        self.change(Change::Namespace(Delta::Replace(vec![shop]))).await;
        self.change(Change::Policy(Delta::Replace(vec![]))).await;
        self.change(Change::Pod(Delta::Replace(pods))).await;
    }

    async fn ask(&self, request: Request, policies: Vec<Policy>) -> oneshot::Receiver<Reply> {
        let (answer, reply) = oneshot::channel();
        self.to
            .send(Message::Ask(request, policies, answer))
            .await
            .unwrap();
        reply
    }

    /// Everything sent before has been worked on.
    async fn settle(&self) {
        self.ask(Request::Ping, vec![]).await.await.unwrap();
        // PING is answered before the load of its own round; a second one comes after it.
        self.ask(Request::Ping, vec![]).await.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_loaded_before_the_lists_are_whole() {
    let mut running = start();
    running
        .change(Change::Pod(Delta::Replace(vec![pod(&[ADDRESS])])))
        .await;
    running.settle().await;
    assert!(running.kernel.loads().is_empty() && !*running.ready.borrow());
    running.lists(vec![pod(&[ADDRESS])]).await;
    running.ready.wait_for(|ready| *ready).await.unwrap();
    assert!(running.kernel.loads()[0].contains("10.244.0.5"));
}

#[tokio::test(start_paused = true)]
async fn equal_rules_are_not_loaded_again() {
    let running = start();
    running.lists(vec![pod(&[ADDRESS])]).await;
    running.settle().await;
    let loads = running.kernel.loads().len();
    let mut relabelled = pod(&[ADDRESS]);
    relabelled.labels.insert("a".into(), "b".into());
    running.change(Change::Pod(Delta::Upsert(relabelled))).await;
    running.settle().await;
    assert_eq!(running.kernel.loads().len(), loads);
    running.change(Change::Policy(Delta::Upsert(policy()))).await;
    running.settle().await;
    assert_eq!(running.kernel.loads().len(), loads + 1);
    assert!(running.kernel.loads()[loads].contains("chain ingress-10.244.0.5 {"));
}

#[tokio::test(start_paused = true)]
async fn add_is_answered_once_its_rules_are_in_the_kernel() {
    let running = start();
    running.lists(vec![]).await;
    let mut reply = running.ask(Request::Add(sandbox()), vec![]).await;
    running.settle().await;
    assert!(reply.try_recv().is_err(), "the pod is not known yet");
    running.change(Change::Pod(Delta::Upsert(pod(&[])))).await;
    assert_eq!(reply.await.unwrap(), Reply::Ok);
    assert!(
        running
            .kernel
            .loads()
            .last()
            .unwrap()
            .contains("elements = { 10.244.0.5 }")
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_the_watch_has_not_shown_is_in_force_at_add() {
    let running = start();
    running.lists(vec![pod(&[])]).await;
    let reply = running.ask(Request::Add(sandbox()), vec![policy()]).await;
    assert_eq!(reply.await.unwrap(), Reply::Ok);
    let loads = running.kernel.loads();
    assert!(
        loads
            .last()
            .unwrap()
            .contains("10.244.0.5 : jump ingress-10.244.0.5")
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusing_kernel_is_tried_again_and_holds_up_add() {
    let running = start();
    running.kernel.fail(2);
    running.lists(vec![pod(&[])]).await;
    let before = Instant::now();
    let reply = running.ask(Request::Add(sandbox()), vec![]).await;
    assert_eq!(
        timeout(Duration::from_secs(4), reply).await.unwrap().unwrap(),
        Reply::Ok
    );
    assert!(before.elapsed() >= RETRY * 2, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_add_that_cannot_be_served_says_why() {
    let running = start();
    let reply = running.ask(Request::Add(sandbox()), vec![]).await;
    let Reply::Failed { reason } = reply.await.unwrap() else {
        panic!("answered without lists")
    };
    assert!(reason.contains("first lists"), "{reason}");
    running.lists(vec![pod(&[])]).await;
    let mut foreign = sandbox();
    foreign.addresses = vec![Ipv4Addr::new(192, 0, 2, 1)];
    let reply = running.ask(Request::Add(foreign), vec![]).await;
    let Reply::Failed { reason } = reply.await.unwrap() else {
        panic!("answered for a foreign address")
    };
    assert!(reason.contains("--pod-cidr"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn check_and_del() {
    let running = start();
    running.lists(vec![pod(&[])]).await;
    let check = || async {
        running
            .ask(Request::Check(sandbox()), vec![])
            .await
            .await
            .unwrap()
    };
    assert!(matches!(check().await, Reply::Failed { .. }));
    running.ask(Request::Add(sandbox()), vec![]).await.await.unwrap();
    assert_eq!(check().await, Reply::Ok);
    assert_eq!(
        running.ask(Request::Del(sandbox()), vec![]).await.await.unwrap(),
        Reply::Ok
    );
    running.settle().await;
    assert!(matches!(check().await, Reply::Failed { .. }));
}
