//! The portal's form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::references::arguments;
use super::{Findings, elements, members, text};

const SCHEMA: &str =
    "https://schema.management.azure.com/schemas/0.1.2-preview/CreateUIDefinition.MultiVm.json#";
const HANDLER: &str = "Microsoft.Azure.CreateUIDef";
const VERSION: &str = "0.1.2-preview";
const CONTRACT: &str = "TB_CONTRACT_ID";

pub(super) fn judge(ui: &Value, template: &Value, findings: &mut Findings) {
    for (member, rule, right) in [
        ("/$schema", "ui-schema", SCHEMA),
        ("/handler", "ui-handler", HANDLER),
        ("/version", "ui-version", VERSION),
    ] {
        let said = text(ui, member);
        findings.demand(said == right, rule, format!("{said:?}"));
    }
    for part in ["/parameters/basics", "/parameters/steps"] {
        let list = ui.pointer(part).is_some_and(Value::is_array);
        findings.demand(list, "ui-members", part);
    }
    let object = ui.pointer("/parameters/outputs").is_some_and(Value::is_object);
    findings.demand(object, "ui-members", "/parameters/outputs");
    let form = Form::read(ui, findings);
    outputs(ui, template, &form, findings);
    contract(ui, &form, findings);
    offer(ui, template, findings);
    sizes(ui, template, &form, findings);
}

/// The form's elements by the expression that reads them.
struct Form<'v>(BTreeMap<String, &'v Value>);

impl<'v> Form<'v> {
    fn read(ui: &'v Value, findings: &mut Findings) -> Self {
        let mut known = BTreeMap::new();
        let mut add = |expression: String, element: &'v Value| {
            let kind = text(element, "/type");
            findings.demand(
                kind.starts_with("Microsoft."),
                "ui-names",
                format!("{expression}: type {kind:?}"),
            );
            let twice = known.insert(expression.clone(), element).is_some();
            let named = !text(element, "/name").is_empty();
            findings.demand(!twice && named, "ui-names", expression);
        };
        for element in elements(ui, "/parameters/basics") {
            add(format!("[basics('{}')]", text(element, "/name")), element);
        }
        for step in elements(ui, "/parameters/steps") {
            for element in elements(step, "/elements") {
                let expression = format!("[steps('{}').{}]", text(step, "/name"), text(element, "/name"));
                add(expression, element);
            }
        }
        Self(known)
    }

    fn behind(&self, ui: &Value, output: &str) -> Option<&'v Value> {
        let expression = text(ui, &format!("/parameters/outputs/{output}"));
        self.0.get(expression).copied()
    }
}

fn outputs(ui: &Value, template: &Value, form: &Form<'_>, findings: &mut Findings) {
    let given: BTreeSet<&String> = members(ui, "/parameters/outputs").map(|(name, _)| name).collect();
    let wanted: BTreeSet<&String> = members(template, "/parameters").map(|(name, _)| name).collect();
    for name in given.symmetric_difference(&wanted) {
        let side = if given.contains(name) {
            "the template has no such parameter"
        } else {
            "the form gives no such output"
        };
        findings.add("ui-outputs", format!("{name}: {side}"));
    }
    for (name, value) in members(ui, "/parameters/outputs") {
        let expression = value.as_str().unwrap_or_default();
        let reads = ["basics", "steps"]
            .into_iter()
            .any(|call| !arguments(expression, call).is_empty());
        let known = !reads || form.0.contains_key(expression);
        findings.demand(known, "ui-references", format!("{name}: {expression:?}"));
    }
}

fn contract(ui: &Value, form: &Form<'_>, findings: &mut Findings) {
    let asked = form.behind(ui, CONTRACT).is_some_and(|element| {
        text(element, "/type") == "Microsoft.Common.TextBox"
            && element.pointer("/constraints/required") == Some(&Value::Bool(true))
            && !text(element, "/constraints/regex").is_empty()
            && !text(element, "/constraints/validationMessage").is_empty()
    });
    findings.demand(asked, "ui-contract-id", CONTRACT);
}

fn offer(ui: &Value, template: &Value, findings: &mut Findings) {
    for name in ["TB_ASSET_ID", "TB_EDC_ENDPOINT"] {
        let given = text(ui, &format!("/parameters/outputs/{name}"));
        let fixed = text(template, &format!("/parameters/{name}/defaultValue"));
        findings.demand(given == fixed, "ui-offer", format!("{name}: {given:?}"));
    }
}

fn sizes(ui: &Value, template: &Value, form: &Form<'_>, findings: &mut Findings) {
    let allowed: BTreeSet<&str> = elements(template, "/parameters/vmSize/allowedValues")
        .filter_map(Value::as_str)
        .collect();
    let offered: BTreeSet<&str> = form
        .behind(ui, "vmSize")
        .into_iter()
        .flat_map(|element| elements(element, "/constraints/allowedValues"))
        .map(|choice| text(choice, "/value"))
        .collect();
    findings.demand(
        !offered.is_empty() && offered == allowed,
        "ui-vm-sizes",
        format!("offered {offered:?}"),
    );
}
