//! What ARM's answers mean for us, and what we ask it for. Pure.

use super::LOOK_AGAIN;
use crate::nodepool::{NodeLabels, OwnedPool, PoolError, PoolIntent, PoolView};
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_api::labels;
use trustbridge_azure::arm::body::{GpuProfile, TAG_ORDER, TAG_TUNEPOD, TAG_UID, UpgradeSettings};
use trustbridge_azure::arm::{Accepted, AgentPool, Class, Error, ErrorBody, Properties, Verdict, classify};

pub(super) fn accepted(answer: Result<Accepted, Error>, state: &str) -> Result<PoolView, PoolError> {
    let accepted = answer.map_err(|e| trouble(&e))?;
    Ok(PoolView::Working {
        state: state.to_owned(),
        // Only what can be polled by its body is written down; otherwise the pool itself is asked.
        operation_url: accepted.operation.filter(|o| o.has_status).map(|o| o.url),
        retry_after: accepted.retry_after.unwrap_or(LOOK_AGAIN),
    })
}

/// What the pool that was found means for us; `failure` is how the operation that was to make it ended.
pub(super) fn view(
    found: Option<AgentPool>,
    pool: &PoolIntent,
    failure: Option<PoolError>,
) -> Result<PoolView, PoolError> {
    let Some(found) = found else {
        return failure.map_or(Ok(PoolView::Absent), Err);
    };
    if !found.belongs_to(&pool.tunepod_uid) {
        return Err(foreign(&found, pool));
    }
    if !found.is_settled() {
        return Ok(working(&found));
    }
    if found.is_succeeded() {
        return Ok(PoolView::Ready);
    }
    let told = found
        .properties
        .status
        .as_ref()
        .and_then(|s| s.provisioning_error.as_ref());
    Ok(PoolView::Broken(
        failure.unwrap_or_else(|| refused(&told.cloned().unwrap_or_default())),
    ))
}

pub(super) fn working(pool: &AgentPool) -> PoolView {
    PoolView::Working {
        state: pool.properties.provisioning_state.clone().unwrap_or_default(),
        operation_url: None,
        retry_after: LOOK_AGAIN,
    }
}

pub(super) fn foreign(found: &AgentPool, pool: &PoolIntent) -> PoolError {
    let (name, ours) = (&pool.name, &pool.tunepod_uid);
    // A pool that lost its tag may well be ours, and go on costing: nothing follows from it.
    let (code, message) = match found.owner_uid().filter(|uid| !uid.is_empty()) {
        Some(uid) => (
            "ForeignNodePool",
            format!(
                "tag {TAG_UID} of node pool {name} must be '{ours}' and is '{uid}'; the pool is not touched: set the tag back if it was changed, or delete the pool"
            ),
        ),
        None => (
            "UntaggedNodePool",
            format!(
                "tag {TAG_UID} of node pool {name} must be '{ours}' and is missing; the pool is not touched: set the tag, or delete the pool"
            ),
        ),
    };
    PoolError {
        class: Reason::ForeignNodePool,
        code: code.to_owned(),
        message,
        first: Some(Duration::from_mins(5)),
        longest: Duration::from_mins(5),
    }
}

pub(super) fn body(pool: &PoolIntent, more: &NodeLabels) -> AgentPool {
    let owned = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let name = pool.tunepod.rsplit('/').next().unwrap_or_default();
    AgentPool {
        properties: Properties {
            count: Some(1),
            vm_size: Some(pool.vm_size.clone()),
            mode: Some("User".to_owned()),
            kind: Some("VirtualMachineScaleSets".to_owned()),
            os_type: Some("Linux".to_owned()),
            os_sku: Some("Ubuntu".to_owned()),
            node_labels: more
                .of(pool)
                .into_iter()
                .chain(owned(&[(labels::TUNEPOD, name), (labels::ORG, &pool.org)]))
                .collect(),
            node_taints: vec!["sku=gpu:NoSchedule".to_owned()],
            tags: owned(&[
                (TAG_UID, &pool.tunepod_uid),
                (TAG_TUNEPOD, &pool.tunepod),
                (TAG_ORDER, &pool.order),
            ]),
            gpu_profile: Some(GpuProfile {
                driver: Some("Install".to_owned()),
            }),
            // GPU quota is tight: a surge node would not be granted.
            upgrade_settings: Some(UpgradeSettings {
                max_surge: Some("0".to_owned()),
                max_unavailable: Some("1".to_owned()),
            }),
            ..Properties::default()
        },
        ..AgentPool::default()
    }
}

/// A pool with our tags; `None`: it is not of our making.
pub(super) fn owned(pool: &AgentPool) -> Option<OwnedPool> {
    let tag = |name: &str| pool.properties.tags.get(name).cloned().unwrap_or_default();
    Some(OwnedPool {
        name: pool.name.clone()?,
        tunepod_uid: pool.owner_uid().filter(|uid| !uid.is_empty())?.to_owned(),
        tunepod: tag(TAG_TUNEPOD),
        order: tag(TAG_ORDER),
    })
}

pub(in crate::nodepool) fn refused(error: &ErrorBody) -> PoolError {
    from_verdict(&classify(
        trustbridge_azure::arm::classify::Context::default(),
        error,
    ))
}

