//! What is refused as a whole, and what a refusal says.

use crate::document::{set, whole};
use serde_json::{Value, json};
use trustbridge_acp::code::Code;
use trustbridge_acp::messages::error::ErrorBody;
use trustbridge_acp::{Name, Refusal, Side, UnknownFields, read};

fn refusal(sent: &Value, side: Side) -> Refusal {
    read(sent.to_string().as_bytes(), side, UnknownFields::Tell).unwrap_err()
}

#[test]
fn each_side_sends_its_own_names() {
    for name in Name::ALL {
        for side in [Side::Buyer, Side::Seller] {
            let mut sent = whole("tune", "offer.list");
            sent["name"] = json!(name.as_str());
            sent["payload"] = json!({});
            let kind = name.kind_from(side);
            sent["type"] = json!(kind.map_or("command", |kind| kind.as_str()));
            let said = read(sent.to_string().as_bytes(), side, UnknownFields::Tell);
            let refused = said.is_err_and(|refusal| refusal.code == Code::NameNotAllowed);
            assert_eq!(refused, kind.is_none(), "{} from {side:?}", name.as_str());
        }
    }
}

#[test]
fn fields_that_nobody_reads_are_told_or_refused() {
    let mut sent = whole("studio", "rfq.create");
    sent["payload"]["colour"] = json!("blue");
    sent["payload"]["workload"]["seeds"] = json!([1, 2]);
    sent["trace"] = json!({"id": 1});
    let received = read(sent.to_string().as_bytes(), Side::Buyer, UnknownFields::Tell).unwrap();
    let unknown = ["trace", "payload.workload.seeds", "payload.colour"];
    let mut told = received.unknown_fields.clone();
    told.sort();
    assert_eq!(told, {
        let mut u = unknown.map(str::to_owned);
        u.sort();
        u
    });
    assert_eq!(received.payload["colour"], "blue", "the stored request has it");
    let strict = read(sent.to_string().as_bytes(), Side::Buyer, UnknownFields::Refuse).unwrap_err();
    assert_eq!((strict.code, strict.faults.len()), (Code::SchemaInvalid, 3));
}

#[test]
fn no_card_number_is_repeated_wherever_it_stands() {
    let number = "4111 1111 1111 1111";
    for path in [
        "actor.id",
        "payload.rfq_id",
        "payload.note",
        "payload.requirements.note",
        "idempotency_key",
    ] {
        let mut sent = whole("tune", "rfq.create");
        set(&mut sent, path, json!(number));
        let refusal = refusal(&sent, Side::Buyer);
        let body = serde_json::to_string(&ErrorBody::of(&refusal, None)).unwrap();
        let said = format!("{refusal} {refusal:?} {body}");
        assert!(said.contains(path) && !said.contains("1111"), "{said}");
    }
    let mut keyed = whole("tune", "rfq.create");
    keyed["payload"][number] = json!(true);
    let received = read(keyed.to_string().as_bytes(), Side::Buyer, UnknownFields::Tell).unwrap();
    assert_eq!(received.unknown_fields, ["payload.(withheld)"]);
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    for (message, path, value) in [
        (
            "order.accept",
            "payload.ssh_keys[0].public_key",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ),
        (
            "rfq.create",
            "payload.requirements.storage.artifact_bucket",
            "https://h/c?sig=SECRET",
        ),
        (
            "rfq.create",
            "payload.requirements.storage.artifact_bucket",
            "https://u:SECRET@h/c",
        ),
    ] {
        let mut sent = whole("tune", message);
        set(&mut sent, path, json!(value));
        let refusal = refusal(&sent, Side::Buyer);
        let said = format!("{refusal} {refusal:?}");
        assert!(
            said.contains(path) && !said.contains("SECRET") && !said.contains("BEGIN"),
            "{said}"
        );
    }
}

