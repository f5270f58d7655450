//! Every rule is broken once, and must be named.

use super::*;
use crate::package::tests::offer;
use crate::package::{CREATE_UI, MAIN_TEMPLATE, VIEW, build};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

mod template;

type Files = Vec<(String, Vec<u8>)>;

fn files() -> Files {
    let mut archive = ZipArchive::new(Cursor::new(build(&offer()).unwrap())).unwrap();
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    };
    (0..3).map(read).collect()
}

fn zipped(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The package with one value replaced; `null` removes it.
fn with(file: &str, pointer: &str, value: &Value) -> Vec<u8> {
    let mut files = files();
    let (_, bytes) = files.iter_mut().find(|(name, _)| name == file).unwrap();
    let mut document: Value = serde_json::from_slice(bytes).unwrap();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(object) if value.is_null() => drop(object.remove(member)),
        Value::Object(object) => drop(object.insert(member.to_owned(), value.clone())),
        Value::Array(list) if member == "-" => list.push(value.clone()),
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value.clone(),
        other => panic!("{other}"),
    }
    *bytes = serde_json::to_vec(&document).unwrap();
    zipped(&files)
}

fn renamed(from: &str, to: &str) -> Vec<u8> {
    let mut files = files();
    for (name, _) in &mut files {
        if name == from {
            to.clone_into(name);
        }
    }
    zipped(&files)
}

fn broken_files() -> Vec<(&'static str, Vec<u8>)> {
    let mut extra = files();
    extra.push(("weights.safetensors".to_owned(), vec![0]));
    let mut mark = files();
    mark[0].1.splice(0..0, *b"\xef\xbb\xbf");
    let mut climbing = files();
    climbing.push(("../evil.json".to_owned(), b"{}".to_vec()));
    // The writer refuses a second name; the same length lets the bytes be exchanged.
    let twice = {
        let mut files = files();
        files.push(("mainTemplatX.json".to_owned(), b"{}".to_vec()));
        let mut bytes = zipped(&files);
        while let Some(at) = bytes.windows(17).position(|w| w == b"mainTemplatX.json") {
            bytes[at + 11] = b'e';
        }
        bytes
    };
    let mut huge = build(&offer()).unwrap();
    huge.splice(0..0, vec![0; 120_000_001]);
    vec![
        ("zip-readable", b"no zip".to_vec()),
        ("zip-size", huge),
        ("zip-required", renamed(MAIN_TEMPLATE, "maintemplate.json")),
        ("zip-required", renamed(CREATE_UI, "ui/createUiDefinition.json")),
        ("zip-names", zipped(&climbing)),
        ("zip-names", twice),
        ("zip-files", zipped(&extra)),
        ("json-valid", zipped(&mark)),
    ]
}

fn broken_cloud_init() -> Vec<(&'static str, Vec<u8>)> {
    let changed = |from: &str, to: &str| {
        let text = crate::package::CLOUD_INIT;
        assert!(text.contains(from), "{from}");
        with(
            MAIN_TEMPLATE,
            "/variables/cloudInit",
            &json!(text.replace(from, to)),
        )
    };
    vec![
        ("cloud-init", changed("#cloud-config", "#!/bin/sh")),
        ("cloud-init", changed("@IMAGE@", "x")),
        (
            "runtime-loopback",
            changed("--network container:tb-sentinel", "--network host"),
        ),
        (
            "runtime-loopback",
            changed("--publish 8000:8000", "--publish 8000:8000 --publish 8081:8081"),
        ),
        (
            "runtime-loopback",
            changed("http://127.0.0.1:8081", "http://0.0.0.0:8081"),
        ),
    ]
}

fn broken_portal() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let twin = json!({"name": "contractId", "type": "Microsoft.Common.TextBox"});
    vec![
        ("ui-schema", CREATE_UI, "/$schema", json!("https://a")),
        (
            "ui-handler",
            CREATE_UI,
            "/handler",
            json!("Microsoft.Compute.MultiVm"),
        ),
        ("ui-version", CREATE_UI, "/version", json!("0.1.1-preview")),
        ("ui-members", CREATE_UI, "/parameters/steps", Value::Null),
        (
            "ui-outputs",
            CREATE_UI,
            "/parameters/outputs/location",
            Value::Null,
        ),
        ("ui-outputs", CREATE_UI, "/parameters/outputs/more", json!("x")),
        ("ui-names", CREATE_UI, "/parameters/basics/-", twin),
        (
            "ui-names",
            CREATE_UI,
            "/parameters/basics/0/type",
            json!("TextBox"),
        ),
        (
            "ui-references",
            CREATE_UI,
            "/parameters/outputs/vmSize",
            json!("[basics('size')]"),
        ),
        (
            "ui-contract-id",
            CREATE_UI,
            "/parameters/basics/0/constraints/required",
            json!(false),
        ),
        (
            "ui-contract-id",
            CREATE_UI,
            "/parameters/basics/0/constraints/regex",
            Value::Null,
        ),
        (
            "ui-offer",
            CREATE_UI,
            "/parameters/outputs/TB_ASSET_ID",
            json!("[basics('contractId')]"),
        ),
        (
            "ui-vm-sizes",
            CREATE_UI,
            "/parameters/basics/1/constraints/allowedValues/0/value",
            json!("Standard_A0"),
        ),
        ("view-schema", VIEW, "/$schema", json!("https://a")),
        ("view-version", VIEW, "/contentVersion", json!("1")),
        ("view-kinds", VIEW, "/views/0/kind", json!("Secrets")),
        ("view-kinds", VIEW, "/views", json!([])),
    ]
}

#[test]
fn every_rule_can_be_broken_and_is_named() {
    let mut broken = broken_files();
    broken.extend(
        template::broken().map(|(rule, pointer, value)| (rule, with(MAIN_TEMPLATE, pointer, &value))),
    );
    broken.extend(broken_cloud_init());
    broken.extend(
        broken_portal()
            .into_iter()
            .map(|(rule, file, pointer, value)| (rule, with(file, pointer, &value))),
    );
    let mut named = BTreeSet::new();
    for (rule, zip) in &broken {
        let findings = lint(zip);
        assert!(
            findings.iter().any(|finding| finding.rule == *rule),
            "{rule}: {findings:?}"
        );
        named.insert(*rule);
    }
    let all: BTreeSet<&str> = RULES.iter().map(|(id, _)| *id).collect();
    assert_eq!(named, all, "a rule without a test, or a test without a rule");
    println!("{} rules, {} ways to break them", all.len(), broken.len());
}

#[test]
fn a_finding_says_its_rule() {
    let shown = Finding {
        rule: "image-pinned",
        what: "x".to_owned(),
    }
    .to_string();
    assert!(
        shown.contains("[image-pinned] x") && shown.contains("latest"),
        "{shown}"
    );
}
