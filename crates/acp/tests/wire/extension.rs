//! The extension set `tb1`: each of its names with an example, read and written as it stands.

use crate::document::{json, whole};
use serde_json::{Map, Value};
use trustbridge_acp::envelope::Sent;
use trustbridge_acp::{Message, Name, UnknownFields, read};

fn examples() -> Map<String, Value> {
    serde_json::from_value(json("tb1.json")).unwrap()
}

fn message(name: Name, payload: &Value) -> Value {
    let mut sent = whole("tune", "offer.list");
    sent["name"] = name.as_str().into();
    sent["type"] = name.senders()[0].1.as_str().into();
    sent["payload"] = payload.clone();
    sent
}

#[test]
fn each_of_the_28_names_has_an_example_with_every_field() {
    let examples = examples();
    assert_eq!(examples.len(), 28);
    for name in Name::ALL.iter().filter(|name| name.is_extension()) {
        let payload = &examples[name.as_str()];
        let sent = message(*name, payload);
        let side = name.senders()[0].0;
        let received = read(sent.to_string().as_bytes(), side, UnknownFields::Refuse)
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", name.as_str()));
        let (envelope, message) = (received.envelope, received.message);
        assert_eq!(
            serde_json::to_value(Sent { envelope, message }).unwrap(),
            sent,
            "{}",
            name.as_str()
        );
        for leaf in Message::shape(*name).leaves() {
            let pointer = format!("/{}", leaf.replace("[]", ".0").replace('.', "/"));
            assert!(
                payload.pointer(&pointer).is_some(),
                "{}: no example of {leaf}",
                name.as_str()
            );
        }
    }
}

#[test]
fn what_is_required_is_required() {
    let examples = examples();
    let mut refused = 0;
    for name in Name::ALL.iter().filter(|name| name.is_extension()) {
        let payload = &examples[name.as_str()];
        for key in payload.as_object().unwrap().keys() {
            let mut less = payload.clone();
            less.as_object_mut().unwrap().remove(key);
            let sent = message(*name, &less);
            let read = read(
                sent.to_string().as_bytes(),
                name.senders()[0].0,
                UnknownFields::Refuse,
            );
            if let Err(refusal) = read {
                assert_eq!(refusal.faults[0].path, format!("payload.{key}"));
                refused += 1;
            }
            let mut odd = payload.clone();
            odd[key] = Value::Null;
            let sent = message(*name, &odd);
            let read = trustbridge_acp::read(
                sent.to_string().as_bytes(),
                name.senders()[0].0,
                UnknownFields::Refuse,
            );
            assert_eq!(
                read.unwrap_err().faults[0].path,
                format!("payload.{key}"),
                "{}",
                name.as_str()
            );
        }
    }
    println!("{refused} fields of tb1 are required");
    assert!(refused >= 28, "each message is about something");
}
