//! Whether an invoice is what its basis comes to, and what its seller signed; the same of a credit note.

mod credit;

pub use credit::corrects;

use super::basis::{Basis, Bill, Document, SIGNED_KIND};
use super::credit::{Credit, SIGNED_CREDIT_KIND};
use crate::calendar::{date_of_ms, parse_date};
use crate::canonical::CanonicalError;
use crate::money::minor_to_decimal;
use crate::signature::Signed;
use serde::Deserialize;
use serde_json::Value;

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
    #[serde(default, rename = "type")]
    of: Type,
    basis: Option<Value>,
    credit: Option<Value>,
    #[serde(default)]
    resolution: Option<Resolution>,
}

/// Which of the two documents it is; those of before there were credit notes say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Type {
    #[default]
    Invoice,
    CreditNote,
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

/// What was found out about an invoice or a credit note.
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
    /// Name of the invoice that it corrects; `None`: it is an invoice.
    pub corrects: Option<String>,
}

/// What was signed.
enum Cause {
    Invoice(Box<Basis>),
    Credit(Box<Credit>),
}

/// Rates the invoice again from its basis, or the credit note from its credit, and checks digest and signature. `keys`
/// are the seller's, in lower-case hex; none: whichever signed it. `is_signed` says whether the signature of a text is
/// of a key.
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
    let kind = match understood(printed) {
        Ok((Cause::Invoice(basis), bill)) => {
            judge(&mut verdict, printed, &basis, &bill);
            SIGNED_KIND
        }
        Ok((Cause::Credit(credit), bill)) => {
            credit::judge(&mut verdict, printed, &credit, &bill);
            SIGNED_CREDIT_KIND
        }
        Err(finding) => {
            verdict.findings.push(finding);
            return verdict;
        }
    };
    let status = &printed.status;
    let signed = Signed {
        at: "status",
        kind,
        digest: status.digest.as_deref().unwrap_or_default(),
        public_key: status.public_key.as_deref().unwrap_or_default(),
        key_id: &status.signature.key_id,
        algorithm: &status.signature.algorithm,
        value: &status.signature.value,
    };
    verdict.findings.extend(signed.findings(keys, is_signed));
    signed.public_key.clone_into(&mut verdict.public_key);
    verdict
}

/// What it follows from, and its bill; why they are none.
fn understood(printed: &Printed) -> Result<(Cause, Bill), String> {
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
    let cause = match (printed.spec.of, &printed.spec.basis, &printed.spec.credit) {
        (Type::Invoice, Some(basis), None) => Cause::Invoice(Box::new(whole("spec.basis", basis)?)),
        (Type::CreditNote, None, Some(credit)) => Cause::Credit(Box::new(whole("spec.credit", credit)?)),
        _ => {
            return Err(
                "`spec` must hold `basis` alone, or of the type `creditNote` `credit` alone".to_owned(),
            );
        }
    };
    Ok((cause, whole("status.bill", bill)?))
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
    let claims = Claims {
        org: &basis.org,
        order: &basis.order,
        currency: &basis.currency,
        name: basis.name(),
    };
    claims.hold(verdict, printed, bill);
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
    digest_is(verdict, printed, document.digest());
}

/// What both documents say of themselves outside of what is signed, or in a name.
struct Claims<'a> {
    org: &'a str,
    order: &'a str,
    currency: &'a str,
    name: String,
}

impl Claims<'_> {
    fn hold(&self, verdict: &mut Verdict, printed: &Printed, bill: &Bill) {
        let total = format!("{} {}", minor_to_decimal(bill.total_minor), self.currency);
        let namespace = crate::names::org_namespace(self.org);
        let status = &printed.status;
        let mut pairs = vec![
            (
                "metadata.name",
                printed.metadata.name.as_str(),
                self.name.as_str(),
            ),
            ("spec.orderRef.name", &printed.spec.order_ref.name, self.order),
            ("metadata.namespace", &printed.metadata.namespace, &namespace),
            (
                "status.summary",
                status.summary.as_deref().unwrap_or_default(),
                &total,
            ),
        ];
        if status.phase.is_empty() || status.phase == "Draft" {
            pairs.push(("status.phase", &status.phase, "Issued"));
        }
        for (place, stands, right) in pairs.into_iter().filter(|(_, stands, right)| stands != right) {
            let text = format!("`{place}` is '{stands}', and what it follows from comes to '{right}'");
            verdict.findings.push(text);
        }
        self.order.clone_into(&mut verdict.order);
        verdict.lines = bill.lines.len();
        verdict.total = total;
    }
}

fn digest_is(verdict: &mut Verdict, printed: &Printed, right: Result<String, CanonicalError>) {
    let stands = printed.status.digest.clone().unwrap_or_default();
    match right {
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
    compare(verdict, bill, &again, "the basis");
}

/// Says in which places a bill is another one than what `cause` comes to.
fn compare(verdict: &mut Verdict, bill: &Bill, again: &Bill, cause: &str) {
    let count = bill.lines.len().max(again.lines.len());
    for index in 0..count {
        let [stands, right] = [&bill.lines, &again.lines].map(|lines| {
            let line = lines.get(index);
            line.and_then(|line| serde_json::to_value(line).ok())
                .unwrap_or_default()
        });
        if let Some(place) = difference(&format!("status.bill.lines[{index}]"), &stands, &right) {
            verdict.findings.push(format!(
                "`{place}`: the line says {stands}, and {cause} comes to {right}"
            ));
        }
    }
    let rest = |bill: &Bill| {
        let due = bill.due_on.clone();
        (bill.total_minor, due, bill.is_sent, bill.tax.clone())
    };
    if rest(bill) != rest(again) {
        verdict.findings.push(format!(
            "`status.bill` says {:?} for total, due day, whether it is sent, and tax, and {cause} comes to {:?}",
            rest(bill),
            rest(again)
        ));
    }
}
