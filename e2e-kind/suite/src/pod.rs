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

/// The audit records of a log byte for byte, as they were hashed: they stand in the message of a log line.
#[must_use]
pub fn audit_lines(logs: &str) -> Vec<String> {
    let message = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line.pointer("/fields/message").or(line.get("message"))?;
        message.as_str().map(str::to_owned)
    };
    let is_record = |text: &String| {
        serde_json::from_str::<Value>(text).is_ok_and(|v| v.get("prev").is_some() && v.get("hash").is_some())
    };
    logs.lines().filter_map(message).filter(is_record).collect()
}

/// The audit records among the lines of a log.
#[must_use]
pub fn audit_records(logs: &str) -> Vec<Value> {
    let lines = logs
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(record_of).collect()
}

/// A record stands in its line bare, or as a field of a log line whose target is `audit`.
fn record_of(line: Value) -> Option<Value> {
    let is_record = |value: &Value| value.get("req_sha256").is_some() && value.get("contract_id").is_some();
    if is_record(&line) {
        return Some(line);
    }
    let nested = ["record", "fields", "message"]
        .iter()
        .filter_map(|name| line.get(name));
    for value in nested {
        let value = match value {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            Value::Object(fields) => fields
                .get("record")
                .or(fields.get("message"))
                .and_then(Value::as_str)
                .map_or_else(
                    || value.clone(),
                    |text| serde_json::from_str(text).unwrap_or_default(),
                ),
            other => other.clone(),
        };
        if is_record(&value) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_bare_and_inside_a_log_line() {
        let bare = r#"{"contract_id":"c","req_sha256":"x","path":"/a"}"#;
        let inside = r#"{"target":"audit","fields":{"message":"{\"contract_id\":\"c\",\"req_sha256\":\"x\",\"path\":\"/b\"}"}}"#;
        let found = audit_records(&format!("{bare}\nno json\n{{\"level\":\"INFO\"}}\n{inside}\n"));
        let paths: Vec<_> = found
            .iter()
            .map(|record| record["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["/a", "/b"]);
        let record = r#"{"seq":1,"prev":"p","hash":"h"}"#;
        let line = serde_json::json!({"target": "audit", "fields": {"message": record}});
        assert_eq!(audit_lines(&format!("{bare}\n{line}\n")), [record]);
    }
}
