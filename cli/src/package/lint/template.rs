//! What Azure Resource Manager demands of a deployment template.

use serde_json::Value;

use super::{Findings, elements, is_version, members, text};

const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

const MEMBERS: [&str; 9] = [
    "$schema",
    "contentVersion",
    "apiProfile",
    "parameters",
    "functions",
    "variables",
    "resources",
    "outputs",
    "metadata",
];

const TYPES: [&str; 7] = [
    "string",
    "securestring",
    "int",
    "bool",
    "object",
    "secureobject",
    "array",
];

const MAX_TEMPLATE_BYTES: usize = 4 << 20;

/// Older API versions leave the list of supported ones sooner.
const OLDEST_API: &str = "2023-01-01";

pub(super) fn judge(template: &Value, findings: &mut Findings) {
    let schema = text(template, "/$schema");
    findings.demand(schema == SCHEMA, "template-schema", format!("{schema:?}"));
    let version = text(template, "/contentVersion");
    findings.demand(is_version(version), "template-version", format!("{version:?}"));
    shape(template, findings);
    for (name, parameter) in members(template, "/parameters") {
        let kind = text(parameter, "/type").to_ascii_lowercase();
        findings.demand(
            TYPES.contains(&kind.as_str()),
            "parameter-types",
            format!("{name}: {kind:?}"),
        );
        let described = !text(parameter, "/metadata/description").is_empty();
        findings.demand(described, "parameter-types", format!("{name}: no description"));
    }
    for resource in elements(template, "/resources") {
        one_resource(resource, findings);
    }
}

fn shape(template: &Value, findings: &mut Findings) {
    for (name, _) in members(template, "") {
        let known = MEMBERS.contains(&name.as_str());
        findings.demand(known, "template-members", format!("unknown: {name:?}"));
    }
    let some = elements(template, "/resources").next().is_some();
    findings.demand(some, "template-members", "no resources");
    let counts = [
        ("parameters", members(template, "/parameters").count(), 256),
        ("variables", members(template, "/variables").count(), 256),
        ("outputs", members(template, "/outputs").count(), 64),
        ("resources", elements(template, "/resources").count(), 800),
        ("bytes", template.to_string().len(), MAX_TEMPLATE_BYTES),
    ];
    for (what, count, most) in counts {
        findings.demand(count <= most, "template-size", format!("{count} {what}"));
    }
}

fn one_resource(resource: &Value, findings: &mut Findings) {
    let (kind, name) = (text(resource, "/type"), text(resource, "/name"));
    let version = text(resource, "/apiVersion");
    findings.demand(
        kind.contains('/') && !name.is_empty() && !version.is_empty(),
        "resource-fields",
        format!("{kind} {name}"),
    );
    findings.demand(
        is_date(version) && version >= OLDEST_API,
        "resource-api-version",
        format!("{kind}: {version:?}"),
    );
    let location = text(resource, "/location");
    findings.demand(
        location == "[parameters('location')]",
        "resource-location",
        format!("{kind}: {location:?}"),
    );
    // What is fetched at deployment was never certified; nested deployments hide resources from these rules.
    let lower = kind.to_ascii_lowercase();
    let nested =
        lower.starts_with("microsoft.resources/deployment") || resource.pointer("/resources").is_some();
    findings.demand(!nested, "no-linked-templates", kind);
    let text = resource.to_string();
    let linked = ["templateLink", "_artifactsLocation", "deployment().properties"]
        .into_iter()
        .find(|word| text.contains(word));
    findings.demand(
        linked.is_none(),
        "no-linked-templates",
        format!("{kind}: {}", linked.unwrap_or_default()),
    );
}

/// `YYYY-MM-DD`, and nothing after it: no preview.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.char_indices().all(|(at, c)| {
            if matches!(at, 4 | 7) {
                c == '-'
            } else {
                c.is_ascii_digit()
            }
        })
}
