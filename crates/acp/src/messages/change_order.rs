//! What is to change: `change_order.create`, `change_order.quote`, and in `tb1` what becomes of it.

use crate::amount::{Number, Usd};
use crate::body::bodies;
use crate::form::Form;
use crate::messages::offer::SkuQuantity;
use crate::messages::quote::LineItem;
use crate::shape::{COUNT, DAYS, ID, INSTANT, LINE, NUMBER, SHA256, SIGNED_USD, SOME, Shape, USD, WORD};

bodies! {
    /// Something is to change.
    ChangeOrderCreate {
        /// The buyer's id of the change.
        change_id: String = ID,
        /// The order.
        order_id: String = ID,
        /// What is to change.
        request: Option<Request>,
        /// Why, for people.
        reason: Option<String> = LINE,
        /// Added: from when. Default: as soon as it can be had.
        effective_from: Option<String> = INSTANT,
        /// Added: until when. Default: to the order's end.
        effective_until: Option<String> = INSTANT,
    }

    /// What is to change.
    Request {
        /// More bundles or add-ons. Studio.
        add: Vec<SkuQuantity> = Shape::list(&<SkuQuantity as crate::body::Wire>::SHAPE),
        /// More local disk, in GB (10^9 bytes).
        add_nvme_gb: Option<u32> = COUNT,
        /// GPUs of the bundle from then on. Fine-tuning.
        upgrade_gpu_count: Option<u32> = SOME,
        /// Days that are promised on top. Fine-tuning.
        extend_term_days: Option<u32> = DAYS,
        /// `standard` or `premium`.
        support_tier: Option<String> = Shape::Text(Form::AnyOf(&["standard", "premium"])),
    }

    /// What a change costs.
    ChangeOrderQuote {
        /// The change.
        change_id: String = ID,
        /// USD a month more. Fine-tuning.
        delta_usd_per_month: Option<Usd> = SIGNED_USD,
        /// Lines that begin, at full price. Studio.
        delta_pricing: Option<DeltaPricing>,
        /// Hours within which it is made.
        eta_hours: Option<Number> = NUMBER,
        /// Whether the instance restarts. Fine-tuning.
        requires_reboot: Option<bool>,
        /// Added: the order.
        order_id: Option<String> = ID,
        /// Added: each reason for the difference.
        delta_lines: Vec<DeltaLine>,
        /// Added: lines that end.
        removed_lines: Vec<LineItem>,
        /// Added: USD a month more, what ends taken off.
        net_monthly_delta_usd: Option<Usd> = SIGNED_USD,
        /// Added: USD an hour more, what ends taken off.
        net_hourly_delta_usd: Option<Usd> = SIGNED_USD,
        /// Added: until when it can be accepted.
        valid_until: Option<String> = INSTANT,
        /// Added: SHA-256 of the priced change.
        digest: Option<String> = SHA256,
    }

    /// Lines that begin, at full price.
    DeltaPricing {
        /// By the hour.
        hourly: Vec<HourlyLine>,
        /// By the month.
        monthly_addons: Vec<MonthlyLine>,
    }

    /// A line that is billed by the hour.
    HourlyLine {
        /// The SKU.
        sku: String = WORD,
        /// How many.
        qty: Option<u32> = SOME,
        /// USD for one and an hour.
        price_usd_per_hour: Option<Usd> = USD,
    }

    /// A line that is billed by the month.
    MonthlyLine {
        /// The SKU.
        sku: String = WORD,
        /// Added: how many; absent: one.
        qty: Option<u32> = SOME,
        /// USD for one and a month.
        price_usd_per_month: Option<Usd> = USD,
    }

    /// One reason for a difference.
    DeltaLine {
        /// The SKU that begins.
        sku: String = WORD,
        /// The SKU that it replaces.
        replaces: Option<String> = WORD,
        /// `hourly` or `monthly`.
        model: String = crate::messages::offer::BILLING,
        /// USD more for an hour or a month.
        delta_usd: Usd = SIGNED_USD,
    }

    /// `tb1`: the buyer takes the priced change.
    ChangeOrderAccept {
        /// The change.
        change_id: String = ID,
        /// The order.
        order_id: Option<String> = ID,
        /// The priced change's digest as the buyer saw it; another one is refused.
        digest: Option<String> = SHA256,
    }

    /// `tb1`: the buyer does not take it.
    ChangeOrderDecline {
        /// The change.
        change_id: String = ID,
        /// Why, for people.
        reason: Option<String> = LINE,
    }

    /// `tb1`: the change is going to be made.
    ChangeOrderConfirmed {
        /// The change.
        change_id: String = ID,
        /// The order.
        order_id: Option<String> = ID,
        /// Hours within which it is made.
        eta_hours: Option<Number> = NUMBER,
    }

    /// `tb1`: the change is not made.
    ChangeOrderRejected {
        /// The change.
        change_id: String = ID,
        /// The order.
        order_id: Option<String> = ID,
        /// Why, for people.
        reason: String = LINE,
    }

    /// `tb1`: the change is made, and billed from then on.
    ChangeOrderApplied {
        /// The change.
        change_id: String = ID,
        /// The order.
        order_id: Option<String> = ID,
        /// Since when.
        applied_at: String = INSTANT,
    }
}