#[test]
fn an_error_says_path_value_rule_and_next_step() {
    let mut sent = whole("studio", "order.terminate");
    sent["payload"]["requested_end"] = json!("2026-02-30");
    let refusal = refusal(&sent, Side::Buyer);
    assert_eq!(
        refusal.to_string(),
        "FIELD_INVALID: `payload.requested_end` \"2026-02-30\" must be a day of the calendar, such as 2026-02-28; \
         send a value of this form"
    );
    let id = sent["message_id"].as_str().unwrap().to_owned();
    let body = serde_json::to_value(ErrorBody::of(&refusal, Some(id.clone()))).unwrap();
    assert_eq!(body["in_reply_to"], id);
    assert_eq!(
        (&body["code"], &body["http_status"]),
        (&json!("FIELD_INVALID"), &json!(422))
    );
    assert_eq!(body["field_errors"][0]["path"], "payload.requested_end");
    assert_eq!(body["retryable"], false);
}

#[test]
fn another_version_gets_an_answer_of_its_own() {
    let mut sent = whole("tune", "offer.list");
    sent["acp_version"] = json!("0.2");
    sent["payload"] = json!({"use_case": 7});
    let refusal = refusal(&sent, Side::Buyer);
    assert_eq!(refusal.code, Code::UnsupportedVersion);
    assert_eq!(ErrorBody::of(&refusal, None).supported_versions, ["0.1"]);
}

#[test]
fn every_fault_is_told_at_once() {
    let mut sent = whole("tune", "support.ticket.create");
    sent["payload"] = json!({"severity": "S9", "ticket_id": 7});
    let refusal = refusal(&sent, Side::Buyer);
    let paths: Vec<&str> = refusal.faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        ["payload.ticket_id", "payload.severity", "payload.subject"]
    );
    assert_eq!(refusal.code, Code::SchemaInvalid);
}

#[test]
fn what_is_no_message_is_refused() {
    for (text, code) in [
        ("", Code::Malformed),
        ("[]", Code::SchemaInvalid),
        ("7", Code::SchemaInvalid),
        ("null", Code::SchemaInvalid),
        ("{}", Code::SchemaInvalid),
        (
            r#"{"name": "offer.list", "name": "rfq.create"}"#,
            Code::DuplicateKey,
        ),
    ] {
        let refusal = read(text.as_bytes(), Side::Buyer, UnknownFields::Tell).unwrap_err();
        assert_eq!(refusal.code, code, "{text}: {refusal}");
    }
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    let with = |message: &str, edits: &[(&str, Value)]| {
        let mut sent = whole("tune", message);
        for (path, value) in edits {
            set(&mut sent, path, value.clone());
        }
        let side = crate::document::sender(&sent);
        let read = read(sent.to_string().as_bytes(), side, UnknownFields::Refuse);
        read.map_or_else(
            |refusal| refusal.faults.iter().map(|f| f.path.clone()).collect(),
            |_| Vec::new(),
        )
    };
    let (none, asset, contract) = (json!([]), json!("llama-7b"), json!("contract-1"));
    let (keys, asset_id, contract_id) = (
        "payload.ssh_keys",
        "payload.model_asset_id",
        "payload.contract_id",
    );
    assert_eq!(with("order.accept", &[(keys, none.clone())]), [keys]);
    assert_eq!(
        with("order.accept", &[(asset_id, asset.clone())]),
        [keys, contract_id]
    );
    assert_eq!(
        with("order.accept", &[(contract_id, contract.clone())]),
        [contract_id]
    );
    let protected = [(keys, none), (asset_id, asset), (contract_id, contract)];
    assert_eq!(with("order.accept", &protected), Vec::<String>::new());
    let bucket = "payload.requirements.storage.artifact_bucket";
    let mode = "payload.requirements.mode";
    assert_eq!(with("rfq.create", &[(mode, json!("protectedModel"))]), [bucket]);
    assert_eq!(
        with("rfq.create", &[(mode, json!("byoWorkspace"))]),
        Vec::<String>::new()
    );
    let to = "payload.period.to";
    assert_eq!(with("meter.report", &[(to, json!("2026-01-31"))]), [to]);
}
