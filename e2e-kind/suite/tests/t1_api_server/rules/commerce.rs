//! What seller and buyer agree on: SellerProfile and Quote.

use super::{Rule, create, update};
use crate::examples::SHA;
use serde_json::{Value, json};

/// Every rule of these kinds.
pub fn rules() -> Vec<Rule> {
    let mut rules = seller();
    rules.extend(quote());
    rules
}

fn seller() -> Vec<Rule> {
    let generation = |number: u32| json!({"spec": {"signingKeyRef": {"generation": number}}});
    vec![
        update(
            "SellerProfile",
            "`spec.orgId` and `spec.currency` must not change: quotes and invoices were issued with them",
            json!({}),
            json!({"spec": {"netDays": 30}}),
            json!({"spec": {"orgId": "another"}}),
        ),
        update(
            "SellerProfile",
            "`spec.signingKeyRef.generation` must not go down: a key that was retired signs nothing more",
            generation(2),
            generation(3),
            generation(1),
        ),
    ]
}

fn quote() -> Vec<Rule> {
    let rfq = json!({"rfq_id": "rfq_1", "use_case": "image_studio_sd"});
    let asked = |more: Value| {
        let mut spec = json!({"offerRef": null, "rfq": rfq});
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        json!({ "spec": spec })
    };
    let answered = json!({"spec": {"resolution": {"decision": "issue", "draftDigest": SHA}}});
    let in_phase = |phase: &str| json!({"spec": {"instances": 2}, "status": {"phase": phase}});
    let signed = |digest: &str| json!({"status": {"phase": "Issued", "digest": digest, "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "00"}}});
    vec![
        update(
            "Quote",
            "`digest` and `signature` must not change: what was issued stays",
            signed("a"),
            json!({"status": {"phase": "Accepted"}}),
            signed("b"),
        ),
        create(
            "Quote",
            "exactly one of `spec.offerRef` and `spec.rfq` must be set",
            asked(json!({})),
            json!({"spec": {"rfq": rfq}}),
        ),
        create(
            "Quote",
            "`spec.instances` and `spec.billingModel` go with `spec.offerRef`: a request says `requirements.instances` and `commercial.billing_model`",
            asked(json!({"mode": "byoWorkspace"})),
            asked(json!({"instances": 2})),
        ),
        create(
            "Quote",
            "`spec.resolution` must not be set before a person is needed: the seller answers what is `NeedsHuman`",
            json!({"spec": {"billingModel": "hourly"}}),
            // Refused at the creation by this rule alone: the one of the digest compares with what was there.
            json!({"spec": {"resolution": {"decision": "issue"}}}),
        ),
        update(
            "Quote",
            "`spec.resolution.draftDigest` must be set with decision 'issue': it is the `status.draftDigest` of what was looked at",
            in_phase("NeedsHuman"),
            json!({"spec": {"resolution": {"decision": "reject"}}}),
            json!({"spec": {"resolution": {"decision": "issue"}}}),
        ),
        update(
            "Quote",
            "`spec` must not change: ask for a new quote instead",
            in_phase("NeedsHuman"),
            answered.clone(),
            json!({"spec": {"instances": 3}}),
        ),
        update(
            "Quote",
            "`spec.resolution` must not change once the quote is no longer `NeedsHuman`",
            in_phase("Issued"),
            json!({"metadata": {"labels": {"note": "x"}}}),
            answered,
        ),
    ]
}
