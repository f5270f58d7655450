//! Every port of the protected pod, asked from a pod of the same organisation, and from one of a namespace in which no
//! network policy holds anything back.

use crate::isolation::process_of;
use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use trustbridge_e2e::buyer::Purchase;
use trustbridge_e2e::install::{NAMESPACE, OPERATOR};
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::probe::Neighbour;
use trustbridge_e2e::{pod, wait};

/// Connections that are tried at once.
const AT_ONCE: u16 = 512;
/// A port on the same machine answers at once or not at all.
const PATIENCE: Duration = Duration::from_millis(250);
/// A namespace without network policies.
const STRANGERS: &str = "default";
/// The network policy that lets everybody in.
const OPEN: &str = "t2-open";

pub async fn of_the_pod(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let address: IpAddr = pod::address(&lab.world, purchase).await?.parse()?;
    let buyer = Neighbour::start(&lab.world, &purchase.namespace()).await?;
    let stranger = Neighbour::start(&lab.world, STRANGERS).await?;
    let shown = shown(lab, purchase, [&buyer, &stranger], address).await;
    buyer.end().await?;
    stranger.end().await?;
    shown
}

async fn shown(lab: &Lab, purchase: &Purchase, from: [&Neighbour; 2], address: IpAddr) -> Result<()> {
    let [buyer, stranger] = [process_of(&from[0].uid)?, process_of(&from[1].uid)?];
    let open = scan(buyer, address, 1..=u16::MAX).await?;
    ensure!(
        open == BTreeSet::from([8000]),
        "open from the organisation's own pod: {open:?}"
    );
    let strangers = scan(stranger, address, 1..=u16::MAX).await?;
    ensure!(strangers.is_empty(), "open from a stranger's pod: {strangers:?}");
    println!("9.5) 65535 ports of the pod: {open:?} answers its organisation, none answers a stranger");
    // The positive control: with the network policy off the same scan finds the sentinel's two ports. The model server's
    // it does not find: that listens on loopback.
    let_in(lab, purchase).await?;
    let seen = wait::until_ok(
        "port 8001 without the policy",
        Duration::from_mins(1),
        async || {
            let seen = scan(stranger, address, 7990..=8090).await?;
            ensure!(seen.contains(&8001), "open without the policy: {seen:?}");
            Ok(seen)
        },
    )
    .await;
    // Selects nobody any more; it goes with the namespace.
    let off = json!({"spec": {"podSelector": {"matchLabels": {"t2": "nobody"}}}}).to_string();
    let protected = purchase.protected();
    as_operator(
        lab,
        &[
            "patch",
            "networkpolicy",
            OPEN,
            "--namespace",
            &protected,
            "--type",
            "merge",
            "--patch",
            &off,
        ],
    )
    .await?;
    let seen = seen?;
    ensure!(
        seen == BTreeSet::from([8000, 8001]),
        "open without the policy: {seen:?}"
    );
    wait::until_ok("port 8001 with the policy", Duration::from_mins(1), async || {
        let seen = scan(stranger, address, 8000..=8001).await?;
        ensure!(seen.is_empty(), "still open: {seen:?}");
        Ok(())
    })
    .await
}

/// Policies add up: one that lets everybody in switches the others off.
async fn let_in(lab: &Lab, purchase: &Purchase) -> Result<()> {
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": OPEN, "namespace": purchase.protected()},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}});
    let file = lab.stage.folder().join("t2-open.json");
    std::fs::write(&file, policy.to_string())?;
    let path = file.to_str().context("the state folder's path is not UTF-8")?;
    as_operator(lab, &["create", "--filename", path]).await
}

/// Nobody else may write network policies there.
async fn as_operator(lab: &Lab, words: &[&str]) -> Result<()> {
    let user = format!("--as=system:serviceaccount:{NAMESPACE}:{OPERATOR}");
    let words: Vec<&str> = words.iter().copied().chain([user.as_str()]).collect();
    Kubectl::of(&lab.world).run(&words).await.map(drop)
}

/// The ports that accept a connection from the network namespace of that process.
async fn scan(pid: u32, address: IpAddr, ports: std::ops::RangeInclusive<u16>) -> Result<BTreeSet<u16>> {
    let (first, last) = (*ports.start(), *ports.end());
    let work = move || -> Result<BTreeSet<u16>> {
        let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
        let asked = |lane: u16| -> Result<Vec<u16>> {
            nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
            let own = (first..=last).filter(|port| port % AT_ONCE == lane);
            let answers =
                |port: &u16| TcpStream::connect_timeout(&SocketAddr::new(address, *port), PATIENCE).is_ok();
            Ok(own.filter(answers).collect())
        };
        let asked = &asked;
        std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..AT_ONCE)
                .map(|lane| scope.spawn(move || asked(lane)))
                .collect();
            let mut open = BTreeSet::new();
            for lane in lanes {
                open.extend(
                    lane.join()
                        .map_err(|_| anyhow::anyhow!("a thread of the scan failed"))??,
                );
            }
            Ok(open)
        })
    };
    tokio::task::spawn_blocking(work).await?
}
