//! Which machine carries an offer. Pure.

use std::fmt::Write as _;
use trustbridge_api::OfferSpec;
use trustbridge_domain::vm_size::{Refusal, Resolution, SIZES, resolve};

/// Refusals that are told at most: the message of a condition is short.
const TOLD: usize = 4;

/// Azure's name of the machine for one instance with `nvme_gb` of local disk, or in words why there is none.
///
/// A size that the seller names and that is not known here is taken at the seller's word.
pub(crate) fn machine(offer: &OfferSpec, nvme_gb: u32) -> Result<String, String> {
    let resolution = resolve(&offer.demand(nvme_gb), SIZES);
    let Some(named) = &offer.node_class.vm_size else {
        let best = resolution.candidates.first();
        return best.map(|c| c.size.clone()).ok_or_else(|| none(&resolution));
    };
    let refusal = resolution.refused.iter().find(|r| r.size == *named);
    match refusal {
        None => Ok(named.clone()),
        Some(refusal) => Err(format!(
            "`spec.nodeClass.vmSize` {}; correct `spec.resources` or take {}",
            told(refusal),
            resolution
                .candidates
                .first()
                .map_or("another GPU", |c| c.size.as_str())
        )),
    }
}

/// Whether the seller named a machine that nobody here knows.
pub(super) fn is_unknown(offer: &OfferSpec) -> bool {
    let named = offer.node_class.vm_size.as_deref();
    named.is_some_and(|named| SIZES.iter().all(|size| size.name != named))
}

fn none(resolution: &Resolution) -> String {
    let mut text = "no known machine carries it: ".to_owned();
    for refusal in resolution.refused.iter().take(TOLD) {
        // Writing into a text cannot fail.
        let _ = write!(text, "{}; ", told(refusal));
    }
    let left = resolution.refused.len().saturating_sub(TOLD);
    let _ = write!(
        text,
        "and {left} more; correct `spec.resources`, or name a machine in `spec.nodeClass.vmSize`"
    );
    text
}

fn told(refusal: &Refusal) -> String {
    format!("{} {}", refusal.size, refusal.reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustbridge_api::offer::{Gpu, Resources};
    use trustbridge_domain::vm_size::Allowance;

    fn offer(gpus: i64, vcpus: i64, nvme_gb: i64) -> OfferSpec {
        OfferSpec {
            resources: Resources {
                gpus,
                vcpus,
                ram_gb: 96,
                nvme_gb,
            },
            gpu: Gpu {
                model: "any".to_owned(),
                vram_gb: 80,
            },
            ..OfferSpec::default()
        }
    }

    #[test]
    fn the_smallest_that_carries_it_is_taken() {
        assert_eq!(
            machine(&offer(1, 24, 960), 960).unwrap(),
            "Standard_NC24ads_A100_v4"
        );
        assert_eq!(
            machine(&offer(1, 24, 1000), 1000).unwrap(),
            "Standard_NC40ads_H100_v5"
        );
        assert_eq!(
            machine(&offer(2, 64, 4000), 4000).unwrap(),
            "Standard_NC80adis_H100_v5"
        );
    }

    #[test]
    fn a_named_machine_must_carry_it_unless_nobody_knows_it() {
        let mut small = offer(1, 24, 1000);
        small.node_class.vm_size = Some("Standard_NC24ads_A100_v4".to_owned());
        let why = machine(&small, 1000).unwrap_err();
        assert!(
            why.contains("960 GB of local disk, 1000 are needed") && why.contains("Standard_NC40ads_H100_v5"),
            "{why}"
        );
        small.node_class.allow = vec![Allowance::ManagedDisk];
        assert_eq!(machine(&small, 1000).unwrap(), "Standard_NC24ads_A100_v4");
        small.node_class.vm_size = Some("my-own".to_owned());
        assert!(is_unknown(&small));
        assert_eq!(machine(&small, 9000).unwrap(), "my-own");
    }

    #[test]
    fn what_nothing_carries_is_told_with_reasons() {
        let why = machine(&offer(4, 96, 8000), 8000).unwrap_err();
        assert!(
            why.contains("no known machine") && why.contains("has 1 GPUs, 4 are needed"),
            "{why}"
        );
    }
}
