//! What becomes of an invoice or a credit note that is written down. Pure: basis or credit says it all.

use crate::controllers::execute::Plan;
use crate::seller::Signer;
use jiff::Timestamp;
use jiff::civil::Date;
use kube::ResourceExt;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::{Invoice, InvoiceStatus};
use trustbridge_domain::calendar::date_of_ms;
use trustbridge_domain::canonical::signed_text;
use trustbridge_domain::invoice::{
    Basis, Bill, Credit, CreditDocument, Document, SIGNED_CREDIT_KIND, SIGNED_KIND,
};
use trustbridge_domain::money::minor_to_decimal;
use trustbridge_domain::phase::InvoicePhase;
use trustbridge_kit::conditions::{Statement, set};

/// Whether it is still to be billed.
pub(super) fn is_open(invoice: &Invoice) -> bool {
    let phase = invoice.status.as_ref().map(|s| s.phase).unwrap_or_default();
    phase == InvoicePhase::Draft
}

/// Bills the invoice, or says why it is held. `signer` is the seller's key, or why there is none yet.
pub(super) fn decide(
    invoice: &Invoice,
    signer: Result<&Signer, &str>,
    now: Timestamp,
) -> Plan<InvoiceStatus> {
    let mut status = invoice.status.clone().unwrap_or_default();
    status.observed_generation = invoice.metadata.generation;
    if !is_open(invoice) {
        return Plan::rest(status);
    }
    let said = match billed(invoice, signer, now) {
        Ok(issued) => {
            let text = format!("issued over {}", issued.summary.clone().unwrap_or_default());
            let conditions = std::mem::take(&mut status.conditions);
            status = InvoiceStatus {
                observed_generation: status.observed_generation,
                conditions,
                ..*issued
            };
            Statement::yes(ConditionType::Succeeded, Reason::AsSpecified, text)
        }
        Err((reason, text)) => Statement::no(ConditionType::Succeeded, reason, text),
    };
    set(&mut status.conditions, &said, invoice.metadata.generation, now);
    Plan::rest(status)
}

fn billed(
    invoice: &Invoice,
    signer: Result<&Signer, &str>,
    now: Timestamp,
) -> Result<Box<InvoiceStatus>, (Reason, String)> {
    let today = date_of_ms(now.as_millisecond()).ok_or_else(|| {
        let text = "today is beyond the calendar's end".to_owned();
        (Reason::InvoiceUnratable, text)
    })?;
    match (&invoice.spec.basis, &invoice.spec.credit) {
        (Some(basis), _) => rated(invoice, basis, signer, today),
        (None, Some(credit)) => taken_back(invoice, credit, signer, today),
        // The API server refuses one; somebody who wrote it past the rules is told.
        (None, None) => {
            let text = "`spec` has neither `basis` nor `credit`: there is nothing to bill".to_owned();
            Err((Reason::InvoiceUnratable, text))
        }
    }
}

/// The invoice of a basis.
fn rated(
    invoice: &Invoice,
    basis: &Basis,
    signer: Result<&Signer, &str>,
    today: Date,
) -> Result<Box<InvoiceStatus>, (Reason, String)> {
    let resolution = invoice.spec.resolution.as_ref();
    if !basis.doubts.is_empty() && resolution.is_none() {
        let text = format!(
            "nothing is billed before a person looked: {}. Settle it by `spec.resolution.reason`",
            basis.doubts.join("; ")
        );
        return Err((Reason::BillingHold, text));
    }
    let unratable = |words: String| (Reason::InvoiceUnratable, words);
    let bill = basis.bill(today).map_err(|doubt| unratable(doubt.to_string()))?;
    let signer = signer.map_err(|why| (Reason::InProgress, why.to_owned()))?;
    let document = Document {
        namespace: &invoice.namespace().unwrap_or_default(),
        name: &invoice.name_any(),
        basis,
        settled: resolution.map_or("", |r| &r.reason),
        bill: &bill,
    };
    let digest = document.digest().map_err(|error| unratable(error.to_string()))?;
    Ok(issued(signer, SIGNED_KIND, digest, bill, &basis.currency))
}

/// The credit note of a credit.
fn taken_back(
    note: &Invoice,
    credit: &Credit,
    signer: Result<&Signer, &str>,
    today: Date,
) -> Result<Box<InvoiceStatus>, (Reason, String)> {
    let refused = |words: String| (Reason::CreditRefused, words);
    let bill = credit.bill(today).map_err(|error| refused(error.to_string()))?;
    let signer = signer.map_err(|why| (Reason::InProgress, why.to_owned()))?;
    let document = CreditDocument {
        namespace: &note.namespace().unwrap_or_default(),
        name: &note.name_any(),
        credit,
        bill: &bill,
    };
    let digest = document.digest().map_err(|error| refused(error.to_string()))?;
    Ok(issued(signer, SIGNED_CREDIT_KIND, digest, bill, &credit.currency))
}

/// The status in which a document is issued: bill, digest and signature come with the phase.
fn issued(signer: &Signer, kind: &str, digest: String, bill: Bill, currency: &str) -> Box<InvoiceStatus> {
    Box::new(InvoiceStatus {
        phase: InvoicePhase::Issued,
        summary: Some(format!("{} {currency}", minor_to_decimal(bill.total_minor))),
        public_key: Some(signer.public_key().to_owned()),
        signature: Some(signer.sign(&signed_text(kind, &digest))),
        digest: Some(digest),
        bill: Some(bill),
        ..InvoiceStatus::default()
    })
}
