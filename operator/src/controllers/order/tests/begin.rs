//! From pending to confirmed: quotes, terms, and what is refused.

use super::*;

#[test]
#[allow(clippy::too_many_lines)] // A table: one row for each case.
fn a_pending_order_waits_refuses_or_goes_on() {
    type Change = fn(&mut Observed);
    let table: [(Change, OrderPhase, &str); 18] = [
        (|s| s.buyer = None, OrderPhase::Pending, "False/BuyerOrgNotFound"),
        (
            |s| (s.org, s.buyer) = (String::new(), None),
            OrderPhase::Pending,
            "False/BuyerOrgNotFound",
        ),
        (|s| s.offer = None, OrderPhase::Pending, "False/OfferNotFound"),
        (
            |s| s.offer.as_mut().unwrap().status = None,
            OrderPhase::Pending,
            "False/OfferNotReady",
        ),
        (
            |s| s.offer.as_mut().unwrap().spec.modes = vec![Mode::ByoWorkspace],
            OrderPhase::Rejected,
            "False/OfferMismatch",
        ),
        (
            |s| {
                s.order.spec.mode = Mode::ByoWorkspace;
                (s.order.spec.model_asset_ref, s.asset) = (None, None);
                s.offer.as_mut().unwrap().spec.modes = vec![Mode::ByoWorkspace];
            },
            OrderPhase::Pending,
            "Unknown/InProgress",
        ),
        (
            |s| s.asset = None,
            OrderPhase::Pending,
            "False/ModelAssetNotFound",
        ),
        (
            |s| s.asset.as_mut().unwrap().status = None,
            OrderPhase::Pending,
            "False/ModelAssetNotReady",
        ),
        (
            |s| s.order.spec.termination = Some(Termination::default()),
            OrderPhase::Rejected,
            "False/Terminated",
        ),
        (|_| {}, OrderPhase::Pending, "Unknown/InProgress"),
        (
            |s| s.quote = Some(quote(QuotePhase::Requested, None)),
            OrderPhase::Pending,
            "False/InProgress",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::NeedsHuman, None)),
            OrderPhase::Pending,
            "False/NeedsHuman",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Issued, None)),
            OrderPhase::Pending,
            "Unknown/InProgress",
        ),
        (
            |s| {
                let mut former = quote(QuotePhase::Issued, None);
                former.status.as_mut().unwrap().document = None;
                s.quote = Some(former);
            },
            OrderPhase::Rejected,
            "False/QuoteExpired",
        ),
        (
            |s| {
                let mut bent = quote(QuotePhase::Issued, None);
                let status = bent.status.as_mut().unwrap();
                status.document.as_mut().unwrap().quote.lines[0].unit_price_minor = 1;
                s.quote = Some(bent);
            },
            OrderPhase::Rejected,
            "False/QuoteNotFound",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Expired, None)),
            OrderPhase::Rejected,
            "False/QuoteExpired",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Accepted, Some("other"))),
            OrderPhase::Rejected,
            "False/QuoteTaken",
        ),
        (
            |s| s.quote = Some(quote(QuotePhase::Accepted, Some("order-1"))),
            OrderPhase::Confirmed,
            "True/AsSpecified",
        ),
    ];
    for (index, (change, phase, reason)) in table.into_iter().enumerate() {
        let mut seen = seen();
        change(&mut seen);
        let status = decide(&seen, now()).status;
        assert_eq!(
            (status.phase, accepted(&status).as_str()),
            (phase, reason),
            "row {index}"
        );
    }
}

#[test]
fn an_unknown_offer_says_what_to_do() {
    let mut seen = seen();
    seen.offer = None;
    let plan = decide(&seen, now());
    let message = find(&plan.status.conditions, ConditionType::Accepted)
        .unwrap()
        .message
        .clone();
    assert!(
        message.contains("`spec.offerRef.name` 'studio'") && message.contains("kubectl get offers"),
        "{message}"
    );
    assert!(plan.writes.is_empty());
}

#[test]
fn a_quote_of_another_digest_is_refused() {
    let mut seen = seen();
    seen.order.spec.offer_ref = None;
    seen.order.spec.quote_ref = Some(trustbridge_api::order::QuoteReference {
        name: "q".to_owned(),
        digest: "e".repeat(64),
    });
    seen.quote = Some(quote(QuotePhase::Issued, None));
    let status = decide(&seen, now()).status;
    assert_eq!(
        (status.phase, accepted(&status).as_str()),
        (OrderPhase::Rejected, "False/QuoteNotFound")
    );
}

