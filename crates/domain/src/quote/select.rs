//! Which offers can be meant, and the smallest of them that fits.

use super::Case;
use super::catalog::{CatalogOffer, StorageFit};
use super::need::Wanted;
use super::notes::Notes;
use super::outcome::{OfferRefusal, Outcome};

/// An offer that fits, with the add-ons that it takes.
#[derive(Clone, Copy)]
pub(super) struct Fit<'a> {
    pub(super) offer: &'a CatalogOffer,
    pub(super) gpus_needed: u32,
    pub(super) nvme_add_ons: u32,
    /// Disk that is still missing, in GB.
    pub(super) short_gb: u32,
}

/// The offer that was chosen, and the others that fit.
pub(super) struct Chosen<'a> {
    pub(super) fit: Fit<'a>,
    pub(super) others: Vec<Fit<'a>>,
}

/// Nothing fits.
pub(super) struct Refusal {
    reason: String,
    offers: Vec<OfferRefusal>,
}

impl Refusal {
    pub(super) fn into_outcome(self, notes: Notes) -> Outcome {
        notes.reject_all(self.reason, self.offers)
    }
}

impl<'a> Case<'a> {
    pub(super) fn select(&self, wanted: &Wanted, notes: &mut Notes) -> Result<Chosen<'a>, Refusal> {
        let mut refused = Vec::new();
        let mut fits = Vec::new();
        for offer in &self.catalog.offers {
            match self.fit(offer, wanted) {
                Ok(fit) => fits.push(fit),
                Err(reasons) => {
                    notes.fired("filter", format!("{}: {}", offer.offer_id, reasons.join("; ")));
                    refused.push(OfferRefusal {
                        offer_id: offer.offer_id.clone(),
                        reasons,
                    });
                }
            }
        }
        fits.sort_by(|a, b| (a.offer.gpus, &a.offer.sku).cmp(&(b.offer.gpus, &b.offer.sku)));
        let without_add_ons = fits.iter().position(|f| f.nvme_add_ons == 0 && f.short_gb == 0);
        let index = without_add_ons.unwrap_or(0);
        if fits.is_empty() {
            return Err(Refusal {
                reason: "no offer fits; `refusals` says why for each".to_owned(),
                offers: refused,
            });
        }
        let fit = fits.remove(index);
        let why = if without_add_ons.is_some() {
            "the smallest with enough GPUs and disk"
        } else {
            "the smallest with enough GPUs; none has enough disk by itself"
        };
        notes.fired(
            "bundle",
            format!("{}: {why}; {} GPUs are needed", fit.offer.sku, fit.gpus_needed),
        );
        Ok(Chosen { fit, others: fits })
    }

    /// Whether the offer can be meant and fits, or every reason why not.
    fn fit(&self, offer: &'a CatalogOffer, wanted: &Wanted) -> Result<Fit<'a>, Vec<String>> {
        let mut reasons = self.hard_limits(offer, wanted);
        let gpus_needed = Self::gpus_needed(wanted, offer);
        if offer.gpus < gpus_needed {
            reasons.push(format!("has {} GPUs, {gpus_needed} are needed", offer.gpus));
        }
        let missing = wanted.nvme_gb.saturating_sub(offer.nvme_gb);
        let each = self
            .catalog
            .nvme_add_on(&self.words.use_case)
            .map_or(0, |a| a.nvme_gb);
        let nvme_add_ons = match offer.storage_fit {
            StorageFit::Strict => missing
                .checked_add(each.saturating_sub(1))
                .and_then(|m| m.checked_div(each)),
            StorageFit::BestEffort => missing.checked_div(each),
        };
        if nvme_add_ons.is_none() && missing > 0 {
            reasons.push(format!(
                "has {} GB of local disk, {} are needed, and nothing adds any",
                offer.nvme_gb, wanted.nvme_gb
            ));
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let nvme_add_ons = nvme_add_ons.unwrap_or(0);
        Ok(Fit {
            offer,
            gpus_needed,
            nvme_add_ons,
            short_gb: missing.saturating_sub(nvme_add_ons.saturating_mul(each)),
        })
    }

    fn hard_limits(&self, offer: &CatalogOffer, wanted: &Wanted) -> Vec<String> {
        let mut reasons = Vec::new();
        if offer.use_case != self.words.use_case {
            reasons.push(format!("is sold for {}", offer.use_case));
        } else if offer.family != wanted.family {
            reasons.push(format!(
                "is a {}, the jobs ask for {}",
                offer.family, wanted.family
            ));
        }
        if let Some(place) = self.rfq.place().filter(|p| !offer.regions.iter().any(|r| r == p)) {
            reasons.push(format!(
                "is not sold in '{place}' but in [{}]",
                offer.regions.join(", ")
            ));
        }
        if self.rfq.requirements.tenancy.single_tenant && !offer.single_tenant {
            reasons.push("shares its machine".to_owned());
        }
        if !offer.outbound_modes.contains(&wanted.outbound) {
            reasons.push(format!(
                "has no outbound mode '{}' but [{}]",
                wanted.outbound,
                offer.outbound_modes.join(", ")
            ));
        }
        if offer.price(self.model).is_none() {
            let sold: Vec<String> = offer
                .prices
                .iter()
                .map(|p| format!("{:?}", p.model).to_lowercase())
                .collect();
            let asked = format!("{:?}", self.model).to_lowercase();
            reasons.push(format!("is not billed {asked} but [{}]", sold.join(", ")));
        }
        reasons
    }
}
