//! What must not be in a package that everybody can download.

use serde_json::Value;

use super::{Documents, Findings, members, text};

/// Texts that stand in or before secrets, and nowhere else.
const MARKS: [&str; 9] = [
    "-----BEGIN ",
    "sig=",
    "AccountKey=",
    "SharedAccessSignature",
    "SharedAccessKey=",
    "DefaultEndpointsProtocol=",
    "Bearer ",
    "eyJhbGciOi",
    "decryption_key",
];

/// Members that hold secrets.
const NAMES: [&str; 6] = [
    "adminpassword",
    "password",
    "clientsecret",
    "accountkey",
    "sastoken",
    "primarykey",
];

pub(super) fn judge(documents: &Documents, findings: &mut Findings) {
    for (name, text) in &documents.texts {
        for mark in MARKS {
            findings.demand(!text.contains(mark), "no-secrets", format!("{name}: {mark:?}"));
        }
    }
    let template = &documents.template;
    let anchor = text(template, "/variables/manifestSha256");
    let image = text(template, "/variables/image");
    walk(template, "", &mut |name, value| {
        let said = NAMES.contains(&name.to_ascii_lowercase().as_str());
        // An expression only passes on what is asked for at deployment.
        let literal = value.as_str().is_some_and(|text| !text.starts_with('['));
        findings.demand(!(said && literal), "no-secrets", format!("the member {name}"));
        let text = value.as_str().unwrap_or_default();
        let key = text != anchor && text != image && has_key(text);
        findings.demand(
            !key,
            "no-secrets",
            format!("{name}: 64 hexadecimal digits, as a key has"),
        );
    });
    for (name, parameter) in members(template, "/parameters") {
        let secure = text(parameter, "/type")
            .to_ascii_lowercase()
            .starts_with("secure");
        let given = parameter.get("defaultValue").is_some();
        findings.demand(!(secure && given), "no-secret-default", name.clone());
    }
    for (name, output) in members(template, "/outputs") {
        let value = output.to_string();
        let lists = ["listKeys(", "listSecrets(", "listAccountSas(", "listServiceSas("]
            .into_iter()
            .any(|call| value.contains(call));
        let shows = members(template, "/parameters").any(|(parameter, facts)| {
            text(facts, "/type").to_ascii_lowercase().starts_with("secure")
                && value.contains(&format!("parameters('{parameter}')"))
        });
        let secure = text(output, "/type").to_ascii_lowercase().starts_with("secure");
        findings.demand(!(lists || shows || secure), "output-no-secret", name.clone());
    }
}

fn walk<'v>(value: &'v Value, name: &'v str, visit: &mut impl FnMut(&'v str, &'v Value)) {
    visit(name, value);
    match value {
        Value::Array(list) => list.iter().for_each(|value| walk(value, name, visit)),
        Value::Object(object) => object.iter().for_each(|(name, value)| walk(value, name, visit)),
        _ => {}
    }
}

fn has_key(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit())
        .any(|run| run.len() == 64)
}
