//! Incident: what does not work as sold is told to the buyer, by people of the seller or by the operator.
//!
//! ```text
//! TunePod without Ready for longer than `incidents.declareAfterMinutes` --> Incident (create; its name is the lock)
//! Incident: Declared --(`spec.resolution`, or: Ready again, ended, gone)--> Resolved
//! ```
//!
//! Two loops. The first looks at TunePods: one that was Ready and has lost it for too long gets an Incident, whose name
//! follows from the TunePod's UID and the instant of the loss, so that there is one for each loss, whatever crashes.
//! It declares nothing unless the SellerProfile says after how long. The second looks at Incidents: it writes down when
//! each word was seen, until when the next was promised, and when it ended. Ends are written once.
//!
//! What is not Ready is not metered, with or without an Incident: hours follow from intervals alone.
//!
//! Rights: incidents (get list watch create, status patch), tunepods (get list watch), sellerprofiles (get).

mod decide;
mod declare;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute::{self, Plan, Write};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::seller_profile::NAME;
use trustbridge_api::{Incident, SellerProfile, TunePod};
use trustbridge_domain::incident::{Loss, judge};
use trustbridge_domain::names::org_of_namespace;
use trustbridge_domain::phase::IncidentPhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let losses = Controller::<TunePod>::new("Losses", Api::all(ctx.client.clone()), ctx.shared.clone());
    let incidents = Controller::<Incident>::new("Incident", Api::all(ctx.client.clone()), ctx.shared.clone());
    tokio::join!(
        losses.run(watch_over, Arc::clone(&ctx), shutdown.clone()),
        incidents.run(reconcile, ctx, shutdown)
    );
}

/// Declares what a TunePod has lost for too long.
pub(crate) async fn watch_over(tunepod: Arc<TunePod>, ctx: Arc<Context>) -> Result<Action, Error> {
    // What was seen may be old, but a loss that is over by now is seen soon; nothing else is read where there is none.
    if declare::lost_since(&tunepod).is_none() {
        return Ok(Action::await_change());
    }
    let namespace = tunepod.namespace().unwrap_or_default();
    let profile = ctx.writer.get::<SellerProfile>(None, NAME).await?;
    let terms = profile.and_then(|p| p.spec.incidents);
    let found = ctx.writer.get(Some(&namespace), &tunepod.name_any()).await?;
    let (Some(terms), Some(tunepod)) = (terms, found as Option<TunePod>) else {
        return Ok(Action::requeue(execute::RESYNC));
    };
    let (Some(since), Some(org)) = (declare::lost_since(&tunepod), org_of_namespace(&namespace)) else {
        return Ok(Action::await_change());
    };
    let now = ctx.now();
    match judge(
        since.as_millisecond(),
        terms.declare_after_minutes,
        now.as_millisecond(),
    ) {
        Loss::Wait(at) => Ok(Action::requeue(until(at, now))),
        Loss::Declare => {
            let (name, built) = declare::incident(&tunepod, org, since, &terms);
            if ctx
                .writer
                .get::<Incident>(Some(&namespace), &name)
                .await?
                .is_none()
            {
                let plan = Plan::rest(()).with(Write::Create(FieldManager::INCIDENT, built));
                let outcome = execute::act(&ctx, &plan).await?;
                if let Some(words) = outcome.refused {
                    // A namespace that goes takes none; anything else is somebody's to mend, and is tried again.
                    tracing::warn!(tunepod = %tunepod.name_any(), message = words, "the incident was refused");
                    return Ok(Action::requeue(execute::RESYNC));
                }
            }
            Ok(Action::await_change())
        }
    }
}

/// Follows an incident.
pub(crate) async fn reconcile(incident: Arc<Incident>, ctx: Arc<Context>) -> Result<Action, Error> {
    let namespace = incident.namespace().unwrap_or_default();
    let found = ctx.writer.get(Some(&namespace), &incident.name_any()).await?;
    let Some(incident): Option<Incident> = found else {
        return Ok(Action::await_change());
    };
    let mut tunepods = Vec::new();
    if decide::needs_tunepods(&incident) {
        for named in &incident.spec.tune_pods {
            tunepods.extend(ctx.writer.get::<TunePod>(Some(&namespace), &named.name).await?);
        }
    }
    let plan = decide::decide(&incident, &tunepods, ctx.now());
    let old = incident.status.as_ref();
    let is_over = plan.status.phase == IncidentPhase::Resolved;
    let again = execute::settle(&ctx, FieldManager::INCIDENT_STATUS, &incident, old, &plan).await?;
    Ok(if is_over { Action::await_change() } else { again })
}

/// The pause until that time.
fn until(ms: i64, now: Timestamp) -> Duration {
    let left = SignedDuration::from_millis(ms.saturating_sub(now.as_millisecond()));
    Duration::try_from(left).unwrap_or_default()
}
