//! What is owed: `invoice.issue`, and in `tb1` credit notes and payments.

use crate::amount::{Number, Usd};
use crate::body::bodies;
use crate::form::Form;
use crate::messages::meter::Period;
use crate::shape::{CENTS, DATE, ID, LINE, NUMBER, SHA256, SIGNED_USD, SOME, Shape, USD, WORD};

const CURRENCY: Shape = Shape::Text(Form::One(&["USD"]));

bodies! {
    /// What is owed for a period.
    InvoiceIssue {
        /// Its id.
        invoice_id: String = ID,
        /// The order.
        order_id: String = ID,
        /// USD of all lines.
        amount_usd: Usd = USD,
        /// Day until which it is to be paid. Fine-tuning.
        due_date: Option<String> = DATE,
        /// Its lines.
        lines: Vec<Line>,
        /// Added: the amount in cents.
        amount_minor: Option<i64> = CENTS,
        /// Added: ISO 4217 code; `USD` in version 0.1.
        currency: Option<String> = CURRENCY,
        /// Added: what it is for.
        period: Option<Period>,
        /// Added: day of issue.
        issued_at: Option<String> = DATE,
        /// Added: taxes are not part of it: `not_included`.
        tax: Option<String> = WORD,
        /// Added: SHA-256 of the invoice.
        digest: Option<String> = SHA256,
    }

    /// A line of an invoice.
    Line {
        /// What is billed. Example: `TunePod-2GPU`.
        sku: String = WORD,
        /// How many. Fine-tuning.
        qty: Option<u32> = SOME,
        /// Hours. Studio.
        qty_hours: Option<Number> = NUMBER,
        /// USD an hour. Studio.
        rate_usd_per_hour: Option<Usd> = USD,
        /// USD of the line.
        amount_usd: Usd = SIGNED_USD,
        /// Added: the amount in cents.
        amount_minor: Option<i64> = CENTS,
        /// Added: the instance; absent for lines of the whole order.
        instance_id: Option<String> = ID,
    }

    /// `tb1`: how does an invoice stand? The answer is the invoice.
    InvoiceGet {
        /// The invoice.
        invoice_id: String = ID,
    }

    /// `tb1`: something of an invoice is taken back.
    CreditNoteIssue {
        /// Its id.
        credit_note_id: String = ID,
        /// The invoice.
        invoice_id: String = ID,
        /// The order.
        order_id: Option<String> = ID,
        /// USD that are taken back, above 0.
        amount_usd: Usd = USD,
        /// Why, for people.
        reason: Option<String> = LINE,
        /// Day of issue.
        issued_at: Option<String> = DATE,
    }

    /// `tb1`: the buyer says that it paid. A reference, and never a card.
    PaymentRecord {
        /// The invoice.
        invoice_id: String = ID,
        /// USD that were paid.
        amount_usd: Usd = USD,
        /// The reference under which the money comes.
        external_reference: String = WORD,
        /// A label for people.
        label: Option<String> = WORD,
        /// When it was paid.
        paid_on: Option<String> = DATE,
    }

    /// `tb1`: the seller has it.
    PaymentRecorded {
        /// The invoice.
        invoice_id: String = ID,
        /// USD that arrived.
        amount_usd: Usd = USD,
        /// The reference under which it came.
        external_reference: Option<String> = WORD,
        /// When it arrived.
        received_on: Option<String> = DATE,
        /// USD that are still owed.
        open_usd: Option<Usd> = SIGNED_USD,
    }
}
