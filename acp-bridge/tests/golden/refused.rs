//! Orders that are not taken.

use crate::documents::{issued, payload, sent};
use serde_json::{Value, json};
use trustbridge_acp::Refusal;
use trustbridge_acp_bridge::inbound::order::order;
use trustbridge_api::Quote;
use trustbridge_api::reference::Mode;

fn refusal(quote: &Quote, edit: impl Fn(&mut Value)) -> Refusal {
    let mut accept = payload("tune", "order.accept");
    edit(&mut accept);
    order("acme", &sent("order.accept", &accept), quote).unwrap_err()
}

#[test]
fn each_reason_names_its_field() {
    let quote = issued("tune", "q_tune_001");
    let mut unissued = quote.clone();
    unissued.status.as_mut().unwrap().digest = None;
    let mut protected = quote.clone();
    protected.spec.mode = Mode::ProtectedModel;
    let same = |_: &mut Value| {};
    let rows: [(Refusal, &str, &str); 6] = [
        (
            refusal(&quote, |accept| accept["quote_id"] = json!("q_tune_002")),
            "NOT_FOUND",
            "payload.quote_id",
        ),
        (refusal(&unissued, same), "STATE_CONFLICT", "payload.quote_id"),
        (
            refusal(&quote, |accept| accept["quote_digest"] = json!("0".repeat(64))),
            "STATE_CONFLICT",
            "payload.quote_digest",
        ),
        (
            refusal(&quote, |accept| {
                accept["network_inputs"]["outbound_allowlist"][0] = json!("pypi.org:443");
            }),
            "ALLOWLIST_WIDENED",
            "payload.network_inputs",
        ),
        (
            refusal(&protected, same),
            "FIELD_INVALID",
            "payload.model_asset_id",
        ),
        (
            refusal(&quote, |accept| {
                accept["ssh_keys"] = json!([]);
                accept["model_asset_id"] = json!("llama-7b");
                accept["contract_id"] = json!("contract-1");
            }),
            "FIELD_INVALID",
            "payload.model_asset_id",
        ),
    ];
    for (refusal, code, path) in rows {
        assert_eq!(
            (refusal.code.as_str(), &*refusal.faults[0].path),
            (code, path),
            "{refusal}"
        );
    }
}

#[test]
fn an_order_of_a_protected_model_names_model_and_contract_and_no_keys() {
    let mut quote = issued("tune", "q_tune_001");
    quote.spec.mode = Mode::ProtectedModel;
    let mut accept = payload("tune", "order.accept");
    accept["ssh_keys"] = json!([]);
    accept["model_asset_id"] = json!("llama-7b");
    accept["contract_id"] = json!("contract-1");
    accept["network_inputs"]["outbound_allowlist"] = json!(["huggingface.co:443"]);
    let taken = order("acme", &sent("order.accept", &accept), &quote).unwrap();
    assert_eq!(taken.spec.model_asset_ref.unwrap().name, "llama-7b");
    assert_eq!(taken.spec.contract_id.as_deref(), Some("contract-1"));
    assert_eq!(
        (taken.spec.mode, taken.spec.ssh_keys.len()),
        (Mode::ProtectedModel, 0)
    );
}

#[test]
fn another_message_is_no_order() {
    let quote = issued("tune", "q_tune_001");
    let asked = sent("rfq.create", &payload("tune", "rfq.create"));
    assert_eq!(
        order("acme", &asked, &quote).unwrap_err().code.as_str(),
        "NAME_NOT_ALLOWED"
    );
}
