//! An Offer as an entry of `offer.list.result`.

use crate::identity::id_of;
use crate::outbound::number;
use crate::spelling::Spelling;
use trustbridge_acp::amount::Usd;
use trustbridge_acp::messages::offer::{
    Billing, BillingModel, Network, Offer as Entry, Resources, Security, ServiceLevels,
};
use trustbridge_api::Offer;
use trustbridge_api::offer::BillingPrice;
use trustbridge_domain::pricing::BillingModel as Model;

/// The offer as it is told to who asks for `use_case`.
#[must_use]
pub fn entry(offer: &Offer, use_case: &str) -> Entry {
    let (spec, spelling) = (&offer.spec, Spelling::of(use_case));
    // The schema bounds these between 0 and a million.
    let count = |number: i64| u32::try_from(number).ok();
    Entry {
        offer_id: id_of(offer),
        sku: Some(spec.sku.clone()),
        title: spec.title.clone(),
        region: spec.regions.clone(),
        resources: Some(Resources {
            gpu: count(spec.resources.gpus),
            vcpus: count(spec.resources.vcpus),
            ram_gb: count(spec.resources.ram_gb),
            nvme_gb: count(spec.resources.nvme_gb),
        }),
        billing: Some(billing(offer, spelling)),
        sla: Some(ServiceLevels {
            provision_p90_hours: number(&spec.sla.provision_p90_hours.to_string()),
            support: Some(spec.sla.support.clone()),
        }),
        security: Some(Security {
            single_tenant: Some(spec.security.single_tenant),
            ssh_keys_only: None,
            // Every end is wiped, whoever comes next.
            wipe_between_customers: Some(true),
            wipe_on_termination: Some(true),
            no_telemetry: None,
        }),
        network: Some(Network {
            private_network: None,
            outbound_modes: spec
                .network
                .outbound_modes
                .iter()
                .map(|mode| mode.as_str().to_owned())
                .collect(),
        }),
    }
}

fn billing(offer: &Offer, spelling: Spelling) -> Billing {
    let models = &offer.spec.billing.models;
    let monthly = models.iter().find(|m| m.model == Model::Monthly);
    let monthly = monthly.and_then(|m| spelling.tuning(m));
    Billing {
        model: monthly.map(|_| "monthly".to_owned()),
        price_usd: monthly.and_then(|m| m.price_minor).map(Usd::from_minor),
        min_term_days: monthly.map(|m| m.min_term_days),
        models: models.iter().map(model).collect(),
        currency: Some(offer.spec.billing.currency.clone()),
    }
}

fn model(price: &BillingPrice) -> BillingModel {
    let usd = price.price_minor.map(Usd::from_minor);
    let bare = BillingModel {
        price_minor: price.price_minor,
        ..BillingModel::default()
    };
    match price.model {
        Model::Hourly => BillingModel {
            model: "hourly".to_owned(),
            price_usd_per_hour: usd,
            min_hours: number(&price.min_hours.to_string()),
            ..bare
        },
        Model::Monthly => BillingModel {
            model: "monthly".to_owned(),
            price_usd_per_month: usd,
            min_term_days: Some(price.min_term_days),
            ..bare
        },
    }
}
