//! Whether a credit note is what its credit comes to, and whether it is one of a given invoice.

use super::{Cause, Claims, Printed, Verdict, compare, digest_is, understood};
use crate::calendar::parse_date;
use crate::invoice::basis::Bill;
use crate::invoice::credit::{Credit, CreditDocument};

/// Holds a credit note against its credit.
pub(super) fn judge(verdict: &mut Verdict, printed: &Printed, credit: &Credit, bill: &Bill) {
    verdict.corrects = Some(credit.invoice.clone());
    let claims = Claims {
        org: &credit.org,
        order: &credit.order,
        currency: &credit.currency,
        name: credit.name(),
    };
    claims.hold(verdict, printed, bill);
    if printed.spec.resolution.is_some() {
        let text = "`spec.resolution` is no part of what was signed of a credit note".to_owned();
        verdict.findings.push(text);
    }
    match parse_date("status.bill.issuedOn", &bill.issued_on) {
        Ok(day) => match credit.bill(day) {
            Ok(again) => compare(verdict, bill, &again, "the credit"),
            Err(error) => verdict.findings.push(format!("`spec.credit`: {error}")),
        },
        Err(error) => verdict.findings.push(error.to_string()),
    }
    let document = CreditDocument {
        namespace: &printed.metadata.namespace,
        name: &printed.metadata.name,
        credit,
        bill,
    };
    digest_is(verdict, printed, document.digest());
}

/// What speaks against `note` being a credit note of `invoice`; empty when it is one. Whether each of them is right by
/// itself, [`super::verify`] says.
#[must_use]
pub fn corrects(note: &Printed, invoice: &Printed) -> Vec<String> {
    let (credit, day) = match understood(note) {
        Ok((Cause::Credit(credit), bill)) => (credit, bill.issued_on),
        Ok((Cause::Invoice(_), _)) => {
            let name = &note.metadata.name;
            return vec![format!("'{name}' is an invoice and corrects none")];
        }
        Err(finding) => return vec![finding],
    };
    let (basis, bill) = match understood(invoice) {
        Ok((Cause::Invoice(basis), bill)) => (basis, bill),
        Ok((Cause::Credit(_), _)) => {
            let name = &invoice.metadata.name;
            return vec![format!("'{name}' is a credit note, which nothing corrects")];
        }
        Err(finding) => return vec![finding],
    };
    let digest = invoice.status.digest.clone().unwrap_or_default();
    let span = |period: crate::calendar::Period| format!("{}..{}", period.from_ms, period.to_ms);
    let pairs = [
        ("org", credit.org, basis.org),
        ("order", credit.order, basis.order),
        ("orderUid", credit.order_uid, basis.order_uid),
        ("currency", credit.currency, basis.currency),
        ("invoice", credit.invoice, invoice.metadata.name.clone()),
        ("invoiceDigest", credit.invoice_digest, digest),
        (
            "invoiceTotalMinor",
            credit.invoice_total_minor.to_string(),
            bill.total_minor.to_string(),
        ),
        ("period", span(credit.period), span(basis.period)),
    ];
    let differs = pairs.into_iter().filter(|(_, says, is)| says != is);
    let mut findings: Vec<String> = differs
        .map(|(field, says, is)| format!("`spec.credit.{field}` is '{says}', and the invoice says '{is}'"))
        .collect();
    if day < bill.issued_on {
        let text = format!(
            "`status.bill.issuedOn` is '{day}', before the invoice was issued on '{}'",
            bill.issued_on
        );
        findings.push(text);
    }
    findings
}
