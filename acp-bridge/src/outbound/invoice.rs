//! An Invoice as `invoice.issue`.

use crate::identity::id_of;
use crate::outbound::meter::printed;
use crate::outbound::number;
use crate::spelling::Spelling;
use trustbridge_acp::amount::Usd;
use trustbridge_acp::messages::invoice::{InvoiceIssue, Line};
use trustbridge_api::Invoice;
use trustbridge_domain::rating::RatedLine;

/// Millionths of a dollar in a cent.
const MICROS_PER_CENT: i64 = 10_000;

/// The event of an invoice of the order with id `order_id`; `None` until it is issued, for one over nothing, which is
/// recorded only, and for a credit note.
#[must_use]
pub fn issue(invoice: &Invoice, order_id: &str, use_case: &str) -> Option<InvoiceIssue> {
    let status = invoice.status.as_ref()?;
    let (bill, basis) = (status.bill.as_ref()?, invoice.spec.basis.as_ref()?);
    if !bill.is_sent {
        return None;
    }
    let amount = bill.total_minor;
    Some(InvoiceIssue {
        invoice_id: id_of(invoice),
        order_id: order_id.to_owned(),
        amount_usd: Usd::from_minor(amount),
        due_date: Some(bill.due_on.clone()),
        lines: bill.lines.iter().map(line).collect(),
        amount_minor: Some(amount),
        currency: Some(basis.currency.clone()),
        period: printed(basis.period, Spelling::of(use_case)),
        issued_at: Some(bill.issued_on.clone()),
        tax: Some(bill.tax.clone()),
        digest: status.digest.clone(),
    })
}

/// Hours have their rate; months have their number where they are whole. A part of a month says neither: its amount does.
fn line(line: &RatedLine) -> Line {
    let hourly = line.unit == "hour";
    let quantity = number(&line.quantity);
    let micros = line.rate_micros.micros();
    let whole = quantity
        .map(|quantity| quantity.decimal().millionths())
        .filter(|millionths| millionths % 1_000_000 == 0);
    let cents = Some(micros / MICROS_PER_CENT).filter(|_| micros % MICROS_PER_CENT == 0);
    Line {
        sku: line.sku.clone(),
        qty: whole
            .filter(|_| !hourly)
            .and_then(|millionths| u32::try_from(millionths / 1_000_000).ok()),
        qty_hours: quantity.filter(|_| hourly),
        rate_usd_per_hour: cents.filter(|_| hourly).map(Usd::from_minor),
        amount_usd: Usd::from_minor(line.amount_minor),
        amount_minor: Some(line.amount_minor),
        instance_id: line.instance.clone(),
    }
}
