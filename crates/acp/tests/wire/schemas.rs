//! The published JSON Schemas are those of the declarations. `TB_WRITE=1` writes them.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use trustbridge_acp::{Name, schema};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/acp/schemas")
}

fn text(name: Name) -> String {
    let mut text = serde_json::to_string_pretty(&sorted(&schema::message(name))).unwrap();
    text.push('\n');
    text
}

/// The same with its keys in order: whether objects keep theirs depends on what else is built.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keys: BTreeSet<&String> = map.keys().collect();
            keys.into_iter()
                .map(|key| (key.clone(), sorted(&map[key])))
                .collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

#[test]
fn the_published_schemas_are_current() {
    if std::env::var_os("TB_WRITE").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        for name in Name::ALL {
            std::fs::write(folder().join(format!("{}.json", name.as_str())), text(*name)).unwrap();
        }
    }
    for name in Name::ALL {
        let path = folder().join(format!("{}.json", name.as_str()));
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        let next = "write it with TB_WRITE=1 cargo test -p trustbridge-acp --test wire schemas";
        assert!(
            published == text(*name),
            "{} is not current: {next}",
            path.display()
        );
    }
    let files = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let all: BTreeSet<String> = Name::ALL
        .iter()
        .map(|name| format!("{}.json", name.as_str()))
        .collect();
    assert_eq!(found, all);
}
