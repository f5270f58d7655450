//! Offer: what a careful seller would look at again.
//!
//! Nothing is made for an offer; its status says whether it can be sold, on which machine, and what of it can be had now.
//! One that is not Ready is not quoted; one of which nothing can be had is: machines come and go.
//!
//! Rights: offers (get list watch, status patch), tunepods (list watch); with the provider `static` nodes (list watch) and pods (list).

mod capacity;
mod size;

pub(crate) use size::machine;

use crate::context::{Context, Error};
use crate::controllers::execute::{self, Plan};
use crate::nodepool::capacity::Wanted;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::{Offer, OfferSpec, OfferStatus, Probe, TunePod};
use trustbridge_domain::pricing::BillingModel;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::conditions::{Statement, find, set};
use trustbridge_kit::controller::{Controller, Guarded};
use trustbridge_kit::shutdown::Shutdown;

/// Hours of the longest month.
const LONGEST_MONTH_H: i64 = 744;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let client = &ctx.client;
    let any = watcher::Config::default;
    let told = capacity::Told::default();
    let pools = Arc::clone(&ctx.pools);
    let controller = Controller::<Offer>::new("Offer", Api::all(client.clone()), ctx.shared.clone());
    let controller = controller.watches(
        Api::<DeserializeGuard<TunePod>>::all(client.clone()),
        any(),
        "Offer/TunePod",
        move |offers, tunepod| match &tunepod.0 {
            Ok(tunepod) if told.is_new(tunepod) => {
                pools.changed();
                concerned(offers, tunepod, pools.makes_nodes())
            }
            // What cannot be decoded is told by its own controller.
            _ => Vec::new(),
        },
    );
    // Nodes come, go and are cordoned only where they are counted.
    let nodes = ctx.pools.counted_nodes().map(|labels| any().labels(&labels));
    let pools = Arc::clone(&ctx.pools);
    let controller = match nodes {
        Some(labelled) => controller.watches(
            Api::<PartialObjectMeta<Node>>::all(client.clone()),
            labelled,
            "Offer/Node",
            move |offers, _| {
                pools.changed();
                let all = offers.state();
                all.iter().map(|offer| ObjectRef::from_obj(&**offer)).collect()
            },
        ),
        None => controller,
    };
    controller.run(reconcile, ctx, shutdown).await;
}

/// Offers of which something else can be had once that TunePod changed: where nodes are counted, all of them; where
/// machines are made, those of its size.
fn concerned(
    offers: &Store<Guarded<Offer>>,
    tunepod: &TunePod,
    makes_nodes: bool,
) -> Vec<ObjectRef<Guarded<Offer>>> {
    let size = tunepod.spec.vm_size.as_str();
    let carries = |offer: &Offer| {
        let of = offer.status.as_ref().and_then(|status| status.vm_size.as_deref());
        !makes_nodes || of == Some(size)
    };
    let all = offers.state();
    let hit = all.iter().filter(|offer| offer.0.as_ref().is_ok_and(carries));
    hit.map(|offer| ObjectRef::from_obj(&**offer)).collect()
}

