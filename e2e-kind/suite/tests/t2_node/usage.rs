//! What the model server says it used is in the UsageRecords: while it serves, and after the end; and no container of
//! the pod can hide it.

use crate::isolation::process_of;
use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use trustbridge_api::usage_record::Quantities;
use trustbridge_api::{TunePod, UsageRecord};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::{pod, probe, terminate, wait};

/// A sentinel closes an interval each minute, and is asked each minute.
const RECORDED: Duration = Duration::from_secs(200);

pub async fn recorded_to_the_end(lab: &Lab) -> Result<()> {
    let purchase = Purchase::new("t2-usage", "order-usage");
    lab.organisation(&purchase.org).await?;
    purchase.place(&lab.world).await?;
    purchase
        .until_phase(&lab.world, OrderPhase::Active, SERVING)
        .await?;
    let mut told = Quantities::default();
    for prompt in ["one", "one two", "one two three"] {
        told = told.plus(call(lab, &purchase, prompt).await?);
    }
    wait::until_ok("the usage of three calls", RECORDED, async || {
        let sum = sum(&records(lab, &purchase).await?);
        ensure!(same(sum, told), "{sum:?} is recorded of {told:?}");
        Ok(())
    })
    .await?;
    inside_is_refused(lab, &purchase).await?;
    // The last interval is still in the sentinel's memory when the end is asked for.
    told = told.plus(call(lab, &purchase, "the last words").await?);
    terminate::end(&lab.world, &purchase, "shown").await?;
    let left = records(lab, &purchase).await?;
    ensure!(same(sum(&left), told), "{:?} is left of {told:?}", sum(&left));
    for record in &left {
        let status = record.status.as_ref().context("a record without a status")?;
        ensure!(status.complete && status.losses.is_empty(), "{status:?}");
        ensure!(
            record.meta().owner_references.is_none(),
            "it would go with its owner"
        );
    }
    let tunepod: TunePod = purchase.tunepod_now(&lab.world).await?;
    let usage = tunepod
        .status
        .and_then(|s| s.usage)
        .context("no usage in the status")?;
    ensure!(usage.closed && usage.losses == 0, "{usage:?}");
    println!("usage) {} requests, {told:?}", told.requests.unwrap_or_default());
    Ok(())
}

/// A call, and what the model server says of it.
async fn call(lab: &Lab, purchase: &Purchase, prompt: &str) -> Result<Quantities> {
    let body = format!(
        "{{\"model\":\"demo\",\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"max_tokens\":4}}"
    );
    let url = format!("{}/v1/chat/completions", purchase.url());
    let (status, answer) = probe::post(&lab.world, &purchase.caller(), &url, &body).await?;
    ensure!(
        status == 200,
        "POST /v1/chat/completions answered {status}: {answer}"
    );
    let tokens = |name: &str| answer.pointer(&format!("/usage/{name}")).and_then(Value::as_i64);
    let used = Quantities {
        requests: Some(1),
        prompt_tokens: tokens("prompt_tokens").filter(|count| *count > 0),
        completion_tokens: tokens("completion_tokens").filter(|count| *count > 0),
        ..Quantities::default()
    };
    ensure!(
        used.completion_tokens.is_some(),
        "the answer tells no tokens: {answer}"
    );
    Ok(used)
}

/// The UsageRecords of the purchase's TunePod. They carry its name as a label.
async fn records(lab: &Lab, purchase: &Purchase) -> Result<Vec<UsageRecord>> {
    let api: Api<UsageRecord> = Api::namespaced(lab.world.client().await?, &purchase.namespace());
    let ours = ListParams::default().labels(&format!("trustbridge.io/tunepod={}", purchase.tunepod()));
    Ok(api.list(&ours).await?.items)
}

fn sum(records: &[UsageRecord]) -> Quantities {
    let all = records.iter().filter_map(|record| record.status.as_ref());
    all.fold(Quantities::default(), |sum, status| sum.plus(status.total))
}

/// Whether requests and tokens are the same; bytes are the sentinel's own measure.
fn same(one: Quantities, other: Quantities) -> bool {
    let of = |q: Quantities| (q.requests, q.prompt_tokens, q.completion_tokens);
    of(one) == of(other)
}

/// A container of the pod neither drains the sentinel nor throws usage away.
async fn inside_is_refused(lab: &Lab, purchase: &Purchase) -> Result<()> {
    let address = pod::address(&lab.world, purchase).await?;
    let uid = pod::get(&lab.world, purchase)
        .await?
        .uid()
        .context("the pod has no UID")?;
    for host in ["127.0.0.1", &address] {
        for (path, expected) in [
            ("/drain?wait=0", "403"),
            ("/usage?after=0&ack=00", "403"),
            // The positive control: the same connection is answered.
            ("/status", "200"),
        ] {
            let status = status_from_inside(&uid, format!("{host}:8001"), path)?;
            ensure!(status == expected, "{host} {path} from inside answered {status}");
        }
    }
    Ok(())
}

/// The status of a GET from the network namespace of the pod's processes.
fn status_from_inside(uid: &str, target: String, path: &str) -> Result<String> {
    let namespace = File::open(format!("/proc/{}/ns/net", process_of(uid)?))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let inside = std::thread::spawn(move || -> Result<String> {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
        let mut stream = TcpStream::connect(target)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).context("no status line")?;
        Ok(status.to_owned())
    });
    inside
        .join()
        .map_err(|_| anyhow::anyhow!("the thread inside the pod failed"))?
}
