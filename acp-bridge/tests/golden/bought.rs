//! What is bought, and how it ends.

use crate::documents::{KEY, event, issued, payload, says, sent};
use serde_json::{Value, json};
use trustbridge_acp_bridge::inbound::{order, termination, ticket};
use trustbridge_acp_bridge::outbound;
use trustbridge_api::reference::Mode;
use trustbridge_api::{Order, Quote, TunePod, WipeEvidence};
use trustbridge_domain::calendar::parse_instant;

/// The order of a document, as the operator left it.
pub fn ordered(use_case: &str, quote: &Quote, phase: &str, readiness: &Value) -> Order {
    let accepted = order::order(
        "acme",
        &sent("order.accept", &payload(use_case, "order.accept")),
        quote,
    )
    .unwrap();
    let document = quote.status.as_ref().unwrap().document.as_ref().unwrap();
    let said = &document.quote;
    let mut object = serde_json::to_value(&accepted).unwrap();
    object["status"] = json!({
        "phase": phase,
        "pricingSnapshot": {
            "digest": accepted.spec.quote_ref.as_ref().unwrap().digest, "currency": "USD",
            "lines": said.lines, "summary": "",
            "terms": {
                "offerId": said.offer_id, "sku": document.sku, "useCase": said.use_case, "model": said.model,
                "instances": 1, "minTermDays": said.min_term_days, "resources": said.resources,
                "vmSize": document.vm_size, "readiness": readiness, "agreed": said.terms,
                "invoicing": document.invoicing, "acceptedAt": "2026-01-15T10:00:00Z",
                "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "00"},
            },
        },
    });
    serde_json::from_value(object).unwrap()
}

#[test]
fn an_order_takes_the_quote_that_the_buyer_saw() {
    for (use_case, quote_id, order_id) in [
        ("tune", "q_tune_001", "ord_tune_001"),
        ("studio", "q_sd_001", "ord_sd_001"),
    ] {
        let quote = issued(use_case, quote_id);
        let order = ordered(use_case, &quote, "Confirmed", &json!([]));
        let taken = order.spec.quote_ref.as_ref().unwrap();
        assert_eq!(Some(&taken.name), quote.metadata.name.as_ref());
        assert_eq!(
            Some(&taken.digest),
            quote.status.as_ref().unwrap().digest.as_ref()
        );
        assert_eq!(
            (order.spec.mode, &*order.spec.ssh_keys),
            (Mode::ByoWorkspace, &[KEY.to_owned()][..])
        );
        let said = event(outbound::order::confirmed(&order).unwrap());
        says(&said, &payload(use_case, "order.confirmed"), "payload");
        assert_eq!(said["order_id"], order_id);
        for early in ["Pending", "Rejected", "Cancelled"] {
            let order = ordered(use_case, &quote, early, &json!([]));
            assert_eq!(outbound::order::confirmed(&order), None, "{early}");
        }
    }
}

#[test]
fn an_end_is_the_midnight_after_the_last_day() {
    let asked = sent("order.terminate", &payload("tune", "order.terminate"));
    let end = termination::end(&asked).unwrap();
    assert_eq!(
        end.stops_before_ms,
        parse_instant("", "2026-04-01T00:00:00Z").unwrap()
    );
    assert!(end.termination.data_export_confirmed);
    // The document's order stopped at 23:00 on its last day.
    let stopped = parse_instant("", "2026-03-31T23:00:00Z").unwrap();
    assert!(stopped < end.stops_before_ms);
}

fn evidence(method: &str) -> WipeEvidence {
    let record = json!({
        "org": "acme", "order": "order-1", "tunePod": "order-1-0", "tunePodUid": "u", "mode": "protectedModel",
        "provider": "aks", "steps": [], "method": method, "notObserved": [],
    });
    serde_json::from_value(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "WipeEvidence", "metadata": {"name": "order-1-0-wipe-x"},
        "spec": {
            "orderRef": {"name": "order-1"}, "tunePodRef": {"name": "order-1-0"}, "record": record,
            "digest": "0".repeat(64), "publicKey": "0".repeat(64),
            "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "00"},
        },
    }))
    .unwrap()
}

#[test]
fn a_wipe_that_was_not_seen_is_not_called_performed() {
    for (method, performed) in [("Clear", true), ("None", false)] {
        let said =
            outbound::termination::terminated(&evidence(method), "ord_tune_001", "2026-03-31T23:00:00Z");
        let said = event(said);
        assert_eq!(
            said["order_id"],
            payload("tune", "fulfillment.terminated")["order_id"]
        );
        assert_eq!(
            said["terminated_at"],
            payload("tune", "fulfillment.terminated")["terminated_at"]
        );
        assert_eq!(
            (&said["wipe"]["performed"], &said["wipe"]["method"]),
            (&json!(performed), &json!(method))
        );
        assert_eq!(said["wipe"]["evidence_id"], "order-1-0-wipe-x");
    }
}

#[test]
fn a_ticket_is_about_an_instance_of_the_organisation() {
    let tune_pod: TunePod = serde_json::from_value(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "TunePod",
        "metadata": {"name": "order-1-0", "annotations": {"trustbridge.io/acp-id": "inst_tune_01"}},
        "spec": {"orderRef": {"name": "order-1"}, "gpus": 1, "gpuSku": "TunePod-1GPU", "vmSize": "v"},
    }))
    .unwrap();
    let asked = sent("support.ticket.create", &payload("tune", "support.ticket.create"));
    let ticket = ticket::ticket("acme", &asked, std::slice::from_ref(&tune_pod)).unwrap();
    assert_eq!(ticket.spec.tune_pod_ref.as_ref().unwrap().name, "order-1-0");
    assert_eq!(
        (ticket.spec.severity.as_str(), &*ticket.spec.subject),
        ("S2", "OOM during training")
    );
    let refusal = ticket::ticket("acme", &asked, &[]).unwrap_err();
    assert_eq!(
        (refusal.code.as_str(), &*refusal.faults[0].path),
        ("NOT_FOUND", "payload.instance_id")
    );
}
