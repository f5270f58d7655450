//! Whether an invoice is what its basis comes to, and what its seller signed.

use super::basis::{Basis, Bill, Document, SIGNED_KIND};
use crate::calendar::{date_of_ms, parse_date};
use crate::canonical::signed_text;
use crate::money::minor_to_decimal;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An invoice as `kubectl get -o yaml` or `-o json` prints it; what is not signed is left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Printed {
    kind: String,
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
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
    order_ref: Named,
    basis: Value,
    #[serde(default)]
    resolution: Option<Resolution>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Resolution {
    reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    phase: String,
    bill: Option<Value>,
    summary: Option<String>,
    digest: Option<String>,
    public_key: Option<String>,
    #[serde(default)]
    signature: Signature,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Signature {
    key_id: String,
    algorithm: String,
    value: String,
}

/// What was found out about an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What speaks against it, each with its place; empty when it is right.
    pub findings: Vec<String>,
    /// Its name.
    pub name: String,
    /// The order.
    pub order: String,
    /// The total as it stands there. Example: `31.50 USD`.
    pub total: String,
    /// Lines that were rated again.
    pub lines: usize,
    /// The key that signed it, 64 hex digits.
    pub public_key: String,
    /// The digest that was signed, 64 hex digits.
    pub digest: String,
}

/// Rates the invoice again from its basis and checks digest and signature. `keys` are the seller's, in lower-case hex;
/// none: whichever signed it. `is_signed` says whether the signature of a text is of a key.
#[must_use]
pub fn verify(
    printed: &Printed,
    keys: &[String],
    is_signed: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) -> Verdict {
    let mut verdict = Verdict {
        name: printed.metadata.name.clone(),
        ..Verdict::default()
    };
    match understood(printed) {
        Ok((basis, bill)) => {
            judge(&mut verdict, printed, &basis, &bill);
            sign(&mut verdict, printed, keys, is_signed);
        }
        Err(finding) => verdict.findings.push(finding),
    }
    verdict
}

/// Basis and bill; why they are none.
fn understood(printed: &Printed) -> Result<(Basis, Bill), String> {
    if printed.kind != "Invoice" {
        return Err(format!(
            "`kind` is '{}'; give an Invoice, as `kubectl get invoice NAME -o yaml` prints it",
            printed.kind
        ));
    }
    let Some(bill) = &printed.status.bill else {
        return Err(format!(
            "`status.bill` is absent: it is not issued yet (phase '{}'); its condition says why",
            printed.status.phase
        ));
    };
    Ok((
        whole("spec.basis", &printed.spec.basis)?,
        whole("status.bill", bill)?,
    ))
}

/// The document in `value`, if it says all that stands there: what nobody reads is not signed either.
fn whole<T>(path: &str, value: &Value) -> Result<T, String>
where
    T: serde::de::DeserializeOwned + serde::Serialize,
{
    let read: T = serde_json::from_value(value.clone()).map_err(|error| format!("`{path}`: {error}"))?;
    let again = serde_json::to_value(&read).map_err(|error| format!("`{path}`: {error}"))?;
    match difference(path, value, &again) {
        Some(place) => Err(format!("`{place}` is no part of what was signed")),
        None => Ok(read),
    }
}

/// The first place in which two documents differ.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            let at = format!("{path}.{key}");
            match (a.get(key), b.get(key)) {
                (Some(x), Some(y)) => difference(&at, x, y),
                _ => Some(at),
            }
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (x, y))| difference(&format!("{path}[{index}]"), x, y)),
        (a, b) => (a != b).then(|| path.to_owned()),
    }
}

