//! What the portal shows of a deployed application.

use serde_json::Value;

use super::{Findings, elements, is_version, text};

const SCHEMA: &str =
    "https://schema.management.azure.com/schemas/viewdefinition/0.0.1-preview/ViewDefinition.json#";
const KINDS: [&str; 4] = ["Overview", "Metrics", "CustomResources", "Associations"];

pub(super) fn judge(view: &Value, findings: &mut Findings) {
    let schema = text(view, "/$schema");
    findings.demand(schema == SCHEMA, "view-schema", format!("{schema:?}"));
    let version = text(view, "/contentVersion");
    findings.demand(is_version(version), "view-version", format!("{version:?}"));
    findings.demand(
        elements(view, "/views").next().is_some(),
        "view-kinds",
        "no views",
    );
    for one in elements(view, "/views") {
        let kind = text(one, "/kind");
        let whole = KINDS.contains(&kind) && one.get("properties").is_some_and(Value::is_object);
        findings.demand(whole, "view-kinds", format!("{kind:?}"));
    }
}
