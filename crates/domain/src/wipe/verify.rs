//! Whether evidence is what its steps come to, and what its seller signed.

use super::{Document, SIGNED_KIND, WipeRecord, method, name, not_observed};
use crate::signature::Signed;
use serde::Deserialize;
use serde_json::Value;

/// Evidence as `kubectl get -o yaml` or `-o json` prints it; what is not signed is left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Printed {
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    record: Value,
    digest: String,
    public_key: String,
    signature: Signature,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    key_id: String,
    algorithm: String,
    value: String,
}

/// What was found out about evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What speaks against it, each with its place; empty when it is right.
    pub findings: Vec<String>,
    /// Its name.
    pub name: String,
    /// The TunePod.
    pub tune_pod: String,
    /// Who answered for the machines.
    pub provider: String,
    /// What the steps come to.
    pub method: String,
    /// Steps that were observed.
    pub steps: usize,
    /// What was not observed.
    pub not_observed: Vec<String>,
    /// The key that signed it, 64 hex digits.
    pub public_key: String,
    /// The digest that was signed, 64 hex digits.
    pub digest: String,
}

/// Derives method and name again and checks digest and signature. `keys` are the seller's, in lower-case hex; none:
/// whichever signed it. `is_signed` says whether the signature of a text is of a key.
#[must_use]
pub fn verify(
    printed: &Printed,
    keys: &[String],
    is_signed: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) -> Verdict {
    let mut verdict = Verdict {
        name: printed.metadata.name.clone(),
        public_key: printed.spec.public_key.clone(),
        ..Verdict::default()
    };
    if printed.kind != "WipeEvidence" {
        verdict.findings.push(format!(
            "`kind` is '{}'; give a WipeEvidence, as `kubectl get wipeevidence NAME -o yaml` prints it",
            printed.kind
        ));
        return verdict;
    }
    match whole(&printed.spec.record) {
        Ok(record) => judge(&mut verdict, printed, &record),
        Err(finding) => verdict.findings.push(finding),
    }
    let signed = Signed {
        at: "spec",
        kind: SIGNED_KIND,
        digest: &printed.spec.digest,
        public_key: &printed.spec.public_key,
        key_id: &printed.spec.signature.key_id,
        algorithm: &printed.spec.signature.algorithm,
        value: &printed.spec.signature.value,
    };
    verdict.findings.extend(signed.findings(keys, is_signed));
    verdict
}

/// The record, if it says all that stands there: what nobody reads is not signed either.
fn whole(value: &Value) -> Result<WipeRecord, String> {
    let failed = |error: serde_json::Error| format!("`spec.record`: {error}");
    let read: WipeRecord = serde_json::from_value(value.clone()).map_err(failed)?;
    let again = serde_json::to_value(&read).map_err(failed)?;
    if again == *value {
        Ok(read)
    } else {
        Err("`spec.record` holds something that is no part of what was signed".to_owned())
    }
}

fn judge(verdict: &mut Verdict, printed: &Printed, record: &WipeRecord) {
    let (namespace, stands) = (&printed.metadata.namespace, &printed.metadata.name);
    verdict.tune_pod.clone_from(&record.tune_pod);
    verdict.provider.clone_from(&record.provider);
    record.method.as_str().clone_into(&mut verdict.method);
    verdict.steps = record.steps.len();
    verdict.not_observed.clone_from(&record.not_observed);
    let mut says = |place: &str, stands: &str, right: &str| {
        if stands != right {
            let text = format!("`{place}` is '{stands}', and the record comes to '{right}'");
            verdict.findings.push(text);
        }
    };
    says(
        "metadata.name",
        stands,
        &name(&record.org, &record.tune_pod, &record.tune_pod_uid),
    );
    says(
        "metadata.namespace",
        namespace,
        &crate::names::org_namespace(&record.org),
    );
    says(
        "spec.record.method",
        record.method.as_str(),
        method(&record.steps).as_str(),
    );
    says(
        "spec.record.notObserved",
        &record.not_observed.join("; "),
        &not_observed(&record.steps).join("; "),
    );
    let document = Document {
        namespace,
        name: stands,
        record,
    };
    match document.digest() {
        Ok(digest) if digest == printed.spec.digest => verdict.digest = digest,
        Ok(digest) => verdict.findings.push(format!(
            "`spec.digest` is '{}', and the document has '{digest}': something in it was changed",
            printed.spec.digest
        )),
        Err(error) => verdict
            .findings
            .push(format!("there is no digest of it: {error}")),
    }
}
