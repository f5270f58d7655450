//! Every path of both documents, with what is accepted and refused there.

use crate::document::{json, pointer, remove, sender, set, whole};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use trustbridge_acp::envelope::{Envelope, Sent};
use trustbridge_acp::{Message, Name, UnknownFields, read};

/// Written where a field is to be left out.
const ABSENT: &str = "(absent)";

#[derive(Deserialize)]
struct Row {
    message: String,
    path: String,
    use_case: String,
    rule: String,
    required: bool,
    accepts: Vec<Value>,
    refuses: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    value: Value,
    code: String,
}

fn rows() -> Vec<Row> {
    serde_json::from_value(json("paths.json")).unwrap()
}

#[test]
fn every_value_that_is_accepted_is_kept() {
    let mut kept = 0;
    for row in rows() {
        for value in &row.accepts {
            let mut sent = whole(&row.use_case, &row.message);
            set(&mut sent, &row.path, value.clone());
            let received = read(sent.to_string().as_bytes(), sender(&sent), UnknownFields::Refuse)
                .unwrap_or_else(|refusal| panic!("{} {} = {value}: {refusal}", row.message, row.path));
            let (envelope, message) = (received.envelope, received.message);
            let again = serde_json::to_value(Sent { envelope, message }).unwrap();
            assert!(
                same(again.pointer(&pointer(&row.path)), value),
                "{} {} = {value}",
                row.message,
                row.path
            );
            kept += 1;
        }
    }
    println!("{kept} values accepted and kept");
}

/// Numbers by value: `31.5` and `31.50` are one.
fn same(read: Option<&Value>, sent: &Value) -> bool {
    read.is_some_and(|read| read == sent || (read.is_number() && read.as_f64() == sent.as_f64()))
}

#[test]
fn every_value_that_is_refused_is_refused_where_it_stands() {
    let mut refused = 0;
    for row in rows() {
        for wrong in &row.refuses {
            let mut sent = whole(&row.use_case, &row.message);
            let by = sender(&sent);
            match wrong.value.as_str() {
                Some(ABSENT) => remove(&mut sent, &row.path),
                _ => set(&mut sent, &row.path, wrong.value.clone()),
            }
            let what = format!("{} {} ({}) = {}", row.message, row.path, row.rule, wrong.value);
            let Err(refusal) = read(sent.to_string().as_bytes(), by, UnknownFields::Tell) else {
                panic!("{what}: accepted");
            };
            let fault = refusal.faults.iter().find(|fault| fault.path == row.path);
            let fault = fault.unwrap_or_else(|| panic!("{what}: {refusal}"));
            assert_eq!(fault.code.as_str(), wrong.code, "{what}: {refusal}");
            assert!(!fault.rule.is_empty() && !fault.next.is_empty(), "{what}");
            assert!(
                !refusal.to_string().contains("1111"),
                "{what}: repeats a card number"
            );
            refused += 1;
        }
    }
    println!("{refused} values refused");
}

/// The table is whole: the paths that the documents' own examples have, each with both kinds of examples.
#[test]
fn the_table_has_all_204_and_11_paths() {
    let mut documented = BTreeSet::new();
    for use_case in crate::document::USE_CASES {
        for name in Name::ALL.iter().filter(|name| !name.is_extension()) {
            let example = json(&format!("documents/{use_case}/{}.json", name.as_str()));
            leaves(&example["payload"], "payload".to_owned(), &mut |path| {
                documented.insert((name.as_str().to_owned(), path));
            });
        }
    }
    assert_eq!(documented.len(), 204);
    leaves(
        &json("documents/tune/envelope.json"),
        String::new(),
        &mut |path| {
            documented.insert(("envelope".to_owned(), path));
        },
    );
    documented.insert(("envelope".to_owned(), "payload".to_owned()));
    assert_eq!(documented.len(), 215);
    let rows = rows();
    let listed: BTreeSet<_> = rows
        .iter()
        .map(|r| (r.message.clone(), r.path.replace("[0]", "[]")))
        .collect();
    assert_eq!(listed, documented);
    assert_eq!(rows.len(), documented.len(), "no path twice");
    let mut counts = (0, 0);
    for row in &rows {
        // The payload is accepted by the message that it belongs to.
        assert!(!row.accepts.is_empty() || row.path == "payload", "{}", row.path);
        assert!(row.refuses.len() >= 2, "{}", row.path);
        assert_eq!(
            row.required,
            row.refuses.iter().any(|r| r.value == ABSENT),
            "{}",
            row.path
        );
        counts.0 += row.accepts.len();
        counts.1 += row.refuses.len();
    }
    println!(
        "{} paths, {} values that are accepted, {} that are refused",
        rows.len(),
        counts.0,
        counts.1
    );
}

/// Paths of texts, numbers and flags, items of lists as `[]`.
fn leaves(value: &Value, path: String, found: &mut impl FnMut(String)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(value, path, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                leaves(item, format!("{path}[]"), found);
            }
        }
        _ => found(path),
    }
}

/// What is declared and not in the documents is said to be added, or belongs to `tb1`.
#[test]
fn what_was_added_is_said_to_be_added() {
    use trustbridge_acp::shape::Shape;
    let rows = rows();
    let mut added = 0;
    for name in Name::ALL.iter().filter(|name| !name.is_extension()) {
        let of_it: BTreeSet<String> = rows
            .iter()
            .filter(|row| row.message == name.as_str())
            .map(|row| row.path.replace("[0]", "[]").replacen("payload.", "", 1))
            .collect();
        undocumented(&Message::shape(*name), "", false, &of_it, &mut |path, marked| {
            assert!(
                marked,
                "{} {path} is not in the documents: say `Added:`",
                name.as_str()
            );
            added += 1;
        });
    }
    println!("{added} paths were added");
    assert!(matches!(Envelope::with_payload(), Shape::Object(fields) if fields.len() == 13));
}

fn undocumented(
    shape: &trustbridge_acp::shape::Shape,
    path: &str,
    marked: bool,
    documented: &BTreeSet<String>,
    found: &mut impl FnMut(&str, bool),
) {
    use trustbridge_acp::shape::Shape;
    match shape {
        Shape::Object(fields) => {
            for field in *fields {
                let dot = if path.is_empty() { "" } else { "." };
                let marked = marked || field.doc.trim().starts_with("Added:");
                undocumented(
                    &field.shape,
                    &format!("{path}{dot}{}", field.name),
                    marked,
                    documented,
                    found,
                );
            }
        }
        Shape::List { of, .. } => undocumented(of, &format!("{path}[]"), marked, documented, found),
        // Both use cases share a line: what one document says of it, holds in the other.
        _ if documented.iter().any(|known| tail(known) == tail(path)) => {}
        _ => found(path, marked),
    }
}

/// The last two steps of a path. Example: `line_items[].sku`.
fn tail(path: &str) -> &str {
    let mut dots = path.rmatch_indices('.');
    dots.next();
    dots.next().map_or(path, |(at, _)| &path[at + 1..])
}
