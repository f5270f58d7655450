//! `AdmissionReview` as this webhook reads and writes it.
//!
//! No object is ever written back: a typed round trip would drop every field that is newer than our types, and the
//! difference would then delete it from the pod. The response is our own because the patch must be base64:
//! an array of byte numbers, the other legal form, is more than three times as long.

use crate::inject::pod::Text;
use serde::{Deserialize, Serialize};

/// What the API server posts; `O` is what the objects are read as.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "O: Deserialize<'de>"))]
pub(crate) struct Review<'a, O> {
    /// The question.
    #[serde(borrow)]
    pub(crate) request: Request<'a, O>,
}

/// The question in a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub(crate) struct Request<'a, O> {
    /// Identity of the question; the answer repeats it.
    #[serde(default, borrow)]
    pub(crate) uid: Text<'a>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(default, borrow)]
    pub(crate) operation: Text<'a>,
    /// Resource that is asked about.
    #[serde(default, borrow)]
    pub(crate) resource: Resource<'a>,
    /// Subresource; empty for the resource itself.
    #[serde(default, borrow)]
    pub(crate) sub_resource: Option<Text<'a>>,
    /// Name; empty where the server generates it.
    #[serde(default, borrow)]
    pub(crate) name: Text<'a>,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(default, borrow)]
    pub(crate) namespace: Text<'a>,
    /// Who asks.
    #[serde(default, borrow)]
    pub(crate) user_info: UserInfo<'a>,
    /// The object as it would be.
    #[serde(default = "nothing")]
    pub(crate) object: Option<O>,
    /// The object as it is.
    #[serde(default = "nothing")]
    pub(crate) old_object: Option<O>,
}

/// For fields of a type that has no default of its own.
const fn nothing<O>() -> Option<O> {
    None
}

/// Resource of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resource<'a> {
    /// API group; empty for the core group.
    #[serde(borrow)]
    pub(crate) group: Text<'a>,
    /// Plural name.
    #[serde(borrow)]
    pub(crate) resource: Text<'a>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserInfo<'a> {
    /// Name as the API server authenticated it.
    #[serde(borrow)]
    pub(crate) username: Text<'a>,
}

/// What the webhook decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Go on as it is.
    Allowed,
    /// Go on with this change, RFC 6902 as JSON text.
    Patched(String),
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
    pub(crate) fn into_review(self, uid: &str) -> ReviewAnswer {
        let mut response = Answer {
            uid: uid.to_owned(),
            allowed: true,
            patch: None,
            patch_type: None,
            status: None,
        };
        match self {
            Self::Allowed => {}
            Self::Patched(patch) => {
                response.patch = Some(data_encoding::BASE64.encode(patch.as_bytes()));
                response.patch_type = Some("JSONPatch");
            }
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
    use serde_json::{Value, json};

    #[test]
    fn a_patch_is_base64() {
        let patch = json!([{"op": "add", "path": "/a", "value": 1}]).to_string();
        let review = serde_json::to_value(Verdict::Patched(patch.clone()).into_review("u1")).unwrap();
        assert_eq!(review["response"]["uid"], "u1");
        assert_eq!(review["response"]["patchType"], "JSONPatch");
        let bytes = data_encoding::BASE64
            .decode(review["response"]["patch"].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), patch);
    }

    #[test]
    fn a_denial_says_why() {
        let review = serde_json::to_value(Verdict::Denied("no".into()).into_review("u")).unwrap();
        assert_eq!(review["response"]["allowed"], false);
        assert_eq!(review["response"]["status"]["message"], "no");
        assert_eq!(review["response"]["status"]["code"], 403);
    }

    #[test]
    fn nulls_of_the_api_server_are_read() {
        let text = json!({"request": {
            "uid": "u", "operation": "DELETE", "object": null, "oldObject": {"a": 1}, "subResource": null,
            "resource": {"group": "trustbridge.io", "version": "v1alpha1", "resource": "orders"},
            "userInfo": {"username": "jane \"q\"", "groups": ["a"]}, "options": null}})
        .to_string();
        let review: Review<'_, Value> = serde_json::from_str(&text).unwrap();
        assert!(review.request.object.is_none() && review.request.sub_resource.is_none());
        assert_eq!(review.request.user_info.username.as_str(), "jane \"q\"");
    }
}
