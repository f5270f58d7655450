//! The table itself. Sources of codes, texts and breaker times: see the ADR on node pools.

use super::{Advice, Breaker, BreakerScope, Class, Context, ErrorBody};
use std::time::Duration;

/// One row: any of the codes (a trailing `*` matches the rest) and, where given, a text in the message, which
/// is compared in lower case.
struct Row {
    codes: &'static [&'static str],
    says: Option<&'static str>,
    class: Class,
}

const fn row(codes: &'static [&'static str], says: Option<&'static str>, class: Class) -> Row {
    Row { codes, says, class }
}

/// Codes with which quota is refused.
const QUOTA: &[&str] = &[
    "OperationNotAllowed",
    "QuotaExceeded",
    "ResourceQuotaExceeded",
    "ErrCode_InsufficientVCPUQuota",
];

/// First match wins.
const ROWS: &[Row] = &[
    row(QUOTA, Some("lowprioritycores"), Class::QuotaSpot),
    row(QUOTA, Some("low priority cores"), Class::QuotaSpot),
    row(QUOTA, Some("total regional cores quota"), Class::QuotaRegion),
    row(
        QUOTA,
        Some("insufficient regional vcpu quota"),
        Class::QuotaRegion,
    ),
    row(QUOTA, Some("family cores quota"), Class::QuotaFamily),
    row(QUOTA, Some("submit a request for quota increase"), Class::Quota),
    row(&["OperationNotAllowed"], Some("in progress"), Class::Busy),
    row(&["OperationNotAllowed"], Some("quota"), Class::Quota),
    row(
        &[
            "QuotaExceeded",
            "ResourceQuotaExceeded",
            "ErrCode_InsufficientVCPUQuota",
        ],
        None,
        Class::Quota,
    ),
    row(
        &[
            "EtagMismatch",
            "AnotherOperationInProgress",
            "OriginalEtagNotExpect",
            "Conflict",
        ],
        None,
        Class::Busy,
    ),
    row(&["AKSOperationPreempted*"], None, Class::Busy),
    row(&["PreconditionFailed"], None, Class::Stale),
    row(&["SkuNotAvailable"], None, Class::SkuUnavailable),
    row(&["VMSizeNotSupported"], None, Class::SkuForbidden),
    row(
        &["BadRequest"],
        Some("is not supported for subscription"),
        Class::SkuForbidden,
    ),
    row(
        &["ZonalAllocationFailed", "OverconstrainedZonalAllocationRequest"],
        None,
        Class::Zone,
    ),
    row(
        &[
            "AllocationFailed",
            "OverconstrainedAllocationRequest",
            "AksCapacityHeavyUsage",
        ],
        None,
        Class::Capacity,
    ),
    row(
        &["Throttled", "TooManyRequests", "SubscriptionRequestsThrottled"],
        None,
        Class::Throttle,
    ),
    row(
        &["AuthorizationFailed", "LinkedAuthorizationFailed"],
        None,
        Class::Auth,
    ),
    row(&["ScopeLocked"], None, Class::Locked),
    row(
        &[
            "ResourceNotFound",
            "NotFound",
            "ResourceGroupNotFound",
            "GetAgentPool_NotFound",
        ],
        None,
        Class::Gone,
    ),
    row(
        &[
            "InsufficientSubnetSize",
            "SubnetIsFull",
            "RequestDisallowedByPolicy",
        ],
        None,
        Class::Fatal,
    ),
    row(
        &[
            "InvalidParameter*",
            "PropertyChangeNotAllowed",
            "MissingRequiredParameter",
        ],
        None,
        Class::Fatal,
    ),
    row(&["InternalOperationError"], None, Class::Transient),
];

/// The first row that one of the node's codes matches, and that code.
pub(super) fn lookup(node: &ErrorBody) -> Option<(Class, String)> {
    let message = node.message.to_lowercase();
    let codes: Vec<&str> = [node.code.as_str(), node.subcode.as_str()]
        .into_iter()
        .chain(quoted_codes(&node.message))
        .filter(|code| !code.is_empty())
        .collect();
    let hits = codes.iter().filter_map(|code| {
        let row = ROWS.iter().find(|row| {
            row.codes.iter().any(|pattern| matches(pattern, code))
                && row.says.is_none_or(|text| message.contains(text))
        })?;
        Some((row.class, (*code).to_owned()))
    });
    hits.reduce(|best, next| {
        if weight(next.0) > weight(best.0) {
            next
        } else {
            best
        }
    })
}

fn matches(pattern: &str, code: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => code
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => pattern.eq_ignore_ascii_case(code),
    }
}