#[test]
fn the_quote_is_made_once_and_taken_at_its_version() {
    let made = decide(&seen(), now()).writes;
    let [Write::Create(_, built)] = made.as_slice() else {
        panic!("one create: {made:?}")
    };
    assert_eq!(built.target.name, build::quote_name(&seen().order, "acme"));
    let mut seen = seen();
    seen.quote = Some(quote(QuotePhase::Issued, None));
    let taken = decide(&seen, now()).writes;
    let [Write::Status(_, write)] = taken.as_slice() else {
        panic!("one status: {taken:?}")
    };
    assert_eq!(
        (
            write.resource_version.as_str(),
            write.status["orderRef"]["name"].as_str()
        ),
        ("9", Some("order-1"))
    );
}

#[test]
fn terms_are_frozen_at_acceptance() {
    let seen = in_phase(OrderPhase::Confirmed);
    let snapshot = seen
        .order
        .status
        .as_ref()
        .unwrap()
        .pricing_snapshot
        .clone()
        .unwrap();
    assert_eq!(
        (snapshot.summary.as_str(), snapshot.lines[0].unit_price_minor),
        ("1.75 USD/h", 175)
    );
    let mut changed = seen.clone();
    (changed.quote, changed.offer) = (None, None);
    let plan = decide(&changed, now());
    assert_eq!(plan.status.pricing_snapshot, Some(snapshot));
    assert!(plan.writes.is_empty(), "the intent comes first, alone");
    assert_eq!(plan.status.phase, OrderPhase::Provisioning);
    changed.order.status = Some(plan.status);
    let made = decide(&changed, now());
    let [Write::Create(_, built)] = made.writes.as_slice() else {
        panic!("one create: {made:?}")
    };
    let spec = &built.body["spec"];
    assert_eq!(built.target.name, "order-1-0");
    assert_eq!(
        (&spec["gpus"], &spec["nvmeGb"], spec["vmSize"].as_str()),
        (&json!(2), &json!(4000), Some("Standard_NC80adis_H100_v5")),
        "what was quoted, without the offer"
    );
}

#[test]
fn a_quote_that_somebody_else_asked_for_is_not_taken() {
    for phase in [QuotePhase::Issued, QuotePhase::Accepted] {
        let mut seen = seen();
        let mut other = quote(phase, Some("order-1"));
        other.spec.instances = 2;
        seen.quote = Some(other);
        let plan = decide(&seen, now());
        assert_eq!(
            (plan.status.phase, accepted(&plan.status).as_str()),
            (OrderPhase::Pending, "False/OfferMismatch")
        );
        assert!(plan.writes.is_empty());
    }
    let mut former = seen();
    let mut taken = quote(QuotePhase::Accepted, Some("order-1"));
    taken.status.as_mut().unwrap().order_uid = Some("former".to_owned());
    former.quote = Some(taken);
    assert_eq!(accepted(&decide(&former, now()).status), "False/QuoteTaken");
    let mut late = seen();
    late.quote = Some(quote(QuotePhase::Issued, None));
    let over = decide(&late, later(3600));
    assert!(over.writes.is_empty() && over.status.phase == OrderPhase::Rejected);
    let name = build::quote_name(&late.order, "acme");
    late.order.metadata.uid = Some("again".to_owned());
    assert_ne!(name, build::quote_name(&late.order, "acme"));
}

#[test]
fn a_quote_with_a_line_that_nothing_checks_is_not_accepted() {
    for phase in [QuotePhase::Issued, QuotePhase::Accepted] {
        let decided = |line: serde_json::Value| {
            let mut seen = seen();
            let mut former = quote(phase, Some("order-1"));
            let status = former.status.as_mut().unwrap();
            let document = status.document.as_mut().unwrap();
            document.readiness = vec![serde_json::from_value(line).unwrap()];
            status.digest = document.digest().ok();
            seen.quote = Some(former);
            decide(&seen, now())
        };
        let plan = decided(json!({"id": "port", "text": "Port 8000 answers"}));
        assert_eq!(
            (plan.status.phase, accepted(&plan.status).as_str()),
            (OrderPhase::Rejected, "False/QuoteExpired")
        );
        assert!(plan.writes.is_empty() && plan.status.pricing_snapshot.is_none());
        let message = &find(&plan.status.conditions, ConditionType::Accepted)
            .unwrap()
            .message;
        assert!(
            message.contains("'port'") && message.contains("ask for a new quote"),
            "{message}"
        );
        let plan = decided(json!({"id": "port", "text": "Port 8000 answers", "probe": "portAnswers"}));
        assert_ne!(plan.status.phase, OrderPhase::Rejected);
    }
}
