//! What it costs: `quote.issue`, and in `tb1` what ends a quote without an order.

use crate::amount::{Number, Usd};
use crate::body::bodies;
use crate::form::Form;
use crate::messages::offer::{BILLING, OUTBOUND};
use crate::shape::{CENTS, DAYS, ID, INSTANT, LINE, LINES, NUMBER, SHA256, SOME, Shape, USD, WORD, WORDS};

bodies! {
    /// A priced answer to a request.
    QuoteIssue {
        /// Its id.
        quote_id: String = ID,
        /// The request that it answers.
        rfq_id: String = ID,
        /// First instant at which it can no longer be accepted.
        valid_until: String = INSTANT,
        /// Its lines. Fine-tuning.
        line_items: Vec<LineItem>,
        /// USD a month. Fine-tuning.
        total_usd_per_month: Option<Usd> = USD,
        /// Lines and estimates. Studio, and canonical.
        pricing: Option<Pricing>,
        /// What it is based on, for people.
        assumptions: Vec<String> = LINES,
        /// What is promised about time.
        sla: Option<ServiceLevels>,
        /// What is agreed besides the price.
        terms: Option<Terms>,
        /// Contracts that it refers to. Fine-tuning.
        contract_refs: Option<ContractRefs>,
        /// Added: ISO 4217 code; `USD` in version 0.1.
        currency: Option<String> = Shape::Text(Form::One(&["USD"])),
        /// Added: what the buyer should know.
        warnings: Vec<Warning>,
        /// Added: what else would do.
        alternatives: Vec<Alternative>,
        /// Added: SKUs that are metered and not charged.
        metered_not_charged: Vec<String> = WORDS,
        /// Added: SHA-256 of the quote; an order may name it.
        digest: Option<String> = SHA256,
        /// Added: the seller's signature of the digest.
        signature: Option<Signature>,
    }

    /// A priced line.
    LineItem {
        /// What is sold. Example: `TunePod-2GPU`.
        sku: String = WORD,
        /// How many.
        qty: u32 = SOME,
        /// USD for one and an hour.
        price_usd_per_hour: Option<Usd> = USD,
        /// USD for one and a month.
        price_usd_per_month: Option<Usd> = USD,
        /// Hours that are billed at least, once in the life of an instance.
        min_hours: Option<Number> = NUMBER,
        /// Added: the price in cents.
        price_minor: Option<i64> = CENTS,
    }

    /// Lines and estimates.
    Pricing {
        /// How the bundle is billed.
        model: Option<String> = BILLING,
        /// Its lines.
        line_items: Vec<LineItem>,
        /// What a month is likely to cost.
        estimates: Option<Estimates>,
        /// Added: USD of all monthly prices.
        total_usd_per_month: Option<Usd> = USD,
        /// Added: USD of all hourly prices.
        total_usd_per_hour: Option<Usd> = USD,
    }

    /// What a month is likely to cost when it is billed by the hour.
    Estimates {
        /// Hours of a month of the seller's number of weeks, four where nothing else is said.
        hours_per_month: Option<Number> = NUMBER,
        /// USD of the metered part alone.
        estimated_total_usd: Option<Usd> = USD,
        /// Added: hours of a calendar month of 52/12 weeks.
        hours_per_month_calendar: Option<Number> = NUMBER,
        /// Added: USD of the monthly prices.
        recurring_total_usd: Option<Usd> = USD,
        /// Added: USD of both parts.
        estimated_grand_total_usd: Option<Usd> = USD,
        /// Added: USD of both parts in a calendar month; budgets are compared with it.
        estimated_grand_total_calendar_usd: Option<Usd> = USD,
        /// Added: what it is reckoned from, for people.
        basis: Option<String> = LINE,
    }

    /// What is promised about time.
    ServiceLevels {
        /// How fast it is ready. Example: `p90<=24h`.
        provision_target: Option<String> = WORD,
        /// How fast people answer.
        support_response: Option<String> = LINE,
    }

    /// What is agreed besides the price.
    Terms {
        /// Nobody else is on the machine.
        single_tenant: Option<bool>,
        /// Where data stays. Fine-tuning.
        data_residency: Option<String> = WORD,
        /// What was on it is gone at the end.
        wipe_on_termination: Option<bool>,
        /// Ways out. Fine-tuning. Example: `restricted_allowlist`.
        outbound_policy: Option<String> = WORD,
        /// What logs may hold. Fine-tuning.
        log_policy: Option<String> = WORD,
        /// What logs may hold. Studio, and canonical.
        logging_policy: Option<String> = WORD,
        /// Events that are recorded for the buyer. Fine-tuning.
        audit_events: Vec<String> = WORDS,
        /// Who owns what comes out. Studio.
        ip_policy: Option<String> = WORD,
        /// Days that data is kept after the end. Studio.
        retention_days: Option<u32> = DAYS,
        /// Added: where it runs, under its canonical name.
        region: Option<String> = WORD,
        /// Added: ways out, under their canonical name.
        outbound_mode: Option<String> = OUTBOUND,
        /// Added: whether a data processing agreement is part of it.
        dpa_required: Option<bool>,
        /// Added: what is metered, so that "no telemetry" and a bill do not contradict each other.
        telemetry_boundary: Option<String> = LINE,
        /// Added: whether what is made may leave; not with a protected model.
        artifact_export: Option<bool>,
    }

    /// Contracts.
    ContractRefs {
        /// Master services agreement.
        msa: Option<String> = WORD,
        /// Data processing agreement.
        dpa: Option<String> = WORD,
        /// Statement of work.
        sow: Option<String> = WORD,
    }

    /// What the buyer should know.
    Warning {
        /// Which. Example: `BUDGET_EXCEEDED`.
        code: String = WORD,
        /// What about, for people.
        text: Option<String> = LINE,
        /// USD above the budget.
        over_usd: Option<Usd> = USD,
    }

    /// Something else that would do.
    Alternative {
        /// Why it is told. Example: `cheaper`.
        kind: String = WORD,
        /// The offer.
        offer_id: String = ID,
        /// Where.
        region: Option<String> = WORD,
        /// Its lines.
        line_items: Vec<LineItem>,
        /// USD of a calendar month, the metered part estimated.
        estimated_total_usd: Option<Usd> = USD,
        /// Whether that is within the budget; absent without one.
        in_budget: Option<bool>,
    }

    /// A signature of the seller.
    Signature {
        /// Which key. Example: `tbkey-1`.
        key_id: String = WORD,
        /// The signature in base64.
        value: String = WORD,
    }

    /// `tb1`: the buyer does not take it.
    QuoteDecline {
        /// The quote.
        quote_id: String = ID,
        /// Why, for people.
        reason: Option<String> = LINE,
    }

    /// `tb1`: nobody took it in time.
    QuoteExpired {
        /// The quote.
        quote_id: String = ID,
        /// The request that it answered.
        rfq_id: Option<String> = ID,
        /// Until when it could be accepted.
        valid_until: Option<String> = INSTANT,
    }

    /// `tb1`: the seller takes it back.
    QuoteWithdrawn {
        /// The quote.
        quote_id: String = ID,
        /// The request that it answered.
        rfq_id: Option<String> = ID,
        /// Why, for people.
        reason: Option<String> = LINE,
    }
}
