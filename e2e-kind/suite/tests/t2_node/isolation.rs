//! C, E and F: what arrives, who may reach what, and what is written down of it.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use trustbridge_cluster::netns::{self, Place};
use trustbridge_e2e::buyer::{ALLOWED, Purchase};
use trustbridge_e2e::provider::ASSET;
use trustbridge_e2e::{pod, probe, story};

pub async fn interop(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    pod::injected(&lab.world, purchase).await?;
    let (status, answer) = get(lab, purchase, "/v1/demo").await?;
    ensure!(status == 200, "GET /v1/demo answered {status}");
    story::same_plaintext(&answer, &lab.model).map(drop)
}

pub async fn ports(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let (health, _) = get(lab, purchase, "/health").await?;
    ensure!(health == 200, "GET /health answered {health}");
    let (hidden, _) = get(lab, purchase, "/metrics").await?;
    ensure!(
        hidden == 404,
        "GET /metrics is not on the list and answered {hidden}"
    );
    let address = pod::address(&lab.world, purchase).await?;
    for (port, open) in [(8000, true), (8001, false), (8081, false)] {
        let target = format!("{address}:{port}");
        let seen = probe::tcp(&lab.world, &purchase.namespace(), &target).await?;
        ensure!((seen == "open") == open, "port {port} is {seen} from another pod");
    }
    for (port, open) in [(8000, true), (8081, false)] {
        let seen = from_node(format!("{address}:{port}").parse()?)?;
        ensure!(seen == open, "port {port} from the node: open is {seen}");
    }
    // The positive control: the runtime does listen on 8081, and the same connect finds it inside the pod.
    let uid = pod::get(&lab.world, purchase)
        .await?
        .metadata
        .uid
        .context("the pod has a UID")?;
    ensure!(
        from_inside(&uid, "127.0.0.1:8081".parse()?)?,
        "the runtime does not listen on 127.0.0.1:8081"
    );
    Ok(())
}

pub async fn audit(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let body = r#"{"model":"demo","prompt":"an audited call","max_tokens":4}"#;
    let url = format!("{}/v1/completions", purchase.url());
    let (status, answer) = probe::post(&lab.world, &purchase.caller(), &url, body).await?;
    ensure!(
        status == 200 && answer.get("usage").is_some(),
        "POST /v1/completions answered {status}: {answer}"
    );
    let record = pod::audit_record(&lab.world, purchase, "/v1/completions").await?;
    let digest = HEXLOWER.encode(&Sha256::digest(body));
    let expected = [
        ("contract_id", ALLOWED),
        ("asset_id", ASSET),
        ("method", "POST"),
        ("req_sha256", digest.as_str()),
    ];
    for (field, value) in expected {
        let seen = record.get(field).and_then(Value::as_str);
        ensure!(
            seen == Some(value),
            "the record's {field} is {seen:?} instead of {value}: {record}"
        );
    }
    ensure!(
        record.get("status").and_then(Value::as_u64) == Some(200),
        "the record's status: {record}"
    );
    let records = pod::audit_lines(&pod::logs(&lab.world, purchase, pod::SENTINEL).await?);
    chained(&records)?;
    // The positive controls: a record that is left out, and one that is altered, break the chain.
    ensure!(
        records.len() >= 3,
        "three calls at least were made, {} are recorded",
        records.len()
    );
    let mut gap = records.clone();
    gap.remove(1);
    ensure!(chained(&gap).is_err(), "a gap in the chain was not seen");
    let mut altered = records;
    altered[1] = altered[1].replacen("\"status\":", "\"status\":1", 1);
    ensure!(chained(&altered).is_err(), "an altered record was not seen");
    Ok(())
}

/// Each record's hash is SHA-256 of the hash before it and of the record without its own, and `seq` counts.
/// Written here from the documents, not from the sentinel.
fn chained(records: &[String]) -> Result<()> {
    let mut before: Option<(u64, String)> = None;
    for line in records {
        let record: Value = serde_json::from_str(line)?;
        let text = |field: &str| {
            record
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let seq = record.get("seq").and_then(Value::as_u64).context("no seq")?;
        let (body, _) = line
            .rsplit_once(",\"hash\":")
            .context("the hash is not the last member")?;
        let digest = Sha256::digest(format!("{}{body}}}", text("prev")));
        ensure!(
            HEXLOWER.encode(&digest) == text("hash"),
            "the hash of record {seq} is wrong: {line}"
        );
        if let Some((last, hash)) = before {
            ensure!(
                seq == last + 1 && text("prev") == hash,
                "record {seq} does not follow record {last}"
            );
        }
        before = Some((seq, text("hash")));
    }
    Ok(())
}

async fn get(lab: &Lab, purchase: &Purchase, path: &str) -> Result<(u16, Value)> {
    probe::get(
        &lab.world,
        &purchase.caller(),
        &format!("{}{path}", purchase.url()),
    )
    .await
}

fn connects(target: SocketAddr) -> bool {
    TcpStream::connect_timeout(&target, Duration::from_secs(3)).is_ok()
}

fn from_node(target: SocketAddr) -> Result<bool> {
    netns::within(Place::Node, || Ok(connects(target)))
}

/// Connects from the network namespace of the pod's processes.
fn from_inside(uid: &str, target: SocketAddr) -> Result<bool> {
    let pid = process_of(uid)?;
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    let inside = std::thread::spawn(move || -> Result<bool> {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
        Ok(connects(target))
    });
    inside
        .join()
        .map_err(|_| anyhow::anyhow!("the thread inside the pod failed"))?
}

/// A process whose control group is the pod's.
pub fn process_of(uid: &str) -> Result<u32> {
    let first = processes_of(uid)?.into_iter().next();
    first.with_context(|| format!("no process on this machine belongs to pod {uid}"))
}

/// All of them.
pub fn processes_of(uid: &str) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if groups.contains(uid) || groups.contains(&uid.replace('-', "_")) {
            found.push(pid);
        }
    }
    Ok(found)
}
