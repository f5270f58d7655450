use super::Class::{
    Auth, Busy, Capacity, Fatal, Gone, Locked, Quota, QuotaFamily, QuotaRegion, QuotaSpot, SkuForbidden,
    SkuUnavailable, Stale, Throttle, Transient, Zone,
};
use super::*;

fn error(code: &str, message: &str) -> ErrorBody {
    ErrorBody {
        code: code.to_owned(),
        message: message.to_owned(),
        ..ErrorBody::default()
    }
}

fn class(status: Option<u16>, code: &str, message: &str) -> Class {
    classify(
        Context {
            status,
            ..Context::default()
        },
        &error(code, message),
    )
    .class
}

/// Texts as the services write them, shortened.
const FAMILY: &str = "Operation could not be completed as it results in exceeding approved \
    standardNCADSH100v5Family Cores quota. Additional details - Deployment Model: Resource Manager, \
    Location: westeurope, Current Limit: 40, Current Usage: 40, Additional Required: 40. \
    Submit a request for Quota increase at https://aka.ms/quota.";
const REGION: &str = "Operation could not be completed as it results in exceeding approved Total Regional \
    Cores quota. Submit a request for Quota increase at https://aka.ms/quota.";
const SPOT: &str = "Operation could not be completed as it results in exceeding approved LowPriorityCores \
    quota. Submit a request for Quota increase.";
const BUSY: &str = "Operation is not allowed: Another agentpool operation (nodepool1 - Creating) is in \
    progress, please wait for it to finish before starting a new operation.";

/// Status, code, message, and what it must mean.
const TABLE: &[(Option<u16>, &str, &str, Class)] = &[
    (Some(409), "OperationNotAllowed", BUSY, Busy),
    (
        Some(409),
        "EtagMismatch",
        "Another operation is in progress",
        Busy,
    ),
    (Some(409), "AnotherOperationInProgress", "", Busy),
    (None, "AKSOperationPreempted", "", Busy),
    (None, "AKSOperationPreemptedByDelete", "", Busy),
    (None, "OriginalEtagNotExpect", "", Busy),
    (Some(409), "Conflict", "", Busy),
    (
        Some(412),
        "PreconditionFailed",
        "Resource not found but ETag header is provided",
        Stale,
    ),
    (Some(403), "OperationNotAllowed", FAMILY, QuotaFamily),
    (Some(409), "OperationNotAllowed", FAMILY, QuotaFamily),
    (Some(409), "QuotaExceeded", FAMILY, QuotaFamily),
    (Some(409), "OperationNotAllowed", REGION, QuotaRegion),
    (Some(409), "OperationNotAllowed", SPOT, QuotaSpot),
    (
        Some(409),
        "OperationNotAllowed",
        "x. Submit a request for Quota increase",
        Quota,
    ),
    (Some(409), "QuotaExceeded", "", Quota),
    (Some(403), "ResourceQuotaExceeded", "", Quota),
    (
        Some(400),
        "ErrCode_InsufficientVCPUQuota",
        "Insufficient regional vcpu quota left",
        QuotaRegion,
    ),
    (Some(409), "SkuNotAvailable", "", SkuUnavailable),
    (Some(400), "VMSizeNotSupported", "", SkuForbidden),
    (
        Some(400),
        "BadRequest",
        "VM size X is not supported for subscription S",
        SkuForbidden,
    ),
    (None, "ZonalAllocationFailed", "", Zone),
    (None, "OverconstrainedZonalAllocationRequest", "", Zone),
    (None, "AllocationFailed", "", Capacity),
    (None, "OverconstrainedAllocationRequest", "", Capacity),
    (None, "AksCapacityHeavyUsage", "", Capacity),
    (Some(429), "Throttled", "", Throttle),
    (Some(429), "TooManyRequests", "", Throttle),
    (Some(429), "SubscriptionRequestsThrottled", "", Throttle),
    (Some(429), "", "", Throttle),
    (Some(503), "", "", Throttle),
    (Some(400), "InsufficientSubnetSize", "", Fatal),
    (Some(400), "SubnetIsFull", "", Fatal),
    (Some(403), "RequestDisallowedByPolicy", "", Fatal),
    (Some(400), "InvalidParameter", "", Fatal),
    (Some(400), "InvalidParameterValue", "", Fatal),
    (Some(400), "PropertyChangeNotAllowed", "", Fatal),
    (Some(400), "MissingRequiredParameter", "", Fatal),
    (Some(400), "BadRequest", "anything else", Fatal),
    (Some(403), "AuthorizationFailed", "", Auth),
    (Some(403), "LinkedAuthorizationFailed", "", Auth),
    (Some(401), "", "", Auth),
    (Some(409), "ScopeLocked", "", Locked),
    (Some(404), "ResourceNotFound", "", Gone),
    (Some(404), "NotFound", "", Gone),
    (Some(404), "ResourceGroupNotFound", "", Gone),
    (Some(404), "", "", Transient),
    (Some(500), "", "", Transient),
    (Some(500), "InternalOperationError", "", Transient),
    (Some(502), "", "<html>", Transient),
    (Some(408), "", "", Transient),
    (None, "SomethingNew", "", Transient),
    (
        Some(409),
        "OperationNotAllowed",
        "for a reason nobody has seen",
        Busy,
    ),
];

