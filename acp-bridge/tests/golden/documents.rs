//! The documents' examples, as messages that were sent; and what is sent, as the documents would read it.

use serde_json::{Value, json};
use trustbridge_acp::envelope::{Envelope, Sent};
use trustbridge_acp::{Message, Received, Side, UnknownFields, read};
use trustbridge_api::Quote;
use trustbridge_api::quote::{QuoteDocument, QuoteStatus};
use trustbridge_domain::calendar::parse_instant;
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::quote::{Outcome, SellerProfile, StorageFit, documents, quote};

pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// The payload of an example.
pub fn payload(use_case: &str, message: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/acp/tests/documents");
    let text = std::fs::read_to_string(format!("{folder}/{use_case}/{message}.json")).unwrap();
    let mut payload = serde_json::from_str::<Value>(&text).unwrap()["payload"].take();
    // The documents' placeholders.
    if message == "order.accept" {
        payload["ssh_keys"][0]["public_key"] = json!(KEY);
        payload["contacts"] = json!({});
    }
    payload
}

/// A message of the buyer.
pub fn sent(message: &str, payload: &Value) -> Received {
    let name = trustbridge_acp::Name::of(message).unwrap();
    let whole = json!({
        "acp_version": "0.1", "message_id": "7b0e3f52-6f0a-4c55-9d0c-0d2a5f6f9a01", "ts": "2026-01-15T10:00:00Z",
        "type": name.kind_from(Side::Buyer).unwrap().as_str(), "name": message,
        "buyer_org_id": "org_buyer_123", "seller_org_id": "org_seller_001",
        "actor": {"type": "buyer_agent", "id": "agt_7"}, "payload": payload,
    });
    read(whole.to_string().as_bytes(), Side::Buyer, UnknownFields::Refuse).unwrap()
}

/// The payload of an event of the seller. It is read first as a buyer would: strictly.
pub fn event(message: impl Into<Message>) -> Value {
    let message = message.into();
    let name = message.name();
    let envelope = Envelope {
        acp_version: "0.1".into(),
        message_id: "7b0e3f52-6f0a-4c55-9d0c-0d2a5f6f9a02".into(),
        ts: "2026-01-15T10:00:01Z".into(),
        r#type: name.kind_from(Side::Seller).unwrap().as_str().into(),
        name: name.as_str().into(),
        buyer_org_id: "org_buyer_123".into(),
        seller_org_id: "org_seller_001".into(),
        actor: trustbridge_acp::envelope::Actor {
            r#type: "seller_agent".into(),
            id: "agt_8".into(),
        },
        ..Envelope::default()
    };
    let text = serde_json::to_string(&Sent { envelope, message }).unwrap();
    read(text.as_bytes(), Side::Seller, UnknownFields::Refuse)
        .unwrap()
        .payload
}

/// Everything that the document says stands in what is sent; what is sent may say more.
pub fn says(sent: &Value, document: &Value, path: &str) {
    match (sent, document) {
        (Value::Object(sent), Value::Object(document)) => {
            for (key, value) in document {
                let sent = sent.get(key).unwrap_or_else(|| panic!("{path}.{key} is missing"));
                says(sent, value, &format!("{path}.{key}"));
            }
        }
        (Value::Array(sent), Value::Array(document)) => {
            assert_eq!(sent.len(), document.len(), "{path}");
            for (index, (sent, value)) in sent.iter().zip(document).enumerate() {
                says(sent, value, &format!("{path}[{index}]"));
            }
        }
        (Value::Number(sent), Value::Number(document)) => {
            assert_eq!(sent.as_f64(), document.as_f64(), "{path}");
        }
        _ => assert_eq!(sent, document, "{path}"),
    }
}

/// A document's request as a Quote that the engine answered, issued as `id`.
pub fn issued(use_case: &str, id: &str) -> Quote {
    let asked = sent("rfq.create", &payload(use_case, "rfq.create"));
    let mut object = trustbridge_acp_bridge::inbound::rfq::quote("acme", &asked).unwrap();
    let mut catalog = documents().unwrap();
    if use_case == "studio" {
        // That document quotes less disk than was asked for.
        for offer in &mut catalog.offers {
            offer.storage_fit = StorageFit::BestEffort;
        }
    }
    let now = parse_instant("ts", "2026-01-15T10:00:00Z").unwrap();
    let rfq = object.spec.rfq.as_ref().unwrap();
    let Outcome::Quote(said) = quote(rfq, &catalog, &SellerProfile::default(), now) else {
        panic!("{use_case} is not quoted");
    };
    let document = QuoteDocument {
        sku: said.lines[0].sku.clone(),
        quote: *said,
        mode: object.spec.mode,
        instances: 1,
        vm_size: "Standard_NC40ads_H100_v5".into(),
        readiness: Vec::new(),
        invoicing: trustbridge_api::seller_profile::Invoicing::default(),
    };
    object.status = Some(QuoteStatus {
        phase: QuotePhase::Issued,
        digest: Some(document.digest().unwrap()),
        document: Some(document),
        ..QuoteStatus::default()
    });
    let annotations = object.metadata.annotations.as_mut().unwrap();
    annotations.insert(trustbridge_acp_bridge::identity::ACP_ID.into(), id.into());
    object
}
