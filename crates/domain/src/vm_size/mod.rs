//! Which machines can carry an offer, in the order in which they are tried, and why each of the others cannot.
//!
//! Every size is held against every constraint; a refusal names all that it fails, with what it has and what is
//! needed. What is not documented is not assumed. The first candidate is what an operator asks the provider for, the
//! rest is its ladder when that one is not to be had.

mod table;
#[cfg(test)]
mod tests;

pub use table::{SIZES, VmSize};

use serde::{Deserialize, Serialize};

/// What an offer, its quote and the present state of the provider demand of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// GPUs of one instance.
    pub gpus: u32,
    /// Memory of one GPU in GB, at least.
    pub vram_gb: u32,
    /// GPU models that the quote allows; empty: any.
    pub gpu_models: Vec<String>,
    /// Virtual CPU cores, at least.
    pub vcpus: u32,
    /// Memory in GB (10^9 bytes), at least.
    pub ram_gb: u32,
    /// Fast disk in GB (10^9 bytes), at least.
    pub nvme_gb: u32,
    /// Whether memory must be encrypted by the processor.
    pub needs_confidential: bool,
    /// What is second best and may be used all the same.
    pub allowed: Vec<Allowance>,
    /// Sizes that cannot be had at present, with the reason: quota, capacity, an open circuit breaker.
    pub blocked: Vec<Blocked>,
}

/// Something second best that an offer may put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Allowance {
    /// A managed disk makes up for local disk that is missing.
    ManagedDisk,
    /// Sizes that are previews.
    Preview,
    /// Machines with more GPUs than needed; the rest of them stands idle.
    IdleGpus,
}

impl Demand {
    fn allows(&self, what: Allowance) -> bool {
        self.allowed.contains(&what)
    }
}

/// A size that cannot be had at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Azure's name.
    pub size: String,
    /// Why. Example: `QuotaFamily`.
    pub reason: String,
}

/// A machine that would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// Azure's name.
    pub size: String,
    /// GPUs that would stand idle.
    pub idle_gpus: u32,
    /// Disk that a managed disk must add, in GB rounded up.
    pub managed_disk_gb: u32,
}

/// A machine that will not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// Azure's name.
    pub size: String,
    /// Every constraint that it fails.
    pub reasons: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Machines that would do, best first: no idle GPUs, no managed disk, no preview, then the smallest.
    pub candidates: Vec<Candidate>,
    /// The others.
    pub refused: Vec<Refusal>,
}

/// Holds every size against the demand.
#[must_use]
pub fn resolve(demand: &Demand, sizes: &[VmSize]) -> Resolution {
    let mut candidates = Vec::new();
    let mut refused = Vec::new();
    for size in sizes {
        let reasons = reasons(demand, size);
        if reasons.is_empty() {
            candidates.push((rank(demand, size), candidate(demand, size)));
        } else {
            refused.push(Refusal {
                size: size.name.to_owned(),
                reasons,
            });
        }
    }
    candidates.sort_by(|(a, x), (b, y)| (a, &x.size).cmp(&(b, &y.size)));
    Resolution {
        candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(),
        refused,
    }
}

/// The lower the better. Prices are not known here; cores and memory stand in for them.
fn rank(demand: &Demand, size: &VmSize) -> (u32, u64, bool, Option<u32>, u32) {
    (
        size.gpus.saturating_sub(demand.gpus),
        missing_mb(demand, size),
        size.is_preview,
        size.vcpus,
        size.vram_gb,
    )
}

fn candidate(demand: &Demand, size: &VmSize) -> Candidate {
    Candidate {
        size: size.name.to_owned(),
        idle_gpus: size.gpus.saturating_sub(demand.gpus),
        managed_disk_gb: u32::try_from(missing_mb(demand, size).div_ceil(1000)).unwrap_or(u32::MAX),
    }
}

/// Local disk that is missing, in MB; all of it where the size is not documented.
fn missing_mb(demand: &Demand, size: &VmSize) -> u64 {
    (u64::from(demand.nvme_gb) * 1000).saturating_sub(size.nvme_mb.unwrap_or(0))
}

fn reasons(demand: &Demand, size: &VmSize) -> Vec<String> {
    let mut all = Vec::new();
    gpu_reasons(demand, size, &mut all);
    machine_reasons(demand, size, &mut all);
    if demand.needs_confidential && !size.is_confidential {
        all.push("does not encrypt its memory, confidential computing is needed".to_owned());
    }
    if size.is_preview && !demand.allows(Allowance::Preview) {
        all.push("is a preview, previews are not allowed".to_owned());
    }
    let blocked = demand.blocked.iter().filter(|b| b.size == size.name);
    all.extend(blocked.map(|b| format!("cannot be had at present: {}", b.reason)));
    all
}

fn gpu_reasons(demand: &Demand, size: &VmSize, all: &mut Vec<String>) {
    if size.gpus < demand.gpus {
        all.push(format!("has {} GPUs, {} are needed", size.gpus, demand.gpus));
    } else if size.gpus > demand.gpus && !demand.allows(Allowance::IdleGpus) {
        all.push(format!(
            "has {} GPUs, {} would stand idle",
            size.gpus,
            size.gpus - demand.gpus
        ));
    }
    if size.vram_gb < demand.vram_gb {
        all.push(format!(
            "has {} GB of memory on each GPU, {} are needed",
            size.vram_gb, demand.vram_gb
        ));
    }
    if !demand.gpu_models.is_empty() && !demand.gpu_models.iter().any(|m| m == size.gpu) {
        all.push(format!(
            "has {}, the quote allows [{}]",
            size.gpu,
            demand.gpu_models.join(", ")
        ));
    }
}

fn machine_reasons(demand: &Demand, size: &VmSize, all: &mut Vec<String>) {
    match size.vcpus {
        None => all.push("has an undocumented number of cores".to_owned()),
        Some(has) if has < demand.vcpus => all.push(format!("has {has} cores, {} are needed", demand.vcpus)),
        Some(_) => {}
    }
    match size.ram_gib {
        None => all.push("has an undocumented amount of memory".to_owned()),
        Some(has) => {
            let has_mb = u64::from(has) * 1_073_741_824 / 1_000_000;
            if has_mb < u64::from(demand.ram_gb) * 1000 {
                all.push(format!(
                    "has {} GB of memory, {} are needed",
                    has_mb / 1000,
                    demand.ram_gb
                ));
            }
        }
    }
    if demand.allows(Allowance::ManagedDisk) || demand.nvme_gb == 0 {
        return;
    }
    match size.nvme_mb {
        None => all.push("has an undocumented amount of local disk".to_owned()),
        Some(has) if has < u64::from(demand.nvme_gb) * 1000 => all.push(format!(
            "has {} GB of local disk, {} are needed",
            has / 1000,
            demand.nvme_gb
        )),
        Some(_) => {}
    }
}