#[test]
fn the_whole_table() {
    for &(status, code, message, expected) in TABLE {
        assert_eq!(
            class(status, code, message),
            expected,
            "{status:?} {code} {message}"
        );
    }
}

#[test]
fn the_cause_inside_decides() {
    let body = br#"{"error":{"code":"InternalOperationError","message":"outer","details":[
        {"code":"Conflict","message":"middle","details":[{"code":"AllocationFailed","message":"no room"}]}]}}"#;
    let verdict = classify(Context::default(), &ErrorBody::read(body));
    assert_eq!(
        (verdict.class, verdict.code.as_str(), verdict.message.as_str()),
        (Class::Capacity, "AllocationFailed", "no room")
    );
    let wrapped = error(
        "ReconcileVMSSAgentPoolFailed",
        r#"VMSSAgentPoolReconciler retry failed: Code="ZonalAllocationFailed" Message="Allocation failed.""#,
    );
    assert_eq!(classify(Context::default(), &wrapped).class, Class::Zone);
    let quota = error(
        "CreateVMSSAgentPoolFailed",
        &format!(r#"Code="OperationNotAllowed" Message="{FAMILY}""#),
    );
    assert_eq!(classify(Context::default(), &quota).class, Class::QuotaFamily);
}

#[test]
fn both_shapes_and_garbage_are_read() {
    let flat = ErrorBody::read(
        br#"{"code":"NotFound","message":"m","details":null,"subcode":"GetAgentPool_NotFound"}"#,
    );
    assert_eq!(
        (flat.code.as_str(), flat.subcode.as_str()),
        ("NotFound", "GetAgentPool_NotFound")
    );
    let nested = ErrorBody::read(br#"{"error":{"code":"X","message":null,"details":[{"code":7}]}}"#);
    assert_eq!((nested.code.as_str(), nested.details.len()), ("X", 1));
    for garbage in [&b""[..], b"<html>", b"[]", b"{\"error\":\"text\"}"] {
        assert_eq!(ErrorBody::read(garbage).code, "");
    }
    let status = Context {
        status: Some(502),
        ..Context::default()
    };
    assert_eq!(classify(status, &ErrorBody::read(b"<html>")).code, "HTTP 502");
}

#[test]
fn breakers_follow_the_table() {
    use BreakerScope::{Family, Region, Size, Spot, Zone};
    let hour = Duration::from_hours(1);
    let none = FAMILY.replace("Limit: 40", "Limit: 0");
    for (code, message, spot, expected) in [
        ("OperationNotAllowed", FAMILY, false, Some((Family, hour / 6))),
        ("OperationNotAllowed", none.as_str(), false, Some((Family, hour))),
        ("OperationNotAllowed", REGION, false, Some((Region, hour))),
        ("OperationNotAllowed", SPOT, true, Some((Spot, hour))),
        ("SkuNotAvailable", "", false, Some((Size, hour * 23))),
        ("SkuNotAvailable", "", true, Some((Size, hour))),
        ("VMSizeNotSupported", "", false, Some((Size, hour * 23))),
        ("ZonalAllocationFailed", "", false, Some((Zone, hour))),
        ("AllocationFailed", "", false, Some((Size, hour))),
        ("Throttled", "", false, None),
        ("Conflict", "", false, None),
    ] {
        let verdict = classify(
            Context {
                spot,
                ..Context::default()
            },
            &error(code, message),
        );
        let got = verdict
            .advice
            .breaker
            .map(|breaker| (breaker.scope, breaker.open_for));
        assert_eq!(got, expected, "{code} spot={spot}");
    }
}

#[test]
fn waits_grow_to_their_limit_and_the_service_may_name_the_first() {
    let busy = classify(Context::default(), &error("Conflict", "")).advice;
    let waits: Vec<u64> = (0..6)
        .map(|attempt| busy.delay(attempt).unwrap().as_secs())
        .collect();
    assert_eq!(waits, [10, 20, 40, 80, 120, 120]);
    let asked = Context {
        status: Some(429),
        retry_after: Some(Duration::from_mins(10)),
        spot: false,
    };
    assert_eq!(
        classify(asked, &error("", "")).advice.delay(9),
        Some(Duration::from_mins(10))
    );
    assert_eq!(
        classify(Context::default(), &error("InvalidParameter", ""))
            .advice
            .delay(0),
        None
    );
}

#[test]
fn long_messages_are_cut() {
    let verdict = classify(Context::default(), &error("X", &"é".repeat(5000)));
    assert_eq!(verdict.message.chars().count(), 1000);
}
