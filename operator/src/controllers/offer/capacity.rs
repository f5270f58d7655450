//! What of an offer can be had now, in its status. Pure, but for the memory of what was told.

use crate::nodepool::PoolError;
use crate::nodepool::capacity::CapacityView;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use trustbridge_api::TunePod;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::offer::OfferCapacity;
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_kit::clock::plus;
use trustbridge_kit::conditions::{cut, find};

/// What the status says, from what it said and what is seen; and when to look again where that is known.
///
/// A refusal keeps its time: repeated within it, it writes nothing; forgotten by a provider that began anew, it stands
/// until then. A machine that came to be since ends it.
pub(super) fn capacity(
    known: Option<OfferCapacity>,
    view: &CapacityView,
    now: Timestamp,
) -> (OfferCapacity, Option<Duration>) {
    let standing = known
        .clone()
        .filter(|known| known.until.as_ref().is_some_and(|until| now < until.0));
    let said = match (view, standing) {
        (CapacityView::Refused(error), Some(standing)) if standing.reason == error.class.as_str() => standing,
        (CapacityView::Unknown, Some(standing)) => standing,
        (CapacityView::Refused(error), _) => refused(error, now),
        (CapacityView::Unknown | CapacityView::Granted, _) => OfferCapacity {
            summary: "unknown".to_owned(),
            instances: None,
            reason: Reason::CapacityUnknown.as_str().to_owned(),
            message: String::new(),
            since: Time(now),
            until: None,
        },
        (CapacityView::Free { instances, .. }, _) => OfferCapacity {
            summary: instances.to_string(),
            instances: Some(*instances),
            reason: Reason::AsSpecified.as_str().to_owned(),
            message: String::new(),
            since: Time(now),
            until: None,
        },
    };
    let said = match known {
        Some(known) if is_same(&known, &said) => known,
        _ => said,
    };
    let again = match view {
        CapacityView::Free { again, .. } => *again,
        _ => said.until.as_ref().map(|until| {
            let left = Duration::try_from(until.0.duration_since(now)).unwrap_or_default();
            left.max(Duration::from_secs(1))
        }),
    };
    (said, again)
}

fn refused(error: &PoolError, now: Timestamp) -> OfferCapacity {
    let longest = i64::try_from(error.longest.as_secs()).unwrap_or(i64::MAX);
    OfferCapacity {
        summary: format!("0 ({})", error.class.as_str()),
        instances: Some(0),
        reason: error.class.as_str().to_owned(),
        message: cut(&format!("{}: {}", error.code, error.message)),
        since: Time(now),
        until: Some(Time(plus(now, longest))),
    }
}

/// Whether both say the same of the same time; a refusal that ran out and is repeated begins anew.
fn is_same(known: &OfferCapacity, said: &OfferCapacity) -> bool {
    let of_no_time = |one: &OfferCapacity| OfferCapacity {
        since: Time(Timestamp::UNIX_EPOCH),
        ..one.clone()
    };
    of_no_time(known) == of_no_time(said)
}

/// What was told of each TunePod: most of its changes are nothing to an offer.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<String, (TunePodPhase, String)>>);

impl Told {
    /// Whether its phase or its pool's refusal is another than when it was last told.
    pub(super) fn is_new(&self, tunepod: &TunePod) -> bool {
        let status = tunepod.status.clone().unwrap_or_default();
        let refusal = find(&status.conditions, ConditionType::Provisioned)
            .filter(|condition| condition.status != "True")
            .map(|condition| condition.reason.clone())
            .unwrap_or_default();
        let uid = tunepod.uid().unwrap_or_default();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.phase.is_terminal() {
            // It holds nothing any more, and is forgotten.
            return told.remove(&uid).is_some();
        }
        let now = (status.phase, refusal);
        told.insert(uid, now.clone()) != Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustbridge_api::{TunePodSpec, TunePodStatus};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + minute * 60).unwrap()
    }

    fn quota() -> CapacityView {
        CapacityView::Refused(PoolError {
            class: Reason::QuotaFamily,
            code: "OperationNotAllowed".to_owned(),
            message: "Family Cores quota exceeded".to_owned(),
            first: Some(Duration::from_mins(10)),
            longest: Duration::from_hours(1),
        })
    }

    const fn free(instances: i64) -> CapacityView {
        CapacityView::Free {
            instances,
            again: None,
        }
    }

    #[test]
    fn the_same_at_a_later_time_is_the_same_status() {
        for view in [free(3), CapacityView::Unknown, quota()] {
            let (first, _) = capacity(None, &view, at(0));
            let (again, _) = capacity(Some(first.clone()), &view, at(30));
            assert_eq!(first, again, "{view:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_time_and_then_nobody_knows() {
        let (refused, again) = capacity(None, &quota(), at(0));
        assert_eq!(
            (refused.summary.as_str(), refused.instances),
            ("0 (QuotaFamily)", Some(0))
        );
        assert!(refused.message.contains("quota exceeded") && again == Some(Duration::from_hours(1)));
        // The operator began anew and knows nothing: the status does.
        let (kept, _) = capacity(Some(refused.clone()), &CapacityView::Unknown, at(59));
        assert_eq!(kept, refused);
        let (over, again) = capacity(Some(refused.clone()), &CapacityView::Unknown, at(60));
        assert_eq!(
            (over.summary.as_str(), over.instances, again),
            ("unknown", None, None)
        );
        let (repeated, _) = capacity(Some(refused), &quota(), at(60));
        assert_eq!(repeated.until, Some(Time(at(120))));
    }

    #[test]
    fn room_ends_a_refusal_at_once() {
        let (refused, _) = capacity(None, &quota(), at(0));
        let (room, again) = capacity(Some(refused), &free(2), at(1));
        assert_eq!(
            (room.summary.as_str(), room.since, again),
            ("2", Time(at(1)), None)
        );
    }

    #[test]
    fn a_machine_that_came_to_be_ends_a_refusal_and_says_no_more() {
        let (refused, _) = capacity(None, &quota(), at(0));
        let (granted, again) = capacity(Some(refused), &CapacityView::Granted, at(1));
        assert_eq!(
            (granted.summary.as_str(), granted.instances, again),
            ("unknown", None, None)
        );
        let (later, _) = capacity(Some(granted.clone()), &CapacityView::Granted, at(2));
        assert_eq!(later, granted);
    }

    #[test]
    fn only_what_changes_room_is_told() {
        let told = Told::default();
        let mut tunepod = TunePod::new("order-1-0", TunePodSpec::default());
        tunepod.metadata.uid = Some("u1".to_owned());
        assert!(told.is_new(&tunepod) && !told.is_new(&tunepod));
        tunepod.metadata.resource_version = Some("7".to_owned());
        assert!(!told.is_new(&tunepod), "a write of something else");
        tunepod.status = Some(TunePodStatus {
            phase: TunePodPhase::Wiped,
            ..TunePodStatus::default()
        });
        assert!(told.is_new(&tunepod) && !told.is_new(&tunepod), "gone once");
    }
}
