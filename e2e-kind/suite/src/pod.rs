//! The pod of a TunePod, as the node and its logs show it.

use crate::buyer::Purchase;
use crate::wait;
use crate::world::World;
use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde_json::Value;
use std::time::Duration;

/// Name of the injected container.
pub const SENTINEL: &str = "tb-sentinel";

/// The pod.
pub async fn get(world: &World, purchase: &Purchase) -> Result<Pod> {
    let api: Api<Pod> = Api::namespaced(world.client().await?, &purchase.protected());
    Ok(api.get(&purchase.tunepod()).await?)
}

/// Its address.
pub async fn address(world: &World, purchase: &Purchase) -> Result<String> {
    get(world, purchase)
        .await?
        .status
        .and_then(|status| status.pod_ip)
        .context("the pod has no address")
}

/// Checks that the first init container is the sentinel, running as a native sidecar.
pub async fn injected(world: &World, purchase: &Purchase) -> Result<String> {
    let pod = get(world, purchase).await?;
    let containers = pod.spec.and_then(|spec| spec.init_containers).unwrap_or_default();
    let first = containers.first().context("the pod has no init container")?;
    ensure!(
        first.name == SENTINEL,
        "the first init container is {} instead of {SENTINEL}",
        first.name
    );
    ensure!(
        first.restart_policy.as_deref() == Some("Always"),
        "{SENTINEL} is no native sidecar"
    );
    Ok(format!("first init container {SENTINEL}, restartPolicy Always"))
}

/// What a container of it wrote.
pub async fn logs(world: &World, purchase: &Purchase, container: &str) -> Result<String> {
    let api: Api<Pod> = Api::namespaced(world.client().await?, &purchase.protected());
    let params = LogParams {
        container: Some(container.to_owned()),
        ..LogParams::default()
    };
    Ok(api.logs(&purchase.tunepod(), &params).await?)
}

/// The audit record of a proxied request to that path.
pub async fn audit_record(world: &World, purchase: &Purchase, path: &str) -> Result<Value> {
    wait::until_ok("an audit record", Duration::from_secs(20), async || {
        let logs = logs(world, purchase, SENTINEL).await?;
        match audit_records(&logs)
            .into_iter()
            .rev()
            .find(|record| record.get("path").and_then(Value::as_str) == Some(path))
        {
            Some(record) => Ok(record),
            None => bail!("the sentinel wrote no audit record for {path}"),
        }
    })
    .await
}

/// The audit records of a log byte for byte, as they were hashed: lines of their own between those of the log.
#[must_use]
pub fn audit_lines(logs: &str) -> Vec<String> {
    let is_record = |line: &&str| {
        serde_json::from_str::<Value>(line).is_ok_and(|v| v.get("prev").is_some() && v.get("hash").is_some())
    };
    logs.lines().filter(is_record).map(str::to_owned).collect()
}

/// The audit records among the lines of a log.
#[must_use]
pub fn audit_records(logs: &str) -> Vec<Value> {
    let is_record = |value: &Value| value.get("req_sha256").is_some() && value.get("contract_id").is_some();
    let lines = logs
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(is_record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_between_the_lines_of_a_log() {
        let logged = r#"{"level":"INFO","target":"trustbridge_sentinel"}"#;
        let record = r#"{"contract_id":"c","req_sha256":"x","path":"/a","seq":2,"prev":"p","hash":"h"}"#;
        let checkpoint = r#"{"checkpoint":{},"seq":1,"prev":"p","hash":"h"}"#;
        let logs = format!("{checkpoint}\nno json\n{logged}\n{record}\n");
        let found = audit_records(&logs);
        assert_eq!((found.len(), found[0]["path"].as_str()), (1, Some("/a")));
        assert_eq!(audit_lines(&logs), [checkpoint, record]);
    }
}
