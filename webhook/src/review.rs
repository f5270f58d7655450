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

    /// The review that answers question `uid`, as JSON text.
    pub(crate) fn into_review(self, uid: &str) -> Result<String, serde_json::Error> {
        let uid = serde_json::to_string(uid)?;
        let (code, reason, message) = match self {
            Self::Allowed => return Ok(format!("{HEAD}{uid},\"allowed\":true}}}}")),
            Self::Patched(patch) => return Ok(with_patch(&uid, &patch)),
            Self::Denied(message) => (403, "Forbidden", message),
            Self::Unavailable(message) => (503, "ServiceUnavailable", message),
        };
        let status = serde_json::to_string(&Status {
            code,
            reason,
            message: &message,
        })?;
        Ok(format!("{HEAD}{uid},\"allowed\":false,\"status\":{status}}}}}"))
    }
}

/// How every answer begins, up to the question's identity.
const HEAD: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"#;

/// The answer that is asked for most. Base64 needs no escape, so it is written where it is read from.
fn with_patch(uid: &str, patch: &str) -> String {
    let encoded = data_encoding::BASE64.encode_len(patch.len());
    let mut text = String::with_capacity(HEAD.len() + uid.len() + encoded + 64);
    text.push_str(HEAD);
    text.push_str(uid);
    text.push_str(r#","allowed":true,"patchType":"JSONPatch","patch":""#);
    data_encoding::BASE64.encode_append(patch.as_bytes(), &mut text);
    text.push_str("\"}}");
    text
}

#[derive(Debug, Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_patch_is_base64() {
        let patch = json!([{"op": "add", "path": "/a", "value": 1}]).to_string();
        let review = answered(Verdict::Patched(patch.clone()), "u1");
        assert_eq!(review["response"]["uid"], "u1");
        assert_eq!(review["response"]["patchType"], "JSONPatch");
        let bytes = data_encoding::BASE64
            .decode(review["response"]["patch"].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), patch);
    }

    fn answered(verdict: Verdict, uid: &str) -> Value {
        serde_json::from_str(&verdict.into_review(uid).unwrap()).unwrap()
    }

    #[test]
    fn a_denial_says_why() {
        let review = answered(Verdict::Denied("no \"x\"".into()), "u \"1\"");
        assert_eq!(review["response"]["allowed"], false);
        assert_eq!(review["response"]["status"]["message"], "no \"x\"");
        assert_eq!(review["response"]["uid"], "u \"1\"");
        assert_eq!(review["kind"], "AdmissionReview");
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
