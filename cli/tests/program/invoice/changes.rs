//! Every single change of an invoice is found, by both verifiers.

use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::Value;

use super::{found, hours, issued, months, python, sign};

/// JSON pointers of everything below `path` that holds no more.
pub(super) fn leaves(document: &Value, path: &str, all: &mut Vec<String>) {
    match document.pointer(path).unwrap() {
        Value::Object(map) => map
            .keys()
            .for_each(|key| leaves(document, &format!("{path}/{key}"), all)),
        Value::Array(list) => {
            (0..list.len()).for_each(|index| leaves(document, &format!("{path}/{index}"), all));
        }
        _ => all.push(path.to_owned()),
    }
}

/// `SplitMix64`: a run is repeated by its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// Another value of the same type.
pub(super) fn other(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(number) => (number.as_i64().unwrap() + 1 + random.below(9_000)).into(),
        Value::String(text) => {
            let mut bytes: Vec<char> = text.chars().collect();
            let index = usize::try_from(random.below(i64::try_from(bytes.len()).unwrap())).unwrap();
            bytes[index] = if bytes[index] == '7' { '8' } else { '7' };
            bytes.into_iter().collect::<String>().into()
        }
        none => unreachable!("{none} is no value of an invoice"),
    }
}

pub(super) fn with(invoice: &Value, path: &str, value: Value) -> Value {
    let mut changed = invoice.clone();
    *changed.pointer_mut(path).unwrap() = value;
    changed
}

pub(super) fn without(invoice: &Value, path: &str) -> Value {
    let mut changed = invoice.clone();
    let (parent, last) = path.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        plain => unreachable!("{plain} has no members"),
    }
    changed
}

/// Every part of an invoice that the seller answers for.
const SIGNED: [&str; 8] = [
    "/metadata/name",
    "/metadata/namespace",
    "/spec",
    "/status/bill",
    "/status/digest",
    "/status/publicKey",
    "/status/signature",
    "/status/summary",
];

/// Every value that the seller answers for, changed and taken out, one at a time; with what was done.
pub(super) fn single_changes(right: &Value, random: &mut Random) -> Vec<(String, Value)> {
    let (mut paths, mut changed) = (Vec::new(), Vec::new());
    for path in SIGNED {
        leaves(right, path, &mut paths);
    }
    for path in paths {
        let value = other(right.pointer(&path).unwrap(), random);
        changed.push((format!("{path} changed"), with(right, &path, value)));
        changed.push((format!("{path} gone"), without(right, &path)));
    }
    changed
}

/// Each of these invoices, with what was done to it, is refused in Rust and in Python.
pub(super) fn both_find(dir: &Path, changed: &[(String, Value)], seed: u64) {
    let all: Vec<Value> = changed.iter().map(|(_, invoice)| invoice.clone()).collect();
    let verdicts = python(dir, &all);
    for ((what, invoice), said) in changed.iter().zip(verdicts) {
        assert!(!found(invoice).is_empty(), "{what}: not found, seed {seed}");
        assert_ne!(said, "ok", "{what}: not found by Python, seed {seed}");
    }
}

#[test]
fn every_single_change_is_found_by_both_verifiers() {
    let seed = 20_260_211;
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let mut changed = Vec::new();
    let right = [issued(&hours(), &key), issued(&months(), &key)];
    assert_eq!(python(dir.path(), &right), ["ok", "ok"]);
    for right in right {
        assert_eq!(found(&right), Vec::<String>::new());
        changed.extend(single_changes(&right, &mut random));
    }
    both_find(dir.path(), &changed, seed);
    println!(
        "{} single changes, each found in Rust and in Python; seed {seed}",
        changed.len()
    );
}

/// Whether the amounts of this invoice follow from what stands there.
fn follows(invoice: &Value, path: &str, is_monthly: bool) -> bool {
    let Some(rest) = path.strip_prefix("/spec/basis/lines/") else {
        // Any day on which it could be issued would do.
        return !path.ends_with("issuedOn");
    };
    let (index, member) = rest.split_once('/').unwrap();
    let line = &invoice["spec"]["basis"]["lines"][index.parse::<usize>().unwrap()];
    let is_here = line["charge"].get("monthly").is_some() == is_monthly;
    // Hours are the instance's own, from when it was of use.
    is_here && member != "commitment/id" && (is_monthly || !matches!(member, "quantity" | "fromMs"))
}

/// Who has a key can sign anything: then the rating alone speaks.
#[test]
fn amounts_that_do_not_follow_are_found_although_they_are_signed() {
    let seed = 20_260_212;
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let mut changed = Vec::new();
    let right = [issued(&hours(), &key), issued(&months(), &key)];
    assert_eq!(python(dir.path(), &right), ["ok", "ok"]);
    for right in right {
        assert_eq!(found(&right), Vec::<String>::new());
        let mut paths = Vec::new();
        leaves(&right, "/status/bill", &mut paths);
        leaves(&right, "/spec/basis/lines", &mut paths);
        let is_monthly = right["spec"]["basis"]["schedule"] == "recurring";
        paths.push("/spec/basis/period/fromMs".to_owned());
        paths.push("/spec/basis/period/toMs".to_owned());
        if is_monthly {
            paths.push("/spec/basis/endedMs".to_owned());
        }
        paths.retain(|path| follows(&right, path, is_monthly));
        for path in paths {
            let value = match right.pointer(&path).unwrap() {
                // Enough to be seen in minor units.
                Value::Number(number) => {
                    (number.as_i64().unwrap() + 1_000 * (1 + random.below(9_000))).into()
                }
                value => other(value, &mut random),
            };
            let mut invoice = with(&right, &path, value);
            sign(&mut invoice, &key);
            changed.push((path, invoice));
        }
    }
    both_find(dir.path(), &changed, seed);
    println!(
        "{} signed changes, each found by rating again, in Rust and in Python; seed {seed}",
        changed.len()
    );
}