pub(super) fn trouble(error: &Error) -> PoolError {
    match error.verdict() {
        Some(verdict) => from_verdict(verdict),
        None => PoolError {
            class: if matches!(error, Error::Token(_)) {
                Reason::Auth
            } else {
                Reason::Transient
            },
            code: "Unreachable".to_owned(),
            message: error.to_string(),
            first: Some(Duration::from_secs(5)),
            longest: Duration::from_mins(5),
        },
    }
}

/// A passing failure without a code of the provider's.
pub(in crate::nodepool) fn trouble_of(code: &str, message: String) -> PoolError {
    PoolError {
        class: Reason::Transient,
        code: code.to_owned(),
        message,
        first: Some(Duration::from_secs(5)),
        longest: Duration::from_mins(5),
    }
}

pub(super) fn from_verdict(verdict: &Verdict) -> PoolError {
    PoolError {
        class: reason(verdict.class),
        code: verdict.code.clone(),
        message: verdict.message.clone(),
        first: verdict.advice.retry_after,
        longest: verdict.advice.retry_max,
    }
}

pub(super) const fn reason(class: Class) -> Reason {
    match class {
        // Somebody was faster with the same pool: the next look tells who.
        Class::Busy | Class::Stale => Reason::Busy,
        Class::QuotaFamily => Reason::QuotaFamily,
        Class::QuotaRegion => Reason::QuotaRegion,
        Class::QuotaSpot => Reason::QuotaSpot,
        Class::Quota => Reason::Quota,
        Class::SkuUnavailable => Reason::SkuUnavailable,
        Class::SkuForbidden => Reason::SkuForbidden,
        Class::Zone => Reason::Zone,
        Class::Capacity => Reason::Capacity,
        Class::Throttle => Reason::Throttle,
        Class::Fatal => Reason::Fatal,
        Class::Auth => Reason::Auth,
        Class::Locked => Reason::Locked,
        Class::Gone => Reason::Gone,
        Class::Transient => Reason::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(pool: &PoolIntent) -> AgentPool {
        body(pool, &NodeLabels::default())
    }

    fn intent() -> PoolIntent {
        PoolIntent {
            name: "tbabc".to_owned(),
            tunepod_uid: "u1".to_owned(),
            tunepod: "tb-acme/order-1-0".to_owned(),
            order: "order-1".to_owned(),
            org: "acme".to_owned(),
            vm_size: "Standard_NC24ads_A100_v4".to_owned(),
            gpus: 1,
            operation_url: None,
        }
    }

    fn found(uid: &str, state: &str) -> AgentPool {
        let mut pool = body_of(&PoolIntent {
            tunepod_uid: uid.to_owned(),
            ..intent()
        });
        pool.properties.provisioning_state = Some(state.to_owned());
        pool
    }

    #[test]
    fn a_pool_is_read_by_its_tag_and_state() {
        assert_eq!(view(None, &intent(), None), Ok(PoolView::Absent));
        assert_eq!(
            view(Some(found("u1", "Succeeded")), &intent(), None),
            Ok(PoolView::Ready)
        );
        assert!(matches!(
            view(Some(found("u1", "Creating")), &intent(), None),
            Ok(PoolView::Working { .. })
        ));
        assert!(matches!(
            view(Some(found("u1", "Failed")), &intent(), None),
            Ok(PoolView::Broken(_))
        ));
        let foreign = view(Some(found("u2", "Succeeded")), &intent(), None).unwrap_err();
        assert_eq!(foreign.class, Reason::ForeignNodePool);
        assert!(
            foreign.message.contains("'u1'") && foreign.message.contains("'u2'"),
            "{foreign}"
        );
    }

    #[test]
    fn a_pool_without_its_tag_is_not_somebody_elses() {
        let mut bare = found("u1", "Succeeded");
        bare.properties.tags.clear();
        let untagged = view(Some(bare), &intent(), None).unwrap_err();
        assert_eq!(untagged.class, Reason::ForeignNodePool);
        assert!(untagged.message.contains("set the tag"));
    }

    #[test]
    fn an_operation_that_failed_without_a_pool_is_its_error() {
        let error = refused(&ErrorBody {
            code: "SkuNotAvailable".to_owned(),
            ..ErrorBody::default()
        });
        assert_eq!(error.class, Reason::SkuUnavailable);
        assert_eq!(view(None, &intent(), Some(error.clone())), Err(error));
    }

    #[test]
    fn the_body_carries_the_tags_that_protect_it() {
        let pool = body_of(&intent());
        assert!(pool.belongs_to("u1"));
        assert_eq!(pool.properties.node_taints, ["sku=gpu:NoSchedule"]);
        assert_eq!(
            pool.properties
                .node_labels
                .get(labels::TUNEPOD)
                .map(String::as_str),
            Some("order-1-0")
        );
    }

    #[test]
    fn more_labels_come_besides_and_never_over_our_own() {
        let more = NodeLabels {
            every: BTreeMap::from([(labels::ORG.to_owned(), "somebody".to_owned())]),
            device_plugin_config: Some("shared".to_owned()),
        };
        let config = |gpus| {
            let pool = PoolIntent { gpus, ..intent() };
            let told = body(&pool, &more).properties.node_labels;
            assert_eq!(told.get(labels::ORG).map(String::as_str), Some("acme"));
            told.get(NodeLabels::DEVICE_PLUGIN_CONFIG).cloned()
        };
        assert_eq!(config(1).as_deref(), Some("shared"));
        assert_eq!(config(2), None, "of several GPUs a fraction cannot be chosen");
    }
}
