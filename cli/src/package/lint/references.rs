//! Expressions: what they refer to is there, and what is there is referred to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Findings, elements, members, text};

pub(super) fn judge(template: &Value, findings: &mut Findings) {
    let mut expressions = Vec::new();
    for part in ["/parameters", "/variables", "/resources", "/outputs"] {
        collect(template.pointer(part).unwrap_or(&Value::Null), &mut expressions);
    }
    for (function, part, unused) in [
        ("parameters", "/parameters", "parameter-used"),
        ("variables", "/variables", "variable-used"),
    ] {
        let used: BTreeSet<&str> = expressions
            .iter()
            .flat_map(|text| arguments(text, function))
            .collect();
        // Names are compared as Azure does, without regard to case.
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        for name in &used {
            let defined = members(template, part).any(|(known, _)| same(known, name));
            findings.demand(defined, "reference-defined", format!("{function}('{name}')"));
        }
        for (name, _) in members(template, part) {
            let is_used = used.iter().any(|used| same(used, name));
            findings.demand(is_used, unused, name.clone());
        }
    }
    dependencies(template, findings);
}

/// Azure takes `resourceId('Type', ...)`; the type must be that of a resource here.
fn dependencies(template: &Value, findings: &mut Findings) {
    let types: Vec<&str> = elements(template, "/resources")
        .map(|r| text(r, "/type"))
        .collect();
    for resource in elements(template, "/resources") {
        for dependency in elements(resource, "/dependsOn") {
            let target = dependency.as_str().unwrap_or_default();
            let kind = arguments(target, "resourceId")
                .into_iter()
                .next()
                .unwrap_or_default();
            let known = types.iter().any(|known| known.eq_ignore_ascii_case(kind));
            findings.demand(
                known,
                "depends-on",
                format!("{}: {target:?}", text(resource, "/type")),
            );
        }
    }
}

/// Every expression below a value: texts in brackets, where `[[` only stands for a bracket.
fn collect<'v>(value: &'v Value, into: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if text.starts_with('[') && !text.starts_with("[[") => into.push(text),
        Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
        Value::Object(object) => object.values().for_each(|value| collect(value, into)),
        _ => {}
    }
}

/// The first argument of each call of a function, where it is a literal.
pub(super) fn arguments<'t>(text: &'t str, function: &str) -> Vec<&'t str> {
    let call = format!("{function}('");
    text.match_indices(&call)
        .filter_map(|(at, _)| {
            let rest = text.get(at + call.len()..)?;
            rest.split('\'').next()
        })
        .collect()
}
