//! How an object and a message call the same thing.
//!
//! Ids of messages hold capitals and underscores, names of objects do not. The name follows from organisation, kind and id,
//! so that "create" is the lock; the id itself is kept beside it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use trustbridge_acp::code::Code;
use trustbridge_acp::path::Path;
use trustbridge_acp::{Fault, Message, Refusal};
use trustbridge_domain::names::{object_name, org_namespace};

/// Annotation with the id that messages use. Objects that were made by hand have none: their name is their id.
pub const ACP_ID: &str = "trustbridge.io/acp-id";

/// Metadata of an object of `org` that stands for `id`.
#[must_use]
pub fn metadata(org: &str, kind: &str, id: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(object_name(org, kind, id)),
        namespace: Some(org_namespace(org)),
        annotations: Some([(ACP_ID.to_owned(), id.to_owned())].into()),
        ..ObjectMeta::default()
    }
}

/// The id that messages use for an object.
#[must_use]
pub fn id_of(object: &impl ResourceExt) -> String {
    let kept = object.annotations().get(ACP_ID);
    kept.cloned().unwrap_or_else(|| object.name_any())
}

/// A refusal about a field of the payload.
pub(crate) fn refused(field: &str, code: Code, rule: impl Into<String>, next: impl Into<String>) -> Refusal {
    let payload = Path::Key(&Path::Root, "payload");
    Fault::new(Path::Key(&payload, field), code, rule, next).into()
}

/// A message of another name was handed over: whoever calls chose the wrong function.
pub(crate) fn misdirected(message: &Message, wanted: &str) -> Refusal {
    let rule = format!("must be '{wanted}'");
    let fault = Fault::new(
        Path::Key(&Path::Root, "name"),
        Code::NameNotAllowed,
        rule,
        "send it by that name",
    );
    fault.of(message.name().as_str()).into()
}
