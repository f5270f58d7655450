//! What the cluster itself does to protected pods and their namespaces goes on under the policies.

use super::gate::{Ask, Gate, Who};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the namespace's controller and the garbage collector may take.
const LIMIT: Duration = Duration::from_secs(90);

fn ask(who: Who, method: &'static str, path: String, body: Value) -> Ask {
    Ask {
        who,
        method,
        path,
        body,
    }
}

async fn done(gate: &Gate, ask: &Ask) -> Result<Value> {
    let answer = gate.ask(ask).await?;
    answer
        .map_err(|refusal| anyhow::anyhow!("{:?} {} {}: {}", ask.who, ask.method, ask.path, refusal.message))
}

/// Waits until there is no object at `path`. Answers the seconds that it took.
async fn until_gone(gate: &Gate, path: &str) -> Result<f64> {
    let start = Instant::now();
    let read = ask(Who::Admin, "GET", path.to_owned(), Value::Null);
    loop {
        match gate.ask(&read).await? {
            Err(refusal) if refusal.code == 404 => return Ok(start.elapsed().as_secs_f64()),
            Err(refusal) => bail!("{path}: {}", refusal.message),
            Ok(left) if start.elapsed() > LIMIT => bail!("{path} is still there: {}", left["status"]),
            Ok(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// A namespace with a guarded pod and what the operator keeps beside it: nobody but the operator may take those away,
/// until the namespace goes; then the namespace's controller may.
pub async fn namespace(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.read().await;
    let org = format!("t1e{}", std::process::id());
    gate.organisation(&org).await?;
    let (own, protected) = (format!("tb-{org}"), format!("tb-{org}-protected"));
    let core = format!("/api/v1/namespaces/{protected}");
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{protected}/networkpolicies");
    let authorities = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trustbridge-ca"}, "data": {"ca.crt": "x"}});
    let deny = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "t1"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}});
    for (path, object) in [
        (format!("{core}/configmaps"), authorities),
        (policies.clone(), deny),
        (format!("{core}/pods"), Gate::pod(&protected, "guarded")),
    ] {
        done(&gate, &ask(Who::Operator, "POST", path, object)).await?;
    }
    let pod = gate.read(&format!("{core}/pods/guarded")).await?;
    ensure!(
        pod["spec"]["initContainers"][0]["name"] == "tb-sentinel",
        "the pod is not guarded"
    );
    // The positive control: as long as the namespace stays, so do they.
    for path in [
        format!("{core}/configmaps/trustbridge-ca"),
        format!("{policies}/t1"),
    ] {
        let gone = ask(Who::Admin, "DELETE", format!("{path}?dryRun=All"), Value::Null);
        ensure!(
            gate.ask(&gone).await?.is_err(),
            "{path} may be deleted by anybody"
        );
    }
    done(&gate, &ask(Who::Admin, "DELETE", core.clone(), Value::Null)).await?;
    let seconds = until_gone(&gate, &core).await?;
    println!(
        "the protected namespace with its pod, its network policy and its authorities was gone after {seconds:.1} s"
    );
    let tunepod = format!("/apis/trustbridge.io/v1alpha1/namespaces/{own}/tunepods/t1-tunepod");
    gate.gone(&tunepod).await?;
    gate.gone(&format!("/api/v1/namespaces/{own}")).await
}

/// A pod goes with its owner, by the real garbage collector.
pub async fn collected(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.read().await;
    let core = format!("/api/v1/namespaces/{}", gate.protected());
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}});
    let owner = gate.made(&format!("{core}/configmaps"), &owner).await?;
    let mut pod = Gate::pod(&gate.protected(), "owned");
    let uid = owner.pointer("/metadata/uid").context("a UID")?;
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]);
    done(&gate, &ask(Who::Operator, "POST", format!("{core}/pods"), pod)).await?;
    gate.gone(&format!("{core}/configmaps/owner")).await?;
    let seconds = until_gone(&gate, &format!("{core}/pods/owned")).await?;
    println!("the garbage collector ended a protected pod after {seconds:.1} s");
    Ok(())
}

/// Each as it writes in a cluster with nodes; there is none behind these pods, so nothing stays.
pub async fn statuses(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.read().await;
    let pod = format!("/api/v1/namespaces/{}/pods/victim", gate.bare());
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let running = json!({"phase": "Running", "podIP": "10.9.9.8", "podIPs": [{"ip": "10.9.9.8"}], "hostIP": "10.9.9.1",
        "conditions": [condition("Ready", "True")],
        "initContainerStatuses": [{"name": "tb-sentinel", "ready": true, "restartCount": 0, "image": "x", "imageID": "x",
            "started": true, "state": {"running": {}}}]});
    let failed = json!({"phase": "Failed", "conditions": [condition("DisruptionTarget", "True")]});
    let unready = json!({"conditions": [condition("Ready", "False")]});
    let unscheduled = json!({"conditions": [condition("PodScheduled", "False")]});
    for (who, status) in [
        (Who::Node, running),
        (Who::PodCollector, failed),
        (Who::NodeController, unready),
        (Who::Scheduler, unscheduled),
    ] {
        let body = json!({"status": status});
        done(
            &gate,
            &ask(who, "PATCH", format!("{pod}/status?dryRun=All"), body),
        )
        .await?;
    }
    for who in [Who::PodCollector, Who::Node, Who::NodeController] {
        // In the body: where there is one, the server does not look at the query.
        let now = json!({"gracePeriodSeconds": 0, "dryRun": ["All"]});
        done(&gate, &ask(who, "DELETE", pod.clone(), now)).await?;
    }
    Ok(())
}
