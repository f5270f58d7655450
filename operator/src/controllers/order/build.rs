//! The objects of an order. Pure, and cannot fail.

use super::changes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use trustbridge_api::order::FrozenTerms;
use trustbridge_api::tunepod::TunePodTermination;
use trustbridge_api::{NameRef, Order, Quote, QuoteSpec, TunePod, TunePodSpec, labels};
use trustbridge_domain::names;
use trustbridge_kit::apply::{Built, StatusWrite, Target};

/// Name of the quote that the order takes: the one that it names, or the one that is made for it.
pub(super) fn quote_name(order: &Order, org: &str) -> String {
    if let Some(quote) = &order.spec.quote_ref {
        return quote.name.clone();
    }
    // With the order's UID: an order that is made again under its name gets a quote of its own, and nobody
    // can lay one ready for it.
    let (name, uid) = (order.name_any(), order.uid().unwrap_or_default());
    names::readable_name(&name, &[org, "Quote", "order", &name, &uid])
}

/// Names of the TunePods that the order has.
pub(super) fn instance_names(order: &Order) -> Vec<String> {
    (0..order.spec.instances)
        .map(|index| names::instance_name(&order.name_any(), index))
        .collect()
}

/// What the order asks a price for.
pub(super) fn quote_spec(order: &Order, offer: &NameRef) -> QuoteSpec {
    QuoteSpec {
        offer_ref: Some(offer.clone()),
        rfq: None,
        mode: order.spec.mode,
        instances: order.spec.instances,
        billing_model: order.spec.billing.as_ref().and_then(|b| b.model),
        resolution: None,
    }
}

/// The request for a price at list.
pub(super) fn quote(order: &Order, org: &str, offer: &NameRef) -> Built {
    let mut quote = Quote::new(&quote_name(order, org), quote_spec(order, offer));
    quote.metadata = metadata(order, org, &quote.name_any());
    Built::of(&quote)
}

/// The acceptance, against the version of the quote that was read: of two orders that want it, one is first.
pub(super) fn acceptance(order: &Order, quote: &Quote) -> StatusWrite {
    StatusWrite {
        target: Target::of(quote),
        uid: quote.uid().unwrap_or_default(),
        resource_version: quote.resource_version().unwrap_or_default(),
        status: json!({
            "phase": "Accepted",
            "orderRef": {"name": order.name_any()},
            "orderUid": order.uid(),
        }),
    }
}

/// A TunePod of the order: what was quoted, whatever became of the offer since, and what changes added.
pub(super) fn tunepod(order: &Order, org: &str, terms: &FrozenTerms, name: &str) -> Built {
    let spec = TunePodSpec {
        order_ref: NameRef::new(order.name_any()),
        mode: order.spec.mode,
        model_asset_ref: order.spec.model_asset_ref.clone(),
        contract_id: order.spec.contract_id.clone(),
        gpus: terms.resources.gpus.into(),
        gpu_sku: terms.sku.clone(),
        vm_size: terms.vm_size.clone(),
        nvme_gb: order
            .status
            .as_ref()
            .and_then(changes::disk_wanted)
            .unwrap_or_else(|| terms.resources.nvme_gb.into()),
        readiness: terms.readiness.clone(),
        // The seller chooses the model server: whoever does reads the plaintext.
        runtime: None,
        termination: None,
    };
    let mut tunepod = TunePod::new(name, spec);
    tunepod.metadata = metadata(order, org, name);
    // An order that goes takes its TunePods with it; their finalizer ends pod and node pool first.
    tunepod.metadata.owner_references = order.controller_owner_ref(&()).map(|owner| vec![owner]);
    Built::of(&tunepod)
}

/// The end of a TunePod, as the one field that is applied, to the very object that was read.
pub(super) fn termination(tunepod: &TunePod) -> Built {
    let target = Target::of(tunepod);
    let end = TunePodTermination {
        reason: "OrderTerminated".to_owned(),
    };
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": {"name": target.name, "namespace": target.namespace, "uid": tunepod.uid()},
        "spec": {"termination": end},
    });
    Built { target, body }
}

/// The disk that a TunePod is to have, as the one field that is applied, to the very object that was read.
pub(super) fn disk(tunepod: &TunePod, nvme_gb: i64) -> Built {
    let target = Target::of(tunepod);
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": {"name": target.name, "namespace": target.namespace, "uid": tunepod.uid()},
        "spec": {"nvmeGb": nvme_gb},
    });
    Built { target, body }
}

/// The asking for a new token, handed on as the one annotation that is applied, to the very object that was read.
pub(super) fn rotation(tunepod: &TunePod, word: &str) -> Built {
    let target = Target::of(tunepod);
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "uid": tunepod.uid(),
            "annotations": {labels::ROTATE_TOKEN: word},
        },
    });
    Built { target, body }
}

fn metadata(order: &Order, org: &str, name: &str) -> ObjectMeta {
    let pairs = [
        (labels::MANAGED_BY, labels::OPERATOR.to_owned()),
        (labels::ORG, org.to_owned()),
        (labels::ORDER, order.name_any()),
    ];
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: order.namespace(),
        // A label holds 63 characters; an order with a longer name is looked at on its schedule instead.
        labels: Some(
            pairs
                .into_iter()
                .filter(|(_, v)| v.len() <= names::MAX_LABEL)
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<BTreeMap<_, _>>(),
        ),
        ..ObjectMeta::default()
    }
}
