//! What is needed: `rfq.create`, and in `tb1` `rfq.cancel` and `rfq.rejected`.

use crate::amount::{Number, Usd};
use crate::body::bodies;
use crate::form::Form;
use crate::messages::offer::SkuQuantity;
use crate::shape::{
    COUNT, DAYS, DESTINATIONS, ID, LINE, LINES, NUMBER, PORT, SOME, Shape, URI, USD, WORD, WORDS,
};

/// A choice of some of these words, the first counts.
macro_rules! any_of {
    ($($word:literal),+) => { Shape::Text(Form::AnyOf(&[$($word),+])) };
}

bodies! {
    /// The request for a quote.
    RfqCreate {
        /// The buyer's id of it. Example: `rfq_tune_001`.
        rfq_id: String = ID,
        /// What it is for. Example: `private_llm_finetuning`.
        use_case: String = WORD,
        /// What is going to run.
        workload: Option<Workload>,
        /// What it needs.
        requirements: Option<Requirements>,
        /// How it is paid.
        commercial: Commercial,
    }

    /// What is going to run.
    Workload {
        /// `lora` or `qlora`. Fine-tuning.
        method: Option<String> = any_of!("lora", "qlora"),
        /// The model that is tuned. Fine-tuning.
        base_model: Option<BaseModel>,
        /// What it is tuned on. Fine-tuning.
        dataset: Option<Dataset>,
        /// How it is tuned. Fine-tuning.
        training: Option<Training>,
        /// How it is judged. Fine-tuning.
        evaluation: Option<Evaluation>,
        /// `batch_generation`, `lora_finetune`. Studio.
        job_types: Vec<String> = Shape::list(&Shape::Text(Form::One(&["batch_generation", "lora_finetune"]))),
        /// `sdxl`, `sd15`, `flux` or `custom`. Studio.
        model_family: Option<String> = any_of!("sdxl", "sd15", "flux", "custom"),
        /// Pictures that are made. Studio.
        generation: Option<Generation>,
        /// How a picture model is tuned. Studio.
        finetune: Option<Finetune>,
    }

    /// A model that is tuned.
    BaseModel {
        /// `llama-3.x`, `mistral`, `qwen` or `custom`.
        name: Option<String> = any_of!("llama-3.x", "mistral", "qwen", "custom"),
        /// Its parameters: `7B`, `13B`, `34B` or `70B`.
        size: Option<String> = any_of!("7B", "13B", "34B", "70B"),
        /// Where it comes from: `huggingface`, `buyer_registry` or `airgapped_media`.
        source: Option<String> = any_of!("huggingface", "buyer_registry", "airgapped_media"),
    }

    /// Data for tuning.
    Dataset {
        /// `text`, `chat`, `code` or `docs`.
        r#type: Option<String> = any_of!("text", "chat", "code", "docs"),
        /// Its size in GB (10^9 bytes).
        size_gb: Option<Number> = NUMBER,
        /// Samples in millions.
        samples_million: Option<Number> = NUMBER,
        /// Whether it tells about people.
        contains_pii: Option<bool>,
    }

    /// How a model is tuned.
    Training {
        /// Runs a month.
        expected_runs_per_month: Option<Number> = NUMBER,
        /// Hours of a run.
        typical_run_hours: Option<Number> = NUMBER,
        /// Hours of the longest run.
        peak_run_hours: Option<Number> = NUMBER,
        /// Whether checkpoints are needed. Example: `required`.
        checkpointing: Option<String> = WORD,
        /// Whether a run must survive a restart.
        resume_from_checkpoint: Option<bool>,
    }

    /// How a tuned model is judged.
    Evaluation {
        /// Whether it is judged on the machine.
        required: Option<bool>,
        /// By what.
        benchmarks: Vec<String> = WORDS,
        /// Hours for each run.
        expected_eval_hours_per_run: Option<Number> = NUMBER,
    }

    /// Pictures that are made.
    Generation {
        /// Pictures a day.
        images_per_day: Option<u32> = COUNT,
        /// `1024`, `1536` or `2048`.
        resolution: Option<String> = any_of!("1024", "1536", "2048"),
        /// Jobs at once.
        peak_concurrency: Option<u32> = COUNT,
    }

    /// How a picture model is tuned.
    Finetune {
        /// Runs a month.
        runs_per_month: Option<Number> = NUMBER,
        /// Pictures in the data.
        dataset_images: Option<u32> = COUNT,
        /// Hours of a run.
        typical_run_hours: Option<Number> = NUMBER,
        /// Hours of the longest run.
        peak_run_hours: Option<Number> = NUMBER,
    }

    /// What is needed.
    Requirements {
        /// Who shares the machine.
        tenancy: Option<Tenancy>,
        /// Where data must stay. Fine-tuning. Example: `eu-central`.
        data_residency: Option<String> = WORD,
        /// Where it should run. Studio. Example: `us-east`.
        region: Option<String> = WORD,
        /// Ways in and out.
        network: Option<Network>,
        /// Disk and what happens to it.
        storage: Option<Storage>,
        /// What the law asks for. Fine-tuning.
        compliance: Option<Compliance>,
        /// What runs on the machine.
        environment: Option<Environment>,
        /// Help.
        support: Option<Support>,
        /// Added: GPUs of one instance, at least.
        gpus: Option<u32> = SOME,
        /// Added: instances. Default 1.
        instances: Option<u32> = Shape::Whole { least: 1, most: 64 },
        /// Added: `vm` or `bare_metal`. Default `vm`.
        kind: Option<String> = any_of!("vm", "bare_metal"),
        /// Added: add-ons by SKU.
        add_ons: Vec<SkuQuantity> = Shape::list(&<SkuQuantity as crate::body::Wire>::SHAPE),
        /// Added: `byoWorkspace` or `protectedModel`. Default `byoWorkspace`, what both documents sell.
        mode: Option<String> = Shape::Text(Form::One(&["byoWorkspace", "protectedModel"])),
    }

    /// Who shares the machine.
    Tenancy {
        /// Nobody else.
        single_tenant: Option<bool>,
    }

    /// Ways in and out.
    Network {
        /// Ways in.
        inbound: Vec<Inbound> = Shape::list(&<Inbound as crate::body::Wire>::SHAPE),
        /// Ways out.
        outbound: Option<Outbound>,
    }

    /// A way in.
    Inbound {
        /// The port. Example: `22`.
        port: Option<u32> = PORT,
        /// The protocol. Example: `tcp`.
        proto: Option<String> = Shape::Text(Form::One(&["tcp", "udp"])),
        /// From where: `buyer_ip_ranges`, which the order fills in, or a network.
        source: Option<String> = Shape::Text(Form::Source),
    }

    /// Ways out.
    Outbound {
        /// `open`, `restricted` or `blocked`.
        mode: Option<String> = any_of!("open", "restricted", "blocked"),
        /// `host:port` that may be reached when restricted.
        allowlist: Vec<String> = DESTINATIONS,
    }

    /// Disk and what happens to it.
    Storage {
        /// Fast local disk in GB (10^9 bytes).
        scratch_nvme_gb: Option<u32> = COUNT,
        /// Where artefacts go. Fine-tuning.
        artifact_bucket: Option<String> = URI,
        /// Where outputs go. Studio.
        output_delivery: Option<OutputDelivery>,
        /// Days that data is kept after the end.
        retention_days: Option<u32> = DAYS,
    }

    /// Where outputs go.
    OutputDelivery {
        /// `s3`, `gcs`, `sftp` or `http`.
        mode: Option<String> = any_of!("s3", "gcs", "sftp", "http"),
        /// Where to.
        target_uri: Option<String> = URI,
    }

    /// What the law asks for.
    Compliance {
        /// A data processing agreement.
        dpa_required: Option<bool>,
        /// What logs may hold. Example: `no_training_data_in_logs`.
        logging_policy: Option<String> = WORD,
        /// An audit log.
        audit_required: Option<bool>,
    }

    /// What runs on the machine.
    Environment {
        /// `BYO`: the buyer's own.
        stack: Option<String> = Shape::Text(Form::One(&["BYO"])),
        /// What the seller installs.
        seller_baseline: Vec<String> = WORDS,
        /// Version of CUDA. Fine-tuning. Example: `12.x`.
        cuda: Option<String> = WORD,
        /// Frameworks. Fine-tuning. Example: `pytorch`.
        frameworks: Vec<String> = WORDS,
        /// A web interface. Studio. Example: `optional_webui`.
        ui: Option<String> = WORD,
    }

    /// Help.
    Support {
        /// `standard` or `premium`.
        tier: Option<String> = any_of!("standard", "premium"),
        /// Hours of help at the beginning.
        onboarding_hours: Option<Number> = NUMBER,
    }

    /// How it is paid.
    Commercial {
        /// `hourly` or `monthly`.
        billing_model: String = any_of!("hourly", "monthly"),
        /// Days that are promised. Fine-tuning.
        term_days: Option<u32> = DAYS,
        /// Hours a week that it will run. Studio.
        expected_hours_per_week: Option<Number> = Shape::Number { most: 168 },
        /// USD a month, at most.
        budget_usd_per_month: Option<Usd> = USD,
    }

    /// `tb1`: the buyer takes a request back.
    RfqCancel {
        /// The request.
        rfq_id: String = ID,
        /// Why, for people.
        reason: Option<String> = LINE,
    }

    /// `tb1`: what was asked for cannot be had.
    RfqRejected {
        /// The request.
        rfq_id: String = ID,
        /// Why, for people.
        reason: String = LINE,
        /// What speaks against each offer.
        offers: Vec<OfferRefusal>,
    }

    /// What speaks against an offer.
    OfferRefusal {
        /// The offer.
        offer_id: String = ID,
        /// Every reason.
        reasons: Vec<String> = LINES,
    }
}
