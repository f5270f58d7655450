//! What was used: `meter.report`, and in `tb1` `meter.query`.

use crate::amount::Number;
use crate::body::bodies;
use crate::shape::{DATE_OR_INSTANT, ID, INSTANT, LINES, NUMBER};

bodies! {
    /// What an instance used in a period.
    MeterReport {
        /// The period.
        period: Period,
        /// The instance.
        instance_id: String = ID,
        /// Added: its order.
        order_id: Option<String> = ID,
        /// What was used; what has no source is absent and never 0.
        usage: Usage,
        /// How to read it, for people. Fine-tuning.
        notes: Vec<String> = LINES,
    }

    /// A period. Its end is part of it, as the documents print it.
    Period {
        /// Its first day or second.
        from: String = DATE_OR_INSTANT,
        /// Its last day or second.
        to: String = DATE_OR_INSTANT,
        /// Added: the first instant after it.
        to_exclusive: Option<String> = INSTANT,
    }

    /// What was used.
    Usage {
        /// Hours that the instance was of use.
        instance_hours: Option<Number> = NUMBER,
        /// Hours of GPUs: for each stretch of time its GPUs times its hours.
        gpu_hours: Option<Number> = NUMBER,
        /// Provisioned disk in GB for a month. Fine-tuning.
        storage_gb_month: Option<Number> = NUMBER,
        /// Used disk in GB, on average of the day. Studio.
        storage_gb_day_avg: Option<Number> = NUMBER,
        /// GB (10^9 bytes) that left.
        bandwidth_gb_egress: Option<Number> = NUMBER,
    }

    /// `tb1`: what was used? The answer is `meter.report`.
    MeterQuery {
        /// The instance.
        instance_id: String = ID,
        /// The period; absent: the present day.
        period: Option<Period>,
    }
}
