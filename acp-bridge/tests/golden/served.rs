//! What is there, what was used, and what is owed.

use crate::bought::ordered;
use crate::documents::{event, issued, payload, says};
use serde_json::{Value, json};
use trustbridge_acp_bridge::outbound::meter::Metered;
use trustbridge_acp_bridge::outbound::{fulfillment, invoice, meter};
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_api::{Invoice, TunePod};
use trustbridge_domain::calendar::{Period, day_period, month_period, parse_date, parse_instant};
use trustbridge_domain::phase::TunePodPhase;

fn tune_pod(id: &str, gpus: i64, nvme_gb: i64, phase: &str) -> TunePod {
    serde_json::from_value(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "TunePod",
        "metadata": {"name": "order-1-0", "annotations": {"trustbridge.io/acp-id": id}},
        "spec": {
            "orderRef": {"name": "order-1"}, "mode": "byoWorkspace", "gpus": gpus, "gpuSku": "s", "vmSize": "v",
            "nvmeGb": nvme_gb,
        },
        "status": {"phase": phase, "nodePool": {"provider": "aks", "name": "p", "state": "Ready"}},
    }))
    .unwrap()
}

/// The document's example as it reads for `status` on a virtual machine. How to get at a workspace has no source yet.
fn expected(use_case: &str, status: &str) -> Value {
    let mut document = payload(use_case, "fulfillment.update");
    let instance = document["service_instance"].as_object_mut().unwrap();
    instance.insert("status".into(), json!(status));
    instance.insert("kind".into(), json!("vm"));
    instance.remove("access").unwrap();
    document
}

#[test]
fn an_instance_is_told_as_in_the_documents() {
    for (use_case, quote_id, id, gpus, nvme) in [
        ("tune", "q_tune_001", "inst_tune_01", 2, 4000),
        ("studio", "q_sd_001", "inst_sd_01", 1, 3000),
    ] {
        let quote = issued(use_case, quote_id);
        let lines = payload(use_case, "fulfillment.update")["ready_definition"]
            .as_array()
            .unwrap()
            .clone();
        let readiness: Vec<Value> = lines
            .iter()
            .enumerate()
            .map(|(i, text)| json!({"id": format!("line-{i}"), "text": text}))
            .collect();
        let order = ordered(use_case, &quote, "Active", &json!(readiness));
        let mut told = 0;
        for phase in TunePodPhase::ALL {
            let tune_pod = tune_pod(id, gpus, nvme, &format!("{phase:?}"));
            let Some(said) = fulfillment::update(&order, &tune_pod, quote.spec.rfq.as_ref()) else {
                assert!(matches!(
                    phase,
                    TunePodPhase::Draining | TunePodPhase::Wiping | TunePodPhase::Wiped
                ));
                continue;
            };
            let said = event(said);
            let status = match phase {
                TunePodPhase::Ready | TunePodPhase::Degraded | TunePodPhase::Suspended => "READY",
                TunePodPhase::Failed => "FAILED",
                _ => "PROVISIONING",
            };
            let mut document = expected(use_case, status);
            if use_case == "studio" {
                // The document's request says `open|restricted`: the first counts.
                document["service_instance"]["network_policy"]["outbound_mode"] = json!("open");
            }
            says(&said, &document, use_case);
            let rests = said["service_instance"].get("suspended").is_some();
            assert_eq!(rests, *phase == TunePodPhase::Suspended);
            told += 1;
        }
        assert_eq!(told, 9);
    }
}

#[test]
fn a_protected_model_is_reached_by_https_and_its_token_is_not_told() {
    let quote = issued("tune", "q_tune_001");
    let order = ordered("tune", &quote, "Active", &json!([]));
    let mut pod = serde_json::to_value(tune_pod("order-1-0", 1, 0, "Ready")).unwrap();
    pod["spec"]["mode"] = json!("protectedModel");
    pod["status"]["access"] = json!({
        "url": "https://tp-order-1-0.tb-acme.svc:8000",
        "tokenSecretRef": {"name": "tp-order-1-0-token", "key": "token"},
        "caRef": {"name": "trustbridge-access-ca", "key": "ca.crt"},
    });
    let pod: TunePod = serde_json::from_value(pod).unwrap();
    let said = event(fulfillment::update(&order, &pod, quote.spec.rfq.as_ref()).unwrap());
    let https = &said["service_instance"]["access"]["https"];
    assert_eq!(https["url"], "https://tp-order-1-0.tb-acme.svc:8000");
    assert_eq!(https["token_secret"]["name"], "tp-order-1-0-token");
    assert!(said["service_instance"]["access"].get("ssh").is_none());
    assert!(
        said["service_instance"]["network_policy"]
            .get("inbound_sources")
            .is_none()
    );
}

fn interval(seq: i64, from: &str, to: Option<&str>, gpus: i64) -> MeteredInterval {
    let mut interval = json!({"seq": seq, "from": from, "gpus": gpus, "openedBy": "Ready"});
    if let Some(to) = to {
        interval["to"] = json!(to);
    }
    serde_json::from_value(interval).unwrap()
}

fn metered<'a>(
    use_case: &'a str,
    id: &'a str,
    nvme_gb: u32,
    intervals: &'a [MeteredInterval],
) -> Metered<'a> {
    Metered {
        order_id: "o",
        instance_id: id,
        use_case,
        nvme_gb,
        intervals,
    }
}

