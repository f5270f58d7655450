//! An order's decisions, as tables: what was seen and when, and what follows.

mod begin;
mod end;
mod run;

use super::conclude::conclude;
use super::decide::decide;
use super::{Observed, build};
use crate::controllers::execute::{Outcome, Plan, Write, status_write};
use crate::controllers::offer::tests::looked_at;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::model_asset::{ModelAssetPhase, ModelAssetStatus};
use trustbridge_api::order::Termination;
use trustbridge_api::quote::QuoteDocument;
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_api::{
    BuyerOrg, BuyerOrgSpec, BuyerOrgStatus, Mode, ModelAsset, ModelAssetSpec, NameRef, Offer, OfferSpec,
    Order, OrderSpec, OrderStatus, Quote, QuoteSpec, QuoteStatus, TunePod, TunePodSpec, TunePodStatus,
};
use trustbridge_domain::phase::{OrderPhase, QuotePhase, TunePodPhase};
use trustbridge_domain::termination::TerminationStep;
use trustbridge_kit::conditions::{Statement, find, set};

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn buyer() -> BuyerOrg {
    let mut org = BuyerOrg::new("acme", BuyerOrgSpec::default());
    let mut status = BuyerOrgStatus::default();
    set(
        &mut status.conditions,
        &Statement::yes(ConditionType::Ready, Reason::AsSpecified, ""),
        None,
        now(),
    );
    org.status = Some(status);
    org
}

fn quote(phase: QuotePhase, taken_by: Option<&str>) -> Quote {
    let mut quote = Quote::new(
        "q",
        QuoteSpec {
            offer_ref: Some(NameRef::new("studio")),
            instances: 1,
            ..QuoteSpec::default()
        },
    );
    quote.metadata.namespace = Some("tb-acme".to_owned());
    quote.metadata.resource_version = Some("9".to_owned());
    quote.status = Some(QuoteStatus {
        phase,
        document: Some(document()),
        summary: Some("1.75 USD/h".to_owned()),
        digest: document().digest().ok(),
        order_ref: taken_by.map(NameRef::new),
        order_uid: taken_by.map(|_| "o".to_owned()),
        ..QuoteStatus::default()
    });
    quote
}

/// What the quote says; open for an hour.
fn document() -> QuoteDocument {
    serde_json::from_value(json!({
        "rfqId": "q", "useCase": "image_studio_sd", "offerId": "studio", "currency": "USD", "model": "hourly",
        "minTermDays": 0, "unpriced": [], "meteredNotCharged": [], "assumptions": [], "warnings": [],
        "alternatives": [], "trace": [],
        "lines": [{"sku": "S", "quantity": 1, "model": "hourly", "unitPriceMinor": 175}],
        "totals": {"hourlyMinor": 175, "monthlyMinor": 0},
        "resources": {"gpus": 2, "vcpus": 48, "ramGb": 192, "nvmeGb": 4000},
        "sla": {"provisionTarget": "p90<=24h", "supportResponse": "best effort"},
        "terms": {
            "singleTenant": true, "wipeOnTermination": true, "outboundMode": "restricted",
            "outboundPolicy": "restricted_allowlist", "loggingPolicy": "none", "dpaRequired": false,
            "auditEvents": [], "telemetryBoundary": "hours",
        },
        "validUntil": later(3600).to_string(),
        "sku": "S", "mode": "protectedModel", "instances": 1, "vmSize": "Standard_NC80adis_H100_v5",
        "invoicing": {"finalizeAfterDays": 4, "netDays": 0, "meteredCadence": "daily"},
    }))
    .unwrap()
}

/// A fresh order whose every reference resolves, without a quote.
fn seen() -> Observed {
    let spec = OrderSpec {
        offer_ref: Some(NameRef::new("studio")),
        instances: 1,
        contract_id: Some("contract-allow".to_owned()),
        model_asset_ref: Some(NameRef::new("tb-asset-1")),
        ..OrderSpec::default()
    };
    let mut order = Order::new("order-1", spec);
    order.metadata.namespace = Some("tb-acme".to_owned());
    order.metadata.uid = Some("o".to_owned());
    order.metadata.generation = Some(1);
    let mut offer = OfferSpec {
        sku: "S".to_owned(),
        modes: vec![Mode::ProtectedModel],
        ..OfferSpec::default()
    };
    offer.resources.gpus = 1;
    let mut asset = ModelAsset::new("tb-asset-1", ModelAssetSpec::default());
    asset.status = Some(ModelAssetStatus {
        phase: ModelAssetPhase::Ready,
        ..ModelAssetStatus::default()
    });
    Observed {
        order,
        org: "acme".to_owned(),
        buyer: Some(buyer()),
        offer: Some(looked_at(Offer::new("studio", offer))),
        asset: Some(asset),
        quote: None,
        tunepods: vec![],
        owes_invoices: false,
    }
}

fn tunepod(phase: TunePodPhase) -> TunePod {
    let mut tunepod = TunePod::new(
        "order-1-0",
        TunePodSpec {
            order_ref: NameRef::new("order-1"),
            ..TunePodSpec::default()
        },
    );
    tunepod.metadata.namespace = Some("tb-acme".to_owned());
    tunepod.metadata.uid = Some("t".to_owned());
    tunepod.status = Some(TunePodStatus {
        phase,
        ..TunePodStatus::default()
    });
    tunepod
}

fn in_phase(phase: OrderPhase) -> Observed {
    let mut seen = seen();
    seen.quote = Some(quote(QuotePhase::Accepted, Some("order-1")));
    let mut status = decide(&seen, now()).status;
    assert_eq!(status.phase, OrderPhase::Confirmed);
    status.phase = phase;
    seen.order.status = Some(status);
    seen
}

fn accepted(status: &OrderStatus) -> String {
    find(&status.conditions, ConditionType::Accepted)
        .map(|c| format!("{}/{}", c.status, c.reason))
        .unwrap_or_default()
}
