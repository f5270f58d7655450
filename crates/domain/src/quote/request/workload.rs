//! What is going to run on the machine.

use crate::decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What is going to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workload {
    /// `lora` or `qlora` (fine-tuning).
    pub method: Option<String>,
    /// The model that is tuned (fine-tuning).
    pub base_model: Option<BaseModel>,
    /// What it is tuned on (fine-tuning).
    pub dataset: Option<Dataset>,
    /// How it is tuned (fine-tuning).
    pub training: Option<Training>,
    /// How it is judged (fine-tuning).
    pub evaluation: Option<Evaluation>,
    /// `batch_generation`, `lora_finetune` (studio).
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub job_types: Vec<String>,
    /// `sdxl`, `sd15`, `flux` or `custom` (studio).
    pub model_family: Option<String>,
    /// Pictures (studio).
    pub generation: Option<Generation>,
    /// Tuning of a picture model (studio).
    pub finetune: Option<Finetune>,
}

/// A model that is tuned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BaseModel {
    /// `llama-3.x`, `mistral`, `qwen` or `custom`.
    pub name: Option<String>,
    /// Parameters. Example: `34B`.
    pub size: Option<String>,
    /// `huggingface`, `buyer_registry` or `airgapped_media`.
    pub source: Option<String>,
}

/// Data for tuning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dataset {
    /// `text`, `chat`, `code` or `docs`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Size in GB (10^9 bytes).
    pub size_gb: Option<Decimal>,
    /// Samples in millions.
    pub samples_million: Option<Decimal>,
    /// Whether it tells about people.
    pub contains_pii: Option<bool>,
}

/// How a model is tuned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Training {
    /// Runs a month.
    pub expected_runs_per_month: Option<Decimal>,
    /// Hours of a run.
    pub typical_run_hours: Option<Decimal>,
    /// Hours of the longest run.
    pub peak_run_hours: Option<Decimal>,
    /// Whether checkpoints are needed. Example: `required`.
    pub checkpointing: Option<String>,
    /// Whether a run must survive a restart.
    pub resume_from_checkpoint: Option<bool>,
}

/// How a tuned model is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evaluation {
    /// Whether it is judged on the machine.
    pub required: Option<bool>,
    /// By what.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub benchmarks: Vec<String>,
    /// Hours for each run.
    pub expected_eval_hours_per_run: Option<Decimal>,
}

/// Pictures that are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Generation {
    /// Pictures a day.
    pub images_per_day: Option<u32>,
    /// `1024`, `1536` or `2048`.
    pub resolution: Option<String>,
    /// Jobs at once.
    pub peak_concurrency: Option<u32>,
}

/// Tuning of a picture model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finetune {
    /// Runs a month.
    pub runs_per_month: Option<Decimal>,
    /// Pictures in the data.
    pub dataset_images: Option<u32>,
    /// Hours of a run.
    pub typical_run_hours: Option<Decimal>,
    /// Hours of the longest run.
    pub peak_run_hours: Option<Decimal>,
}