#[test]
fn a_month_of_two_gpus_is_672_and_1344_hours() {
    let february = month_period(parse_date("", "2026-02-01").unwrap()).unwrap();
    let intervals = [interval(
        0,
        "2026-01-20T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
        2,
    )];
    let pod = metered("private_llm_finetuning", "inst_tune_01", 4000, &intervals);
    let said = event(meter::report(pod, february, february.to_ms).unwrap());
    let mut document = payload("tune", "meter.report");
    // 2026 is no leap year; egress has no source; the note about it neither.
    document["period"]["to"] = json!("2026-02-28");
    document["usage"]
        .as_object_mut()
        .unwrap()
        .remove("bandwidth_gb_egress")
        .unwrap();
    document["notes"] = json!(["GPU hours = gpu_count * instance_hours"]);
    says(&said, &document, "payload");
    assert_eq!(said["period"]["to_exclusive"], "2026-03-01T00:00:00Z");
    assert!(
        said["usage"].get("bandwidth_gb_egress").is_none(),
        "what has no source is absent"
    );
}

#[test]
fn eighteen_hours_of_a_day_are_reported_by_the_second() {
    let day = day_period(parse_date("", "2026-01-15").unwrap()).unwrap();
    let intervals = [
        interval(0, "2026-01-14T23:00:00Z", Some("2026-01-15T02:00:00Z"), 1),
        interval(1, "2026-01-15T08:00:00Z", None, 1),
    ];
    let pod = metered("image_studio_sd", "inst_sd_01", 3000, &intervals);
    let said = event(meter::report(pod, day, day.to_ms + 5).unwrap());
    let document = payload("studio", "meter.report");
    says(&said["period"], &document["period"], "period");
    assert_eq!(
        (&said["usage"]["instance_hours"], &said["usage"]["gpu_hours"]),
        (&json!(18), &json!(18))
    );
    // An open interval counts to now, and a change of GPUs counts on both sides.
    let noon = parse_instant("", "2026-01-15T12:00:00Z").unwrap();
    let resized = [
        interval(0, "2026-01-15T00:00:00Z", Some("2026-01-15T06:00:00Z"), 1),
        interval(1, "2026-01-15T06:00:00Z", None, 4),
    ];
    let said = event(meter::report(metered("image_studio_sd", "i", 0, &resized), day, noon).unwrap());
    assert_eq!(
        (&said["usage"]["instance_hours"], &said["usage"]["gpu_hours"]),
        (&json!(12), &json!(30))
    );
}

fn billed(id: &str, schedule: &str, period: Period, lines: &Value, total_minor: i64) -> Invoice {
    serde_json::from_value(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Invoice",
        "metadata": {"name": "inv", "annotations": {"trustbridge.io/acp-id": id}},
        "spec": {
            "orderRef": {"name": "order-1"},
            "basis": {
                "org": "acme", "order": "order-1", "orderUid": "u", "quoteDigest": "0", "currency": "USD",
                "schedule": schedule, "period": period, "policy": {"finalizeAfterDays": 4, "netDays": 0},
                "lines": [], "instances": [],
            },
        },
        "status": {
            "phase": "Issued", "digest": "0".repeat(64),
            "bill": {
                "lines": lines, "totalMinor": total_minor, "issuedOn": "2026-03-05", "dueOn": "2026-03-05",
                "isSent": total_minor != 0, "tax": "not_included",
            },
        },
    }))
    .unwrap()
}

fn line(sku: &str, unit: &str, quantity: &str, rate_micros: i64, amount_minor: i64, period: Period) -> Value {
    json!({
        "sku": sku, "line": "base", "quantity": quantity, "unit": unit, "rateMicros": rate_micros,
        "period": period, "amountMinor": amount_minor,
    })
}

#[test]
fn invoices_are_the_documents() {
    let february = month_period(parse_date("", "2026-02-01").unwrap()).unwrap();
    let lines = json!([
        line(
            "TunePod-2GPU",
            "month",
            "1.000000",
            5_800_000_000,
            580_000,
            february
        ),
        line(
            "Support-Standard",
            "month",
            "1.000000",
            600_000_000,
            60_000,
            february
        ),
    ]);
    let monthly = billed("inv_2026_02_tune_001", "recurring", february, &lines, 640_000);
    let said = event(invoice::issue(&monthly, "ord_tune_001", "private_llm_finetuning").unwrap());
    says(&said, &payload("tune", "invoice.issue"), "payload");
    assert_eq!(
        (&said["amount_minor"], &said["period"]["to"]),
        (&json!(640_000), &json!("2026-02-28"))
    );

    let day = day_period(parse_date("", "2026-01-15").unwrap()).unwrap();
    let lines = json!([line("StudioGen-1GPU", "hour", "18.0000", 1_750_000, 3150, day)]);
    let daily = billed("inv_sd_2026_01_001", "metered-daily", day, &lines, 3150);
    let said = event(invoice::issue(&daily, "ord_sd_001", "image_studio_sd").unwrap());
    says(&said, &payload("studio", "invoice.issue"), "payload");
}

#[test]
fn a_part_of_a_month_says_its_amount_and_nothing_is_told_of_nothing() {
    let february = month_period(parse_date("", "2026-02-01").unwrap()).unwrap();
    let lines = json!([line(
        "TunePod-2GPU",
        "month",
        "0.357143",
        5_800_000_000,
        207_143,
        february
    )]);
    let part = billed("i", "recurring", february, &lines, 207_143);
    let said = event(invoice::issue(&part, "o", "private_llm_finetuning").unwrap());
    assert_eq!(said["lines"][0]["amount_usd"], 2071.43);
    assert!(said["lines"][0].get("qty").is_none());
    let nothing = billed("i", "recurring", february, &json!([]), 0);
    assert_eq!(invoice::issue(&nothing, "o", "private_llm_finetuning"), None);
}
