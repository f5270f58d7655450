//! Generated files are what the code says, and the definitions keep the promises of the API conventions.

use serde_json::Value;
use std::path::Path;
use xtask::generate;

#[test]
fn generated_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in generate::all().unwrap() {
        let on_disk = std::fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        assert!(
            on_disk == file.text,
            "{} is stale: run `cargo run -p xtask -- all`",
            file.path
        );
    }
}

#[test]
fn every_served_field_is_described_and_every_definition_is_small() {
    for crd in trustbridge_api::crds() {
        let json = serde_json::to_string(&crd).unwrap();
        assert!(
            json.len() <= 200_000,
            "{} is {} bytes",
            crd.spec.names.kind,
            json.len()
        );
        for version in &crd.spec.versions {
            let columns = version.additional_printer_columns.as_ref().map_or(0, Vec::len);
            assert!(
                (5..=9).contains(&columns),
                "{} has {columns} columns",
                crd.spec.names.kind
            );
            let schema = serde_json::to_value(&version.schema).unwrap();
            describe(&crd.spec.names.kind, &schema["openAPIV3Schema"]);
        }
    }
}

fn describe(path: &str, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        if let Some(items) = schema.get("items") {
            describe(&format!("{path}[]"), items);
        }
        return;
    };
    for (name, child) in properties {
        let here = format!("{path}.{name}");
        let text = child
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        assert!(
            !text.is_empty() || name == "metadata",
            "{here} has no description"
        );
        describe(&here, child);
        if let Some(items) = child.get("items") {
            describe(&format!("{here}[]"), items);
        }
    }
}
