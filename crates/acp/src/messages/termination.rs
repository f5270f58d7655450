//! How it ends: `order.terminate`, `fulfillment.terminated`, and in `tb1` what lies between.

use crate::body::bodies;
use crate::shape::{DATE, ID, INSTANT, LINE, SHA256, WORD};

bodies! {
    /// An order is to end.
    OrderTerminate {
        /// The order.
        order_id: String = ID,
        /// Its last day, UTC.
        requested_end: String = DATE,
        /// The buyer has what it made; without it, data waits until it has or its days are over.
        data_export_confirmed: Option<bool>,
        /// What was on it is to go. It always does.
        wipe_required: Option<bool>,
        /// Added: why, for people.
        reason: Option<String> = LINE,
    }

    /// An order has ended.
    FulfillmentTerminated {
        /// The order.
        order_id: String = ID,
        /// When it stopped.
        terminated_at: String = INSTANT,
        /// What became of the data.
        wipe: Option<Wipe>,
        /// Added: the instance, of an order with several.
        instance_id: Option<String> = ID,
    }

    /// What became of the data.
    Wipe {
        /// Whether it was seen to be gone.
        performed: Option<bool>,
        /// How. Example: `reimage+discard`.
        method: Option<String> = WORD,
        /// The evidence.
        evidence_id: Option<String> = ID,
        /// Added: SHA-256 of the evidence.
        digest: Option<String> = SHA256,
    }

    /// `tb1`: the end is taken note of.
    OrderTerminateAccepted {
        /// The order.
        order_id: String = ID,
        /// Its last day, UTC.
        requested_end: Option<String> = DATE,
        /// It stops no later than that.
        stops_before: Option<String> = INSTANT,
    }

    /// `tb1`: what was observed of the end? The answer is `fulfillment.terminated`.
    WipeEvidenceGet {
        /// The evidence.
        evidence_id: String = ID,
    }
}