fn judge(verdict: &mut Verdict, printed: &Printed, basis: &Basis, bill: &Bill) {
    verdict.order.clone_from(&basis.order);
    verdict.lines = bill.lines.len();
    verdict.total = format!("{} {}", minor_to_decimal(bill.total_minor), basis.currency);
    let mut says = |place: &str, stands: &str, right: &str| {
        if stands != right {
            let text = format!("`{place}` is '{stands}', and the basis comes to '{right}'");
            verdict.findings.push(text);
        }
    };
    says("metadata.name", &printed.metadata.name, &basis.name());
    says("spec.orderRef.name", &printed.spec.order_ref.name, &basis.order);
    let namespace = crate::names::org_namespace(&basis.org);
    says("metadata.namespace", &printed.metadata.namespace, &namespace);
    let summary = printed.status.summary.as_deref().unwrap_or_default();
    let total = format!("{} {}", minor_to_decimal(bill.total_minor), basis.currency);
    says("status.summary", summary, &total);
    if printed.status.phase.is_empty() || printed.status.phase == "Draft" {
        says("status.phase", &printed.status.phase, "Issued");
    }
    if !basis.doubts.is_empty() && printed.spec.resolution.is_none() {
        verdict.findings.push(format!(
            "`spec.resolution` is absent, though `spec.basis.doubts` says: {}",
            basis.doubts.join("; ")
        ));
    }
    rate(verdict, basis, bill);
    let document = Document {
        namespace: &printed.metadata.namespace,
        name: &printed.metadata.name,
        basis,
        settled: printed.spec.resolution.as_ref().map_or("", |r| &r.reason),
        bill,
    };
    let stands = printed.status.digest.clone().unwrap_or_default();
    match document.digest() {
        Ok(digest) if digest == stands => verdict.digest = digest,
        Ok(digest) => verdict.findings.push(format!(
            "`status.digest` is '{stands}', and the document has '{digest}': something in it was changed"
        )),
        Err(error) => verdict
            .findings
            .push(format!("there is no digest of it: {error}")),
    }
}

/// Compares the bill with a new one, line by line.
fn rate(verdict: &mut Verdict, basis: &Basis, bill: &Bill) {
    let issued_on = match parse_date("status.bill.issuedOn", &bill.issued_on) {
        Ok(day) => day,
        Err(error) => return verdict.findings.push(error.to_string()),
    };
    // Whether the days of grace had to be waited for is not in it: an order that ended later is billed at once.
    let earliest = basis.ended_ms.unwrap_or(basis.period.to_ms);
    if date_of_ms(earliest).is_none_or(|day| issued_on < day) {
        verdict.findings.push(format!(
            "`status.bill.issuedOn` is '{issued_on}', before the period could be billed"
        ));
    }
    let again = match basis.bill(issued_on) {
        Ok(again) => again,
        Err(doubt) => {
            return verdict
                .findings
                .push(format!("`spec.basis` cannot be rated: {doubt}"));
        }
    };
    let count = bill.lines.len().max(again.lines.len());
    for index in 0..count {
        let [stands, right] = [&bill.lines, &again.lines].map(|lines| {
            let line = lines.get(index);
            line.and_then(|line| serde_json::to_value(line).ok())
                .unwrap_or_default()
        });
        if let Some(place) = difference(&format!("status.bill.lines[{index}]"), &stands, &right) {
            verdict.findings.push(format!(
                "`{place}`: the line says {stands}, and the basis comes to {right}"
            ));
        }
    }
    let rest = |bill: &Bill| {
        let due = bill.due_on.clone();
        (bill.total_minor, due, bill.is_sent, bill.tax.clone())
    };
    if rest(bill) != rest(&again) {
        verdict.findings.push(format!(
            "`status.bill` says {:?} for total, due day, whether it is sent, and tax, and the basis comes to {:?}",
            rest(bill),
            rest(&again)
        ));
    }
}

fn sign(
    verdict: &mut Verdict,
    printed: &Printed,
    keys: &[String],
    is_signed: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) {
    let Signature {
        key_id,
        algorithm,
        value,
    } = &printed.status.signature;
    let key = printed.status.public_key.clone().unwrap_or_default();
    let known = HEXLOWER.decode(key.as_bytes()).ok();
    let known = known.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let given = HEXLOWER.decode(value.as_bytes()).ok();
    let given = given.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let text = signed_text(SIGNED_KIND, printed.status.digest.as_deref().unwrap_or_default());
    let holds = known
        .zip(given)
        .is_some_and(|(k, s)| is_signed(&k, text.as_bytes(), &s));
    if !holds || algorithm != "Ed25519" {
        verdict.findings.push(format!(
            "`status.signature` ({algorithm}) is not the signature of `status.digest` by the key '{key}'"
        ));
    }
    if Some(key_id) != known.map(|k| key_id_of(&k)).as_ref() {
        verdict.findings.push(format!(
            "`status.signature.keyId` is '{key_id}', which is not the id of `status.publicKey`"
        ));
    }
    if !keys.is_empty() && !keys.contains(&key) {
        verdict.findings.push(format!(
            "`status.publicKey` is '{key}', which is none of the keys that were given"
        ));
    }
    verdict.public_key = key;
}

/// First 16 hex digits of SHA-256 of the public key.
fn key_id_of(key: &[u8; 32]) -> String {
    let mut id = HEXLOWER.encode(&Sha256::digest(key));
    id.truncate(16);
    id
}
