//! What a request comes to in GPUs, disk and promises.

use super::Case;
use super::catalog::CatalogOffer;
use super::notes::Notes;
use super::outcome::WarningCode;
use super::profile::VramModel;
use super::request::{AddOnWish, Workload, first_choice};
use crate::decimal::Decimal;
use crate::rational::Ratio;

/// Hours of a week.
const WEEK_HOURS: i64 = 168;

/// A request with every choice made.
pub(super) struct Wanted {
    pub(super) family: String,
    pub(super) outbound: String,
    pub(super) gpus_asked: u32,
    /// Memory that tuning takes, in millions of bytes times 10^3 (milli-GB); `None`: not known or not needed.
    pub(super) vram_milli_gb: Option<i64>,
    /// Pictures an hour.
    pub(super) images_per_hour: Option<Ratio>,
    pub(super) nvme_gb: u32,
    pub(super) support_tier: Option<String>,
    pub(super) instances: u32,
    pub(super) onboarding_extra: u32,
    pub(super) add_ons: Vec<AddOnWish>,
    pub(super) pii: bool,
    /// Why a person must decide, whatever it costs.
    pub(super) for_a_person: Vec<String>,
}

impl Case<'_> {
    pub(super) fn wanted(&self, notes: &mut Notes) -> Wanted {
        let (rfq, requirements) = (self.rfq, &self.rfq.requirements);
        let outbound = first_choice(requirements.network.outbound.mode.as_ref());
        let onboarding = requirements.support.onboarding_hours.map_or(0, Decimal::ceil);
        let extra = onboarding.saturating_sub(i64::from(self.words.included_onboarding_hours));
        let mut wanted = Wanted {
            family: self.family(notes),
            outbound: outbound.unwrap_or_else(|| "open".to_owned()),
            gpus_asked: requirements.gpus.unwrap_or(1),
            vram_milli_gb: None,
            images_per_hour: images_per_hour(&rfq.workload, rfq.commercial.expected_hours_per_week),
            nvme_gb: requirements.storage.scratch_nvme_gb.unwrap_or(0),
            support_tier: first_choice(requirements.support.tier.as_ref()),
            instances: requirements.instances.unwrap_or(1).max(1),
            onboarding_extra: u32::try_from(extra.max(0)).unwrap_or(u32::MAX),
            add_ons: requirements.add_ons.clone(),
            pii: rfq.workload.dataset.as_ref().and_then(|d| d.contains_pii) == Some(true),
            for_a_person: Vec::new(),
        };
        self.models(&mut wanted, notes);
        if first_choice(requirements.kind.as_ref()).as_deref() == Some("bare_metal") {
            wanted
                .for_a_person
                .push("`requirements.kind` bare_metal".to_owned());
        }
        wanted
    }

    /// Nothing but tuning asked for, and bundles made for tuning: those; else the usual ones.
    fn family(&self, notes: &mut Notes) -> String {
        let jobs = &self.rfq.workload.job_types;
        let tuning_alone = !jobs.is_empty() && jobs.iter().all(|job| job == "lora_finetune");
        let chosen = match &self.words.tuning_family {
            Some(family) if tuning_alone => family.clone(),
            _ => self.words.family.clone(),
        };
        notes.fired(
            "job-mix",
            format!("jobs [{}] are served by {chosen}", jobs.join(", ")),
        );
        chosen
    }

    /// Which models run, and what that takes.
    fn models(&self, wanted: &mut Wanted, notes: &mut Notes) {
        let workload = &self.rfq.workload;
        let family = first_choice(workload.model_family.as_ref());
        let method = first_choice(workload.method.as_ref());
        let base = workload.base_model.clone().unwrap_or_default();
        let name = first_choice(base.name.as_ref());
        let size = first_choice(base.size.as_ref());
        let source = first_choice(base.source.as_ref());
        for (field, value) in [("base_model.name", &name), ("model_family", &family)] {
            if value.as_deref() == Some("custom") {
                wanted.for_a_person.push(format!("`workload.{field}` custom"));
            }
        }
        if source.as_deref() == Some("airgapped_media") {
            wanted
                .for_a_person
                .push("`workload.base_model.source` airgapped_media".to_owned());
        }
        let Some(size) = size else { return };
        let method = method.unwrap_or_else(|| "lora".to_owned());
        wanted.vram_milli_gb = vram_milli_gb(&size, &method, self.profile.vram);
        match wanted.vram_milli_gb {
            Some(need) => notes.fired(
                "vram",
                format!("{method} of {size} takes {}.{:03} GB of GPU memory", need / 1000, need % 1000),
            ),
            None => notes.warn(
                WarningCode::ModelSizeUnknown,
                format!("`workload.base_model.size` '{size}' with method '{method}' is not understood; GPUs were not derived from it"),
                None,
            ),
        }
    }

    /// GPUs of this kind that the request needs: the most of memory, throughput, and what was asked for.
    pub(super) fn gpus_needed(wanted: &Wanted, offer: &CatalogOffer) -> u32 {
        let memory = wanted.vram_milli_gb.map_or(1, |need| {
            let card = i64::from(offer.vram_gb).saturating_mul(1000).max(1);
            need.saturating_add(card - 1) / card
        });
        let throughput = wanted
            .images_per_hour
            .zip(offer.images_per_gpu_hour)
            .and_then(|(need, card)| {
                need.times(Ratio::new(1_000_000, i128::from(card.millionths()))?)?
                    .ceil()
            });
        let most = memory.max(throughput.unwrap_or(1)).max(1);
        u32::try_from(most).unwrap_or(u32::MAX).max(wanted.gpus_asked)
    }
}

/// Pictures an hour that are asked for; without hours a week, around the clock.
fn images_per_hour(workload: &Workload, hours_per_week: Option<Decimal>) -> Option<Ratio> {
    let per_day = workload.generation.as_ref()?.images_per_day?;
    let hours = hours_per_week
        .filter(|h| h.millionths() > 0)
        .or(Decimal::whole(WEEK_HOURS))?;
    let per_week = Ratio::whole(i128::from(per_day) * 7);
    per_week.times(Ratio::new(1_000_000, i128::from(hours.millionths()))?)
}

/// Memory for tuning in milli-GB; `None` for a size or a method that is not understood.
pub(super) fn vram_milli_gb(size: &str, method: &str, model: VramModel) -> Option<i64> {
    let billions: Decimal = size.strip_suffix(['B', 'b'])?.parse().ok()?;
    let tenths = match method {
        "lora" => model.lora_tenths,
        "qlora" => model.qlora_tenths,
        _ => return None,
    };
    let weights = billions.ratio().times(Ratio::new(i128::from(tenths), 10)?)?;
    let loaded = weights.times(Ratio::new(i128::from(model.overhead_percent), 100)?)?;
    let all = loaded.plus(Ratio::whole(i128::from(model.base_gb)))?;
    all.times(Ratio::whole(1000))?.ceil()
}
