//! What of an end is compared: every object that is left, without what must differ between two runs.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trustbridge_simkit::apiserver::{ApiServer, Key};

/// Objects by place, masked.
pub(super) type End = BTreeMap<String, Value>;

/// What tells of the way and not of the end: a fault costs attempts and seconds. What is charged for them is compared.
const ON_THE_WAY: [&str; 9] = [
    "operations",
    "resourceVersion",
    "generation",
    "observedGeneration",
    "failures",
    "lastError",
    "nextAttemptAt",
    "meteredMs",
    "quantity",
];

pub(super) fn of(server: &ApiServer) -> End {
    let pairs = server.everything().into_iter();
    pairs
        .map(|(key, object)| (place(&key), masked(&object)))
        .collect()
}

fn place(key: &Key) -> String {
    key.to_string()
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(name, _)| !ON_THE_WAY.contains(&name.as_str()));
            Value::Object(
                kept.map(|(name, value)| {
                    let moment = is_moment(name, value).then(|| "TIME".into());
                    let mut value = moment.unwrap_or_else(|| masked(value));
                    // A map by type, in no order.
                    if let Some(conditions) = value.as_array_mut().filter(|_| name == "conditions") {
                        conditions.sort_by_key(|one| one["type"].to_string());
                    }
                    (name.clone(), value)
                })
                .collect::<Map<_, _>>(),
            )
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().filter(|one| !is_operation(one)).map(masked).collect();
            // Instances stand in the order in which they came, which a fault may turn round.
            list.sort_by_key(instance);
            Value::Array(list)
        }
        Value::String(text) => Value::String(mask(text)),
        other => other.clone(),
    }
}

/// The instance of an order that a member of a list is about.
fn instance(member: &Value) -> Option<String> {
    let of = |name: &str| member.get(name).and_then(Value::as_str);
    let about = of("instance").or_else(|| of("record")).or_else(|| of("name"))?;
    Some(about.to_owned())
}

/// A step of evidence for an operation: how many were accepted is of the way, too.
fn is_operation(value: &Value) -> bool {
    let step = value.get("step").and_then(Value::as_str);
    step.is_some_and(|step| step.ends_with("Ended"))
}

/// A moment in POSIX milliseconds.
fn is_moment(name: &str, value: &Value) -> bool {
    name.ends_with("Ms") && value.as_i64().is_some_and(|ms| ms > 1_700_000_000_000)
}

/// Times, digests, UIDs and names made of UIDs are of this run alone.
pub(super) fn mask(text: &str) -> String {
    // Keys and certificates are random; how many there are is not.
    let certificates = text.matches("-----BEGIN ").count();
    if certificates > 0 {
        return format!("PEM x{certificates}");
    }
    if text.starts_with("-----BEGIN ") {
        return "PEM".to_owned();
    }
    // Standard base64 has slashes: it is looked at whole.
    if text.len() >= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
    {
        return "DIGEST".to_owned();
    }
    let is_end = |c: char| " ,;\"'()/=".contains(c);
    let pieces = text.split_inclusive(is_end).map(|piece| {
        let word = piece.trim_end_matches(is_end);
        word_of(word).map_or_else(|| piece.to_owned(), |mask| piece.replacen(word, mask, 1))
    });
    pieces.collect()
}

fn word_of(word: &str) -> Option<&'static str> {
    let all = |is: fn(u8) -> bool| word.bytes().all(is);
    let is_uid = word.len() == 36 && word.bytes().filter(|b| *b == b'-').count() == 4;
    let is_pool =
        word.len() == 12 && word.starts_with("tb") && all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_hex = word.len() >= 16 && all(|b| b.is_ascii_hexdigit());
    [
        (word.parse::<jiff::Timestamp>().is_ok(), "TIME"),
        (is_uid, "UID"),
        (is_pool, "POOL"),
        (is_hex, "DIGEST"),
    ]
    .into_iter()
    .find_map(|(is, mask)| is.then_some(mask))
}

/// In words, the first few.
pub(super) fn differences(one: &End, other: &End) -> Vec<String> {
    let mut found = Vec::new();
    for place in one
        .keys()
        .chain(other.keys().filter(|place| !one.contains_key(*place)))
    {
        match (one.get(place), other.get(place)) {
            (Some(one), Some(other)) => compare(place, one, other, &mut found),
            (Some(_), None) => found.push(format!("{place} is missing")),
            _ => found.push(format!("{place} is there besides")),
        }
    }
    found.truncate(12);
    found
}

fn compare(place: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                compare(&format!("{place} {name}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{number}]"), a, b, found);
            }
        }
        _ if one != other => found.push(format!("{place}: {one} and {other}")),
        _ => {}
    }
}
