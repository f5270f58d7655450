//! What is sold and what it costs.

use crate::documents::{event, issued, payload, says, sent};
use serde_json::json;
use trustbridge_acp::messages::offer::OfferListResult;
use trustbridge_acp_bridge::inbound::rfq;
use trustbridge_acp_bridge::outbound::{offer, quote};
use trustbridge_api::Offer;
use trustbridge_api::reference::Mode;

#[test]
fn the_fine_tuning_quote_is_the_documents() {
    let said = event(quote::issue(&issued("tune", "q_tune_001")).unwrap());
    says(&said, &payload("tune", "quote.issue"), "payload");
    let budget = said["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|w| w["code"] == "BUDGET_EXCEEDED")
        .unwrap();
    assert_eq!(budget["over_usd"], 400);
    assert_eq!(said["alternatives"][0]["estimated_total_usd"], 4050);
    assert_eq!(said["terms"]["logging_policy"], said["terms"]["log_policy"]);
    assert_eq!(said["terms"]["region"], said["terms"]["data_residency"]);
    assert_eq!(said["terms"]["outbound_mode"], "restricted");
}

#[test]
fn the_studio_quote_is_the_documents() {
    let said = event(quote::issue(&issued("studio", "q_sd_001")).unwrap());
    says(&said, &payload("studio", "quote.issue"), "payload");
    let estimates = &said["pricing"]["estimates"];
    assert_eq!(estimates["recurring_total_usd"], 450);
    assert_eq!(estimates["estimated_grand_total_usd"], 1290);
    assert_eq!(estimates["estimated_grand_total_calendar_usd"], 1360);
    assert_eq!(estimates["hours_per_month_calendar"], 520);
    assert!(
        said.get("line_items").is_none(),
        "the studio's spelling has one list of lines"
    );
}

#[test]
fn nothing_is_issued_before_the_quote_is() {
    let mut quote_object = issued("tune", "q_tune_001");
    quote_object.status.as_mut().unwrap().digest = None;
    assert_eq!(quote::issue(&quote_object), None);
}

#[test]
fn a_request_names_its_quote_and_says_its_mode() {
    let mut asked = payload("studio", "rfq.create");
    let workspace = rfq::quote("acme", &sent("rfq.create", &asked)).unwrap();
    assert_eq!(workspace.spec.mode, Mode::ByoWorkspace);
    assert_eq!(workspace.metadata.namespace.as_deref(), Some("tb-acme"));
    let again = rfq::quote("acme", &sent("rfq.create", &asked)).unwrap();
    assert_eq!(again.metadata.name, workspace.metadata.name);
    let other = rfq::quote("globex", &sent("rfq.create", &asked)).unwrap();
    assert_ne!(other.metadata.name, workspace.metadata.name);
    asked["requirements"]["mode"] = json!("protectedModel");
    let protected = rfq::quote("acme", &sent("rfq.create", &asked)).unwrap();
    assert_eq!(protected.spec.mode, Mode::ProtectedModel);
}

fn offered(use_case: &str, offer_id: &str) -> Offer {
    let models = match use_case {
        "image_studio_sd" => json!([
            {"model": "hourly", "priceMinor": 175, "minHours": 2},
            {"model": "monthly", "priceMinor": 230_000, "minTermDays": 30},
        ]),
        _ => json!([{"model": "monthly", "priceMinor": 320_000, "minTermDays": 30}]),
    };
    let mut offer: Offer = serde_json::from_value(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Offer", "metadata": {"name": "o"},
        "spec": {
            "sku": "TunePod-1GPU", "modes": ["byoWorkspace"],
            "resources": {"gpus": 1, "vcpus": 32, "ramGb": 128, "nvmeGb": 2000},
            "gpu": {"model": "A100-80GB", "vramGb": 80},
            "billing": {"currency": "USD", "models": models},
        },
    }))
    .unwrap();
    offer.metadata.annotations = Some([("trustbridge.io/acp-id".to_owned(), offer_id.to_owned())].into());
    offer
}

#[test]
fn an_offer_is_told_in_both_spellings() {
    let offers = vec![offer::entry(
        &offered("private_llm_finetuning", "offer_tunepod_1gpu"),
        "private_llm_finetuning",
    )];
    let said = &event(OfferListResult { offers })["offers"][0];
    let document = &payload("tune", "offer.list.result")["offers"][0];
    for field in ["offer_id", "resources", "billing"] {
        says(&said[field], &document[field], field);
    }
    assert_eq!(said["billing"]["models"][0]["price_usd_per_month"], 3200);
    let offers = vec![offer::entry(
        &offered("image_studio_sd", "offer_studiogen_1gpu"),
        "image_studio_sd",
    )];
    let said = &event(OfferListResult { offers })["offers"][0];
    let document = &payload("studio", "offer.list.result")["offers"][0];
    says(&said["billing"], &document["billing"], "billing");
    assert!(said["billing"].get("price_usd").is_none());
}
