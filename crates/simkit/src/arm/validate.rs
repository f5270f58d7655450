//! What ARM refuses before it starts anything.

use super::engine::Pool;
use crate::answer::Problem;
use serde_json::Value;
use trustbridge_azure::arm::AgentPool;
use trustbridge_azure::arm::name::is_pool_name;

const RESERVED_LABELS: [&str; 2] = ["kubernetes.azure.com", "kubernetes.io"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Reads and checks the body of a PUT.
pub(super) fn body(name: &str, body: &Value, existing: Option<&Pool>) -> Result<AgentPool, Problem> {
    let invalid = |message: String| Problem::bad("InvalidParameter", message);
    if !is_pool_name(name) {
        return Err(invalid(format!(
            "The agent pool name {name:?} must match ^[a-z][a-z0-9]{{0,11}}$."
        )));
    }
    if !body.get("properties").is_some_and(Value::is_object) {
        return Err(Problem::bad(
            "MissingRequiredParameter",
            "Required parameter properties is missing (null).",
        ));
    }
    let pool: AgentPool = serde_json::from_value(body.clone())
        .map_err(|error| invalid(format!("The request body does not deserialize: {error}.")))?;
    let wanted = &pool.properties;
    let Some(size) = wanted.vm_size.as_deref().filter(|size| !size.is_empty()) else {
        return Err(Problem::bad(
            "MissingRequiredParameter",
            "Required parameter vmSize is missing (null).",
        ));
    };
    if wanted.count.unwrap_or(1) > 1000 {
        return Err(invalid(
            "The value of parameter count must be between 0 and 1000.".to_owned(),
        ));
    }
    if !matches!(wanted.mode.as_deref(), None | Some("User" | "System")) {
        return Err(invalid(
            "The value of parameter mode must be User or System.".to_owned(),
        ));
    }
    if let Some(label) = wanted.node_labels.keys().find(|label| is_reserved(label)) {
        return Err(invalid(format!("Label {label} has a prefix that AKS reserves.")));
    }
    if let Some(taint) = wanted.node_taints.iter().find(|taint| !is_taint(taint)) {
        return Err(invalid(format!("Taint {taint} must be key=value:effect.")));
    }
    if let Some(before) = existing {
        let fixed = before.body.properties.vm_size.as_deref();
        if fixed != Some(size) {
            let message = "Changing property 'properties.vmSize' is not allowed.";
            return Err(Problem::bad("PropertyChangeNotAllowed", message));
        }
    }
    Ok(pool)
}

fn is_reserved(label: &str) -> bool {
    let prefix = label.split_once('/').map_or("", |(prefix, _)| prefix);
    RESERVED_LABELS
        .iter()
        .any(|reserved| prefix == *reserved || prefix.ends_with(&format!(".{reserved}")))
}

fn is_taint(taint: &str) -> bool {
    taint
        .rsplit_once(':')
        .is_some_and(|(key, effect)| !key.is_empty() && EFFECTS.contains(&effect))
}
