//! `AdmissionReview` as this webhook reads and writes it.
//!
//! Objects stay plain JSON: a typed round trip would drop every field that is newer than our types, and the
//! difference would then delete it from the pod. The response is our own because the patch must be base64:
//! an array of byte numbers, the other legal form, is more than three times as long.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the API server posts.
#[derive(Debug, Deserialize)]
pub(crate) struct Review {
    /// The question.
    pub(crate) request: Request,
}

/// The question in a review.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Request {
    /// Identity of the question; the answer repeats it.
    pub(crate) uid: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(crate) operation: String,
    /// Resource that is asked about.
    pub(crate) resource: Resource,
    /// Subresource; empty for the resource itself.
    pub(crate) sub_resource: Option<String>,
    /// Name; empty where the server generates it.
    pub(crate) name: String,
    /// Namespace; empty for cluster-scoped objects.
    pub(crate) namespace: String,
    /// Who asks.
    pub(crate) user_info: UserInfo,
    /// The object as it would be.
    pub(crate) object: Value,
    /// The object as it is.
    pub(crate) old_object: Value,
}

/// Resource of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resource {
    /// API group; empty for the core group.
    pub(crate) group: String,
    /// Plural name.
    pub(crate) resource: String,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserInfo {
    /// Name as the API server authenticated it.
    pub(crate) username: String,
}

/// What the webhook decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Go on as it is.
    Allowed,
    /// Go on with this change.
    Patched(json_patch::Patch),
    /// No, and why; it will not become true by trying again.
    Denied(String),
    /// Not now, and why; trying again may help.
    Unavailable(String),
}

impl Verdict {
    /// The word in metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Patched(_) => "patched",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The review that answers question `uid`.
    pub(crate) fn into_review(self, uid: String) -> ReviewAnswer {
        let mut response = Answer {
            uid,
            allowed: true,
            patch: None,
            patch_type: None,
            status: None,
        };
        match self {
            Self::Allowed => {}
            Self::Patched(patch) => match serde_json::to_vec(&patch) {
                Ok(bytes) => {
                    response.patch = Some(data_encoding::BASE64.encode(&bytes));
                    response.patch_type = Some("JSONPatch");
                }
                Err(error) => response.refuse(
                    500,
                    "InternalError",
                    format!("the patch cannot be written: {error}"),
                ),
            },
            Self::Denied(message) => response.refuse(403, "Forbidden", message),
            Self::Unavailable(message) => response.refuse(503, "ServiceUnavailable", message),
        }
        ReviewAnswer {
            api_version: "admission.k8s.io/v1",
            kind: "AdmissionReview",
            response,
        }
    }
}

/// What the API server reads back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReviewAnswer {
    api_version: &'static str,
    kind: &'static str,
    response: Answer,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

impl Answer {
    fn refuse(&mut self, code: u16, reason: &'static str, message: String) {
        self.allowed = false;
        self.status = Some(Status {
            code,
            reason,
            message,
        });
    }
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_is_base64() {
        let patch: json_patch::Patch =
            serde_json::from_value(json!([{"op": "add", "path": "/a", "value": 1}])).unwrap();
        let review = serde_json::to_value(Verdict::Patched(patch.clone()).into_review("u1".into())).unwrap();
        assert_eq!(review["response"]["uid"], "u1");
        assert_eq!(review["response"]["patchType"], "JSONPatch");
        let bytes = data_encoding::BASE64
            .decode(review["response"]["patch"].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(
            serde_json::from_slice::<json_patch::Patch>(&bytes).unwrap(),
            patch
        );
    }

    #[test]
    fn a_denial_says_why() {
        let review = serde_json::to_value(Verdict::Denied("no".into()).into_review("u".into())).unwrap();
        assert_eq!(review["response"]["allowed"], false);
        assert_eq!(review["response"]["status"]["message"], "no");
        assert_eq!(review["response"]["status"]["code"], 403);
    }

    #[test]
    fn nulls_of_the_api_server_are_read() {
        let review: Review = serde_json::from_value(json!({"request": {
            "uid": "u", "operation": "DELETE", "object": null, "oldObject": {"a": 1},
            "resource": {"group": "trustbridge.io", "version": "v1alpha1", "resource": "orders"},
            "userInfo": {"username": "jane", "groups": ["a"]}, "options": null}}))
        .unwrap();
        assert!(review.request.object.is_null());
        assert_eq!(review.request.user_info.username, "jane");
    }
}