/// Codes that a wrapper put into its message: `… Code="ZonalAllocationFailed" Message="…"`.
fn quoted_codes(message: &str) -> impl Iterator<Item = &str> {
    message
        .split("Code=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(code, _)| code))
}

/// How much a class tells: a named lack of capacity inside a general failure is the cause, not the other way
/// round.
pub(super) fn weight(class: Class) -> u8 {
    match class {
        Class::QuotaFamily | Class::QuotaRegion | Class::QuotaSpot => 7,
        Class::Quota | Class::SkuForbidden | Class::SkuUnavailable | Class::Zone | Class::Capacity => 6,
        Class::Locked | Class::Auth | Class::Throttle => 5,
        Class::Fatal => 4,
        Class::Busy | Class::Stale => 3,
        Class::Gone => 2,
        Class::Transient => 1,
    }
}

/// What a status alone means.
pub(super) fn by_status(status: Option<u16>) -> Class {
    match status {
        Some(401 | 403) => Class::Auth,
        Some(409) => Class::Busy,
        Some(412) => Class::Stale,
        Some(429 | 503) => Class::Throttle,
        // A 404 without a code that is known comes from something between us and the service.
        Some(404 | 408) | None => Class::Transient,
        Some(400..=499) => Class::Fatal,
        Some(_) => Class::Transient,
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

pub(super) fn advice(class: Class, message: &str, context: Context) -> Advice {
    let (first, longest) = waits(class);
    let retry_after = match class {
        Class::Fatal => None,
        // Asking inside the window starts the window again, so the service's own time goes first.
        Class::Throttle | Class::Busy | Class::Transient => context.retry_after.or(Some(first)),
        _ => Some(first),
    };
    Advice {
        retry_after,
        retry_max: longest,
        breaker: breaker(class, message, context.spot),
        remedy: remedy(class),
    }
}

/// First and longest wait.
fn waits(class: Class) -> (Duration, Duration) {
    let seconds = Duration::from_secs;
    match class {
        Class::Fatal => (seconds(0), seconds(0)),
        Class::Stale => (seconds(1), minutes(1)),
        Class::Busy => (seconds(10), minutes(2)),
        Class::Transient => (seconds(5), minutes(5)),
        Class::Gone => (seconds(10), minutes(5)),
        Class::Throttle => (minutes(1), minutes(10)),
        Class::Auth => (minutes(5), minutes(5)),
        Class::Locked => (minutes(30), minutes(30)),
        Class::QuotaFamily | Class::Zone | Class::Capacity => (minutes(10), hours(1)),
        Class::QuotaRegion | Class::QuotaSpot | Class::Quota | Class::SkuUnavailable => (hours(1), hours(1)),
        Class::SkuForbidden => (hours(23), hours(23)),
    }
}

/// What happens next, and what a person can do about it.
fn remedy(class: Class) -> &'static str {
    match class {
        Class::Busy => "waits for the other operation to end and tries again",
        Class::Stale => "reads the pool again and decides anew",
        Class::QuotaFamily => {
            "tries the next VM family, or this one again later; ask Azure for more quota of the family"
        }
        Class::QuotaRegion => "tries again later; ask Azure for more cores in the region",
        Class::QuotaSpot => "uses on-demand capacity, or tries Spot again later",
        Class::Quota => "tries again later; ask Azure for more quota",
        Class::SkuUnavailable | Class::Capacity => "tries the next VM size, or this one again later",
        Class::SkuForbidden => "tries the next VM size; ask Azure to allow this one",
        Class::Zone => "tries another zone",
        Class::Throttle => "waits as long as Azure asked and tries again",
        Class::Fatal => "does not try again before the specification is changed",
        Class::Auth => "tries again every five minutes; grant the operator's identity the missing right",
        Class::Locked => "tries again every half hour; remove the lock in Azure",
        Class::Gone => "takes a deletion for done; otherwise check cluster, resource group and subscription",
        Class::Transient => "tries again",
    }
}

fn breaker(class: Class, message: &str, spot: bool) -> Option<Breaker> {
    let (scope, open_for) = match class {
        Class::QuotaFamily if limit_is_zero(message) => (BreakerScope::Family, hours(1)),
        Class::QuotaFamily => (BreakerScope::Family, minutes(10)),
        Class::QuotaRegion | Class::Quota => (BreakerScope::Region, hours(1)),
        Class::QuotaSpot => (BreakerScope::Spot, hours(1)),
        Class::SkuUnavailable if spot => (BreakerScope::Size, hours(1)),
        Class::SkuUnavailable | Class::SkuForbidden => (BreakerScope::Size, hours(23)),
        Class::Zone => (BreakerScope::Zone, hours(1)),
        Class::Capacity => (BreakerScope::Size, hours(1)),
        _ => return None,
    };
    Some(Breaker { scope, open_for })
}

/// "Current Limit: 0": the subscription has none of it at all, which no waiting for others changes.
fn limit_is_zero(message: &str) -> bool {
    let lower = message.to_lowercase();
    lower.split("limit: ").skip(1).any(|rest| {
        rest.strip_prefix('0')
            .is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
    })
}
