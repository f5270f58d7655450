//! The rules of a managed-application package: those of the marketplace, of Azure Resource Manager and of the
//! portal, and our own (what is exposed, what is pinned, what is secret).
//!
//! Each rule has an id. `RULES` lists them all; a test breaks every one and expects to be told its id.

mod files;
mod machine;
mod network;
mod references;
mod secrets;
mod template;
mod ui;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Every rule: its id and what it demands.
pub(crate) const RULES: &[(&str, &str)] = &[
    ("zip-readable", "the package is a zip archive"),
    ("zip-size", "the package has at most 120 MB"),
    (
        "zip-required",
        "mainTemplate.json and createUiDefinition.json lie at the root, with exactly these letters",
    ),
    (
        "zip-names",
        "names are relative, without '..', and each occurs once",
    ),
    (
        "zip-files",
        "nothing lies in the package but its three JSON files",
    ),
    (
        "json-valid",
        "each file is JSON in UTF-8 without a byte order mark",
    ),
    (
        "template-schema",
        "mainTemplate.json names the schema of deployment templates, 2019-04-01, by https",
    ),
    ("template-version", "contentVersion is n.n.n.n"),
    (
        "template-members",
        "mainTemplate.json has the members that Azure knows, and resources",
    ),
    (
        "template-size",
        "mainTemplate.json has at most 4 MB, 256 parameters, 256 variables, 800 resources and 64 outputs",
    ),
    ("resource-fields", "each resource has type, apiVersion and name"),
    (
        "resource-api-version",
        "each apiVersion is a released one from 2023 or later",
    ),
    (
        "resource-location",
        "each resource lies in parameters('location')",
    ),
    (
        "no-linked-templates",
        "no nested or linked deployments, scripts or artifact locations",
    ),
    (
        "parameter-types",
        "each parameter has a type that Azure knows and a description",
    ),
    (
        "reference-defined",
        "each parameters('x') and variables('x') is defined",
    ),
    ("parameter-used", "each parameter is used"),
    ("variable-used", "each variable is used"),
    ("depends-on", "each dependsOn names a resource of the template"),
    (
        "no-secrets",
        "no key, password, SAS, token or certificate is in any file",
    ),
    ("no-secret-default", "no secure parameter has a default value"),
    (
        "output-no-secret",
        "outputs list no keys and show no secure parameter",
    ),
    (
        "contract-id-required",
        "TB_CONTRACT_ID is a string that must be given: minLength, no default value",
    ),
    (
        "offer-fixed",
        "TB_ASSET_ID and TB_EDC_ENDPOINT have one allowed value, and the endpoint is https",
    ),
    (
        "image-pinned",
        "the image has a digest or a tag, and never 'latest'",
    ),
    ("ssh-key-only", "the machine takes no passwords"),
    ("managed-identity", "the machine has a system-assigned identity"),
    (
        "vm-size-parameter",
        "the machine's size is parameters('vmSize'), which has allowed values",
    ),
    (
        "os-disk",
        "the system disk is made from an image and deleted with the machine",
    ),
    (
        "cloud-init",
        "the cloud-init is one, and gets image and environment put in",
    ),
    (
        "runtime-loopback",
        "the model server shares the sentinel's network and publishes no port",
    ),
    ("port-8000-open", "port 8000 is allowed in"),
    (
        "port-8081-denied",
        "a rule denies 8081 from everywhere, before any rule that would allow it",
    ),
    ("only-8000-open", "no rule allows any port in but 8000"),
    (
        "nsg-attached",
        "every network interface carries the network security group",
    ),
    (
        "ui-schema",
        "createUiDefinition.json names the schema of version 0.1.2-preview",
    ),
    ("ui-handler", "its handler is Microsoft.Azure.CreateUIDef"),
    ("ui-version", "its version is 0.1.2-preview"),
    ("ui-members", "it has basics, steps and outputs"),
    ("ui-outputs", "its outputs are exactly the template's parameters"),
    (
        "ui-names",
        "its elements have different names, and types of the portal",
    ),
    ("ui-references", "each output refers to an element that exists"),
    (
        "ui-contract-id",
        "the contract id is asked for in a required text box with a pattern",
    ),
    (
        "ui-offer",
        "asset id and endpoint are the template's, and are not asked for",
    ),
    (
        "ui-vm-sizes",
        "the machine sizes offered are those that the template allows",
    ),
    (
        "view-schema",
        "viewDefinition.json names the schema of version 0.0.1-preview",
    ),
    ("view-version", "its contentVersion is n.n.n.n"),
    (
        "view-kinds",
        "its views are Overview, Metrics, CustomResources or Associations, each with properties",
    ),
];

/// Largest package that the marketplace takes.
pub(crate) const MAX_ZIP_BYTES: usize = 120 * 1000 * 1000;

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The rule's id.
    pub(crate) rule: &'static str,
    /// Where, and how.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let demand = RULES
            .iter()
            .find(|(id, _)| *id == self.rule)
            .map_or("", |(_, demand)| demand);
        write!(f, "[{}] {}; the rule: {demand}", self.rule, self.what)
    }
}

/// What the rules write into.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static str, what: impl Into<String>) {
        self.0.push(Finding {
            rule,
            what: what.into(),
        });
    }

    /// Adds a finding where the demand is not met.
    fn demand(&mut self, met: bool, rule: &'static str, what: impl Into<String>) {
        if !met {
            self.add(rule, what);
        }
    }
}

/// The package's documents.
struct Documents {
    template: Value,
    ui: Value,
    view: Option<Value>,
    /// Every text, by name, for rules about texts.
    texts: Vec<(String, String)>,
}

/// Judges a package. Nothing in the answer: it passes.
pub(crate) fn lint(zip: &[u8]) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.demand(
        zip.len() <= MAX_ZIP_BYTES,
        "zip-size",
        format!("{} bytes", zip.len()),
    );
    if let Some(documents) = files::read(zip, &mut findings) {
        judge(&documents, &mut findings);
    }
    findings.0
}

fn judge(documents: &Documents, findings: &mut Findings) {
    let template = &documents.template;
    template::judge(template, findings);
    references::judge(template, findings);
    machine::judge(template, findings);
    network::judge(template, findings);
    secrets::judge(documents, findings);
    ui::judge(&documents.ui, template, findings);
    if let Some(view) = &documents.view {
        view::judge(view, findings);
    }
}

/// A member that is text.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The members of an object; none where it is not there.
fn members<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The elements of a list; none where it is not there.
fn elements<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// `n.n.n.n`.
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}
