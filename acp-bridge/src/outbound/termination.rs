//! WipeEvidence as `fulfillment.terminated`.

use crate::identity::id_of;
use trustbridge_acp::messages::termination::{FulfillmentTerminated, Wipe};
use trustbridge_api::WipeEvidence;
use trustbridge_domain::wipe::WipeMethod;

/// The event of an instance that has ended at `terminated_at` (RFC 3339), of the order with id `order_id`.
///
/// The documents' word `reimage+discard` claims more than was observed; the method is told in the evidence's own words.
#[must_use]
pub fn terminated(evidence: &WipeEvidence, order_id: &str, terminated_at: &str) -> FulfillmentTerminated {
    let spec = &evidence.spec;
    FulfillmentTerminated {
        order_id: order_id.to_owned(),
        terminated_at: terminated_at.to_owned(),
        wipe: Some(Wipe {
            performed: Some(spec.record.method != WipeMethod::None),
            method: Some(spec.record.method.as_str().to_owned()),
            evidence_id: Some(id_of(evidence)),
            digest: Some(spec.digest.clone()),
        }),
        instance_id: Some(spec.tune_pod_ref.name.clone()),
    }
}
