//! What is missing of an organisation.

use super::Observed;
use crate::controllers::execute::{Plan, Write};
use jiff::Timestamp;
use kube::ResourceExt;
use trustbridge_api::BuyerOrgStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_domain::names::{org_namespace, protected_namespace};
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::conditions::{Statement, set};

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<BuyerOrgStatus> {
    let org = seen.org.name_any();
    let mut status = seen.org.status.clone().unwrap_or_default();
    status.observed_generation = seen.org.metadata.generation;
    status.namespace = Some(org_namespace(&org));
    status.protected_namespace = Some(protected_namespace(&org));
    // The status is written after the applies, so by then all of it is there.
    let message = format!(
        "{} and {} are set up",
        org_namespace(&org),
        protected_namespace(&org)
    );
    let ready = Statement::yes(ConditionType::Ready, Reason::AsSpecified, message);
    set(&mut status.conditions, &ready, seen.org.metadata.generation, now);
    let missing = seen.children.iter().filter(|(_, is_there)| !is_there);
    Plan {
        writes: missing
            .map(|(built, _)| Write::Apply(FieldManager::BUYER_ORG, built.clone()))
            .collect(),
        ..Plan::rest(status)
    }
}