pub(crate) async fn reconcile(offer: Arc<Offer>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(offer) = ctx.writer.get::<Offer>(None, &offer.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide(&offer, ctx.now());
    let plan = with_capacity(&ctx, &offer, plan).await;
    execute::settle(
        &ctx,
        FieldManager::OFFER_STATUS,
        &offer,
        offer.status.as_ref(),
        &plan,
    )
    .await
}

/// With what can be had of it now; of an offer that no machine carries nothing can.
async fn with_capacity(ctx: &Context, offer: &Offer, mut plan: Plan<OfferStatus>) -> Plan<OfferStatus> {
    let Some(vm_size) = plan.status.vm_size.clone() else {
        plan.status.capacity = None;
        return plan;
    };
    let wanted = Wanted {
        vm_size,
        gpus: offer.spec.resources.gpus,
    };
    let view = ctx.pools.capacity(&wanted).await;
    let known = plan.status.capacity.take();
    let (capacity, again) = capacity::capacity(known, &view, ctx.now());
    plan.status.capacity = Some(capacity);
    match again {
        Some(pause) => plan.within(pause),
        None => plan,
    }
}

fn decide(offer: &Offer, now: Timestamp) -> Plan<OfferStatus> {
    let mut status = offer.status.clone().unwrap_or_default();
    status.observed_generation = offer.metadata.generation;
    status.lint = lint(&offer.spec);
    let said = match sellable(&offer.spec) {
        Ok(vm_size) => {
            let text = format!("can be ordered; {vm_size} carries it");
            status.vm_size = Some(vm_size);
            Statement::yes(ConditionType::Ready, Reason::AsSpecified, text)
        }
        Err(why) => {
            status.vm_size = None;
            Statement::no(ConditionType::Ready, Reason::OfferInvalid, why)
        }
    };
    set(&mut status.conditions, &said, offer.metadata.generation, now);
    Plan::rest(status)
}

/// Whether the offer is Ready as it stands; an offer that changed is looked at before it sells.
pub(crate) fn is_ready(offer: &Offer) -> bool {
    judged(offer).is_some_and(|condition| condition.status == "True")
}

/// `Ready` of the offer as it stands; `None`: it was not looked at yet.
pub(crate) fn judged(offer: &Offer) -> Option<&Condition> {
    let conditions = offer.status.as_ref().map(|s| s.conditions.as_slice());
    find(conditions.unwrap_or_default(), ConditionType::Ready)
        .filter(|condition| condition.observed_generation == offer.metadata.generation)
}

/// The machine that carries the offer, or what makes it unsellable. The schema refuses the rest.
fn sellable(spec: &OfferSpec) -> Result<String, String> {
    let mut modes = spec.modes.iter();
    let (first, second) = (modes.next(), modes.next());
    if first.is_some() && first == second {
        return Err("`spec.modes` names a mode twice; name each mode once".to_owned());
    }
    readiness(spec)?;
    machine(spec, u32::try_from(spec.resources.nvme_gb).unwrap_or(u32::MAX))
}

/// Each line of the definition of ready must be one that is checked in a mode that is sold: nobody could ever say of
/// another that it holds.
fn readiness(spec: &OfferSpec) -> Result<(), String> {
    for line in &spec.readiness {
        let Some(probe) = line.probe else {
            let all: Vec<&str> = Probe::ALL.iter().map(|probe| probe.as_str()).collect();
            return Err(format!(
                "`spec.readiness` '{}' names no `probe`, so nothing could check it; set one of {}",
                line.id,
                all.join(", ")
            ));
        };
        if !spec.modes.contains(&probe.mode()) {
            return Err(format!(
                "`spec.readiness` '{}' is checked by '{}', which is of mode '{}', and that is not in `spec.modes`; take the line away, or add the mode",
                line.id,
                probe.as_str(),
                probe.mode().as_str()
            ));
        }
    }
    Ok(())
}

/// What is odd but sellable.
fn lint(spec: &OfferSpec) -> Vec<String> {
    let price = |model| {
        spec.billing
            .models
            .iter()
            .find(|m| m.model == model)
            .and_then(|m| m.price_minor)
    };
    let mut found = Vec::new();
    if size::is_unknown(spec) {
        found.push("VM_SIZE_UNKNOWN".to_owned());
    }
    if spec.billing.models.iter().any(|m| m.price_minor.is_none()) {
        found.push("NO_LIST_PRICE".to_owned());
    }
    if let (Some(hourly), Some(monthly)) = (price(BillingModel::Hourly), price(BillingModel::Monthly))
        && monthly > hourly.saturating_mul(LONGEST_MONTH_H)
    {
        found.push("MONTHLY_NEVER_CHEAPER".to_owned());
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::controllers::execute::status_write;
    use trustbridge_api::offer::BillingPrice;
    use trustbridge_api::{Mode, ReadinessLine};

    fn offer(monthly: Option<i64>) -> Offer {
        let price = |model, price_minor| BillingPrice {
            model,
            price_minor,
            min_hours: 0,
            min_term_days: 0,
        };
        let mut spec = OfferSpec {
            sku: "S".to_owned(),
            modes: vec![Mode::ProtectedModel],
            ..OfferSpec::default()
        };
        spec.resources.gpus = 1;
        spec.billing.models = vec![
            price(BillingModel::Hourly, Some(175)),
            price(BillingModel::Monthly, monthly),
        ];
        Offer::new("s", spec)
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_000_000).unwrap()
    }

    /// The offer with the status that its own controller gives it.
    pub(crate) fn looked_at(mut offer: Offer) -> Offer {
        offer.status = Some(decide(&offer, now()).status);
        offer
    }

    #[test]
    fn prices_that_never_pay_are_told() {
        assert_eq!(lint(&offer(Some(230_000)).spec), ["MONTHLY_NEVER_CHEAPER"]);
        assert!(lint(&offer(Some(100_000)).spec).is_empty());
        assert_eq!(lint(&offer(None).spec), ["NO_LIST_PRICE"]);
    }

    #[test]
    fn a_contradiction_is_not_ready_and_says_what_to_do() {
        let mut twice = offer(None);
        twice.spec.modes.push(Mode::ProtectedModel);
        let status = decide(&twice, now()).status;
        assert_eq!(
            (
                status.conditions[0].status.as_str(),
                status.conditions[0].reason.as_str()
            ),
            ("False", "OfferInvalid")
        );
        assert!(status.conditions[0].message.contains("`spec.modes`"));
    }

    #[test]
    fn an_offer_that_no_machine_carries_is_not_sold() {
        let mut large = offer(None);
        (large.spec.resources.gpus, large.spec.resources.nvme_gb) = (4, 8000);
        large.metadata.generation = Some(1);
        large.status = Some(decide(&large, now()).status);
        assert!(!is_ready(&large) && judged(&large).unwrap().message.contains("no known machine"));
        large.spec.resources.nvme_gb = 3840;
        large.metadata.generation = Some(2);
        assert!(judged(&large).is_none(), "what was said is about another spec");
        let status = decide(&large, now()).status;
        assert_eq!(status.vm_size.as_deref(), Some("Standard_NC96ads_A100_v4"));
        large.status = Some(status);
        assert!(is_ready(&large));
    }

    #[test]
    fn a_line_that_nothing_can_check_is_not_sold() {
        let line = |probe| ReadinessLine {
            id: "ssh".to_owned(),
            text: "SSH access works with provided keys".to_owned(),
            probe,
        };
        let mut offer = offer(None);
        offer.spec.modes = vec![Mode::ProtectedModel];
        for (probe, words) in [
            (None, "names no `probe`"),
            (Some(Probe::SshAccess), "not in `spec.modes`"),
        ] {
            offer.spec.readiness = vec![line(probe)];
            let status = decide(&offer, now()).status;
            assert!(
                status.conditions[0].message.contains(words),
                "{}",
                status.conditions[0].message
            );
            assert_eq!(status.conditions[0].status, "False");
        }
        offer.spec.modes.push(Mode::ByoWorkspace);
        assert_eq!(decide(&offer, now()).status.conditions[0].status, "True");
    }

    #[test]
    fn the_second_look_writes_nothing() {
        let mut first = offer(None);
        first.status = Some(decide(&first, now()).status);
        let again = decide(&first, now() + jiff::SignedDuration::from_hours(1));
        assert!(status_write(&first, first.status.as_ref(), &again.status).is_none());
    }
}
