//! What is sold: `offer.list` and its answer.

use crate::amount::{Number, Usd};
use crate::body::bodies;
use crate::form::Form;
use crate::shape::{CENTS, COUNT, DAYS, ID, LINE, NUMBER, SOME, Shape, USD, WORD, WORDS};

/// Both ways to bill.
pub(crate) const BILLING: Shape = Shape::Text(Form::One(&["hourly", "monthly"]));
/// Ways out.
pub(crate) const OUTBOUND: Shape = Shape::Text(Form::One(&["open", "restricted", "blocked"]));

bodies! {
    /// The question what is sold.
    OfferList {
        /// What it is for. Example: `private_llm_finetuning`.
        use_case: String = WORD,
        /// Where it should run. Example: `eu-central`.
        region: Option<String> = WORD,
        /// Ways to bill that will do: `hourly`, `monthly`. Studio.
        billing_models: Vec<String> = Shape::list(&BILLING),
        /// What must hold.
        constraints: Option<Constraints>,
    }

    /// What must hold of an offer.
    Constraints {
        /// Nobody else is on the machine.
        single_tenant: Option<bool>,
        /// It has a GPU.
        gpu_required: Option<bool>,
    }

    /// What is sold, the answer to `offer.list`.
    OfferListResult {
        /// The offers, best first.
        offers: Vec<Offer>,
    }

    /// Something that is sold.
    Offer {
        /// Its id. Example: `offer_tunepod_1gpu`.
        offer_id: String = ID,
        /// Added: its SKU, under which quotes and invoices name it. Example: `TunePod-1GPU`.
        sku: Option<String> = WORD,
        /// Its title for people.
        title: Option<String> = LINE,
        /// Regions in which it is sold, best first.
        region: Vec<String> = WORDS,
        /// What one instance has.
        resources: Option<Resources>,
        /// Prices.
        billing: Option<Billing>,
        /// What is promised about time.
        sla: Option<ServiceLevels>,
        /// What is promised about neighbours and data.
        security: Option<Security>,
        /// Ways in and out.
        network: Option<Network>,
    }

    /// What one instance has.
    Resources {
        /// GPUs.
        gpu: Option<u32> = COUNT,
        /// Virtual CPU cores.
        vcpus: Option<u32> = COUNT,
        /// Memory in GB (10^9 bytes).
        ram_gb: Option<u32> = COUNT,
        /// Local disk in GB (10^9 bytes).
        nvme_gb: Option<u32> = COUNT,
    }

    /// Prices of an offer. `models` is canonical; the rest is the spelling of fine-tuning.
    Billing {
        /// The way to bill. Fine-tuning.
        model: Option<String> = BILLING,
        /// USD a month. Fine-tuning.
        price_usd: Option<Usd> = USD,
        /// Days that are billed at least. Fine-tuning.
        min_term_days: Option<u32> = DAYS,
        /// Each way to bill with its price.
        models: Vec<BillingModel>,
        /// Added: ISO 4217 code; `USD` in version 0.1.
        currency: Option<String> = Shape::Text(Form::One(&["USD"])),
    }

    /// A way to bill with its price.
    BillingModel {
        /// `hourly` or `monthly`.
        model: String = BILLING,
        /// USD an hour.
        price_usd_per_hour: Option<Usd> = USD,
        /// Hours that are billed at least, once in the life of an instance.
        min_hours: Option<Number> = NUMBER,
        /// USD a month.
        price_usd_per_month: Option<Usd> = USD,
        /// Days that are billed at least.
        min_term_days: Option<u32> = DAYS,
        /// Added: the price in cents.
        price_minor: Option<i64> = CENTS,
    }

    /// What is promised about time.
    ServiceLevels {
        /// Hours within which nine of ten are ready.
        provision_p90_hours: Option<Number> = NUMBER,
        /// When people help. Example: `business-hours`.
        support: Option<String> = WORD,
    }

    /// What is promised about neighbours and data.
    Security {
        /// Nobody else is on the machine.
        single_tenant: Option<bool>,
        /// Nobody comes in with a password.
        ssh_keys_only: Option<bool>,
        /// What was on it is gone before the next one comes; the documents' word in offers.
        wipe_between_customers: Option<bool>,
        /// Added: the same under its canonical name.
        wipe_on_termination: Option<bool>,
        /// Nothing is recorded but start, stop, GPUs and bytes. Fine-tuning.
        no_telemetry: Option<bool>,
    }

    /// Ways in and out. Fine-tuning.
    Network {
        /// Whether there is a private network. Example: `optional`.
        private_network: Option<String> = WORD,
        /// Ways out that it is sold with: `open`, `restricted`, `blocked`.
        outbound_modes: Vec<String> = Shape::list(&OUTBOUND),
    }

    /// A SKU and how many.
    SkuQuantity {
        /// The SKU. Example: `StudioGen-1GPU`.
        sku: String = WORD,
        /// How many, at least 1.
        qty: u32 = SOME,
    }
}
