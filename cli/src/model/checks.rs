//! Whether a loader can read the model as streams. It cannot look into a stream beforehand, so what it would
//! have looked up in the weights must stand, truthfully, in `config.json`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;
use trustbridge_tbenc::manifest::Role;

use super::safetensors::read_header;
use super::scan::Scan;
use crate::failure::Failure;

const INDEX: &str = "model.safetensors.index.json";
const LM_HEAD: &str = "lm_head.weight";

/// Refuses a directory that would load wrongly, or not at all, from streams.
pub(crate) fn check(root: &Path, scan: &Scan) -> Result<(), Failure> {
    let weights: Vec<&str> = scan
        .files
        .iter()
        .filter(|file| file.role == Role::Weights)
        .map(|file| file.path.as_str())
        .collect();
    if weights.is_empty() {
        return Err(refused(
            root,
            "has no *.safetensors file; give a model directory, or one file with --in FILE",
        ));
    }
    let mut tensors = BTreeSet::new();
    for file in scan.files.iter().filter(|file| file.role == Role::Weights) {
        tensors.extend(read_header(&file.full)?.into_keys());
    }
    check_config(&root.join("config.json"), &tensors)?;
    let has_index = scan.files.iter().any(|file| file.path == INDEX);
    if has_index {
        check_index(&root.join(INDEX), &weights)
    } else {
        Ok(())
    }
}

fn check_config(path: &Path, tensors: &BTreeSet<String>) -> Result<(), Failure> {
    let config = read_object(path)?;
    let dtype = field(&config, "dtype").or_else(|| field(&config, "torch_dtype"));
    if !dtype.is_some_and(Value::is_string) {
        let rule = "must say \"dtype\" (or \"torch_dtype\"), such as \"bfloat16\": a loader cannot look it up in a stream; add it, \
                    with the type that the weights have";
        return Err(refused(path, rule));
    }
    let has_own_head = tensors
        .iter()
        .any(|name| name == LM_HEAD || name.ends_with(&format!(".{LM_HEAD}")));
    match (
        field(&config, "tie_word_embeddings").and_then(Value::as_bool),
        has_own_head,
    ) {
        (Some(true), true) => Err(refused(
            path,
            "says \"tie_word_embeddings\": true, but the weights hold lm_head.weight, which a loader of streams would \
             drop; set it to false",
        )),
        (Some(false), false) => Err(refused(
            path,
            "says \"tie_word_embeddings\": false, but the weights hold no lm_head.weight; set it to true",
        )),
        (None, _) => Err(refused(
            path,
            &format!(
                "must say \"tie_word_embeddings\": {}, as the weights are",
                !has_own_head
            ),
        )),
        _ => Ok(()),
    }
}

/// A field of the configuration, or of the text part of a multimodal one.
fn field<'c>(config: &'c Value, name: &str) -> Option<&'c Value> {
    let nested = || config.get("text_config").and_then(|text| text.get(name));
    config.get(name).filter(|value| !value.is_null()).or_else(nested)
}

fn check_index(path: &Path, weights: &[&str]) -> Result<(), Failure> {
    let index = read_object(path)?;
    let Some(map) = index.get("weight_map").and_then(Value::as_object) else {
        return Err(refused(
            path,
            "must have an object \"weight_map\"; write it again with the model's own tools",
        ));
    };
    let named: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    if let Some(missing) = named.iter().find(|name| !weights.contains(name)) {
        return Err(refused(
            path,
            &format!("names {missing:?}, which is not there; fetch the missing shard"),
        ));
    }
    if let Some(unread) = weights.iter().find(|name| !named.contains(**name)) {
        let rule = format!("does not name {unread:?}, so no loader would read that file; --exclude {unread}");
        return Err(refused(path, &rule));
    }
    Ok(())
}

fn read_object(path: &Path) -> Result<Value, Failure> {
    let bytes = fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => refused(
            path,
            "is not there, and a model directory needs it; give the folder that from_pretrained() would read",
        ),
        _ => Failure::file("reading", path, &e),
    })?;
    serde_json::from_slice(&bytes)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| refused(path, "must be a JSON object"))
}

fn refused(path: &Path, rule: &str) -> Failure {
    Failure::data(format!("{}: {rule}", path.display()))
}
