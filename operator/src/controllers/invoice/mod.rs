//! Invoice: what an order owes for a period, written down once with everything that it follows from, and what becomes
//! of it.
//!
//! ```text
//! Order --(period over, usage read; or the order ended)--> Invoice: Draft --(no doubt, or settled)--> Issued
//! Issued --(`spec.payments`, credit notes, the due day)--> PartiallyPaid | Overdue | Paid | Credited
//! `spec.credits` --(intent in `status.creditNotes`)--> credit note: Draft --> Issued --(its digest)--> it counts
//! ```
//!
//! Two loops. The first looks at orders and writes invoices down: the name follows from order, schedule and period, so
//! that the create is the lock, and `spec.basis` is frozen in that one write. The second looks at invoices and bills
//! them from their basis alone: lines, digest and signature come with the phase, in one write. A crash anywhere leaves
//! either nothing, or a draft that the next look bills to the same lines. An issued invoice is followed by the same
//! loop: its balance and phase are a function of spec, bill and day, see `settlement.rs`.
//!
//! | Doubt | What follows |
//! |---|---|
//! | a usage record of the period is not complete, or usage is not read yet | Draft, `BillingHold`, until `spec.resolution` |
//! | a TunePod is gone with its intervals, or an interval is open where none may be | the same |
//! | the terms cannot be rated | Draft, `InvoiceUnratable`; nothing is billed |
//!
//! Rights: invoices (get list watch create, status patch), orders (get list watch), tunepods (get), usagerecords (list),
//! sellerprofiles and the seller's Secret, see [`crate::seller`].

mod basis;
mod decide;
mod due;
mod settlement;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute::{self, Plan, Write};
use crate::controllers::order::ledger;
use crate::seller;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::collections::BTreeSet;
use std::sync::Arc;
use trustbridge_api::{Invoice, InvoiceType, Order, SellerProfile, TunePod, UsageRecord};
use trustbridge_domain::names::org_of_namespace;
use trustbridge_domain::phase::InvoicePhase;
use trustbridge_kit::apply::{FieldManager, Writer};
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// What is known of an order that is billed.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) order: Order,
    pub(crate) org: String,
    /// Those of its TunePods that exist.
    pub(crate) tunepods: Vec<TunePod>,
    /// Names of the invoices that are written down.
    pub(crate) invoices: BTreeSet<String>,
    /// Its usage records.
    pub(crate) records: Vec<UsageRecord>,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let orders = Controller::<Order>::new("Billing", Api::all(ctx.client.clone()), ctx.shared.clone());
    let profiles: Api<PartialObjectMeta<SellerProfile>> = Api::all(ctx.client.clone());
    let invoices = Controller::<Invoice>::new("Invoice", Api::all(ctx.client.clone()), ctx.shared.clone())
        .watches(
            profiles,
            watcher::Config::default(),
            "Invoice/SellerProfile",
            |invoices, _| {
                // A key that was missing is there.
                let is_draft = |i: &Invoice| {
                    let phase = i.status.as_ref().map(|s| s.phase).unwrap_or_default();
                    phase == InvoicePhase::Draft
                };
                let all = invoices.state();
                let drafts = all.iter().filter(|i| i.0.as_ref().is_ok_and(is_draft));
                drafts.map(|i| ObjectRef::from_obj(&**i)).collect()
            },
        );
    tokio::join!(
        orders.run(write_down, Arc::clone(&ctx), shutdown.clone()),
        invoices.run(bill, ctx, shutdown)
    );
}

/// Writes down the invoices of an order that are due.
pub(crate) async fn write_down(order: Arc<Order>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(mut account) = account(&ctx.writer, &order).await? else {
        return Ok(Action::await_change());
    };
    let now = ctx.now();
    let due = due::periods(&account, now);
    if !due.is_empty() {
        see_invoices(&ctx, &mut account).await?;
    }
    let missing = due::missing(&account, due);
    if missing.is_empty() {
        return Ok(due::again(&account));
    }
    see_records(&ctx, &mut account).await?;
    account.tunepods = ledger::with_folded(account.tunepods, &account.records);
    let writes = missing
        .into_iter()
        .map(|(schedule, period)| {
            let basis = basis::basis(&account, schedule, period, now);
            Write::Create(FieldManager::INVOICE, basis::invoice(&account, basis))
        })
        .collect();
    let plan = Plan {
        writes,
        ..Plan::rest(())
    };
    let outcome = execute::act(&ctx, &plan).await?;
    if let Some(words) = outcome.refused {
        // A namespace that goes takes no invoice; anything else is somebody's to mend, and is asked again.
        tracing::warn!(order = %order.name_any(), message = words, "the invoice was refused");
    }
    Ok(Action::requeue(execute::RESYNC))
}

/// The order and its TunePods as they are now; `None` where nothing is sold.
///
/// The order is read once more after its TunePods: one that went in between left its intervals there before it went.
async fn account(writer: &Writer, order: &Order) -> Result<Option<Account>, Error> {
    let namespace = order.namespace().unwrap_or_default();
    let Some(org) = org_of_namespace(&namespace).map(str::to_owned) else {
        return Ok(None);
    };
    let name = order.name_any();
    let mut names: Vec<String> = Vec::new();
    // No name of an instance ever goes from an order, and it has few: this ends.
    let (order, status, tunepods) = loop {
        let mut tunepods = Vec::new();
        for name in &names {
            tunepods.extend(writer.get::<TunePod>(Some(&namespace), name).await?);
        }
        let Some(order) = writer.get::<Order>(Some(&namespace), &name).await? else {
            return Ok(None);
        };
        let Some(status) = order.status.clone().filter(|s| s.pricing_snapshot.is_some()) else {
            return Ok(None);
        };
        let listed: Vec<String> = status.instances.iter().map(|i| i.name.clone()).collect();
        if listed == names {
            break (order, status, tunepods);
        }
        names = listed;
    };
    // What TunePods metered that were deleted since is with the order.
    let tunepods = ledger::with_earlier(&status, &tunepods);
    Ok(Some(Account {
        order,
        org,
        tunepods,
        invoices: BTreeSet::new(),
        records: Vec::new(),
    }))
}

async fn see_invoices(ctx: &Context, account: &mut Account) -> Result<(), Error> {
    let (namespace, selector) = of_order(account);
    let all: Vec<PartialObjectMeta<Invoice>> = ctx.writer.list(&namespace, &selector).await?;
    account.invoices = all.iter().map(ResourceExt::name_any).collect();
    Ok(())
}

async fn see_records(ctx: &Context, account: &mut Account) -> Result<(), Error> {
    let (namespace, selector) = of_order(account);
    account.records = ctx.writer.list(&namespace, &selector).await?;
    Ok(())
}

fn of_order(account: &Account) -> (String, String) {
    let namespace = account.order.namespace().unwrap_or_default();
    let selector = format!("spec.orderRef.name={}", account.order.name_any());
    (namespace, selector)
}

/// Whether invoices of an order that ends are still to be written down. `tunepods` are those that exist.
pub(crate) async fn owes_invoices(ctx: &Context, order: &Order, tunepods: &[TunePod]) -> Result<bool, Error> {
    let namespace = order.namespace().unwrap_or_default();
    let mut account = Account {
        org: org_of_namespace(&namespace).unwrap_or_default().to_owned(),
        order: order.clone(),
        tunepods: order.status.as_ref().map_or_else(
            || tunepods.to_vec(),
            |status| ledger::with_earlier(status, tunepods),
        ),
        invoices: BTreeSet::new(),
        records: Vec::new(),
    };
    if due::periods(&account, ctx.now()).is_empty() {
        return Ok(!due::is_billed_to_the_end(&account, &[]));
    }
    see_invoices(ctx, &mut account).await?;
    let due = due::periods(&account, ctx.now());
    let missing = due::missing(&account, due);
    Ok(!due::is_billed_to_the_end(&account, &missing))
}

/// Bills an invoice or a credit note that is written down, and follows an invoice that is issued.
pub(crate) async fn bill(invoice: Arc<Invoice>, ctx: Arc<Context>) -> Result<Action, Error> {
    let namespace = invoice.namespace();
    let Some(invoice) = ctx
        .writer
        .get::<Invoice>(namespace.as_deref(), &invoice.name_any())
        .await?
    else {
        return Ok(Action::await_change());
    };
    let plan = if decide::is_open(&invoice) {
        let seller = seller::observe(&ctx).await?;
        let signer = seller.as_ref().map(|s| &s.signer).map_err(String::as_str);
        decide::decide(&invoice, signer, ctx.now())
    } else if invoice.spec.of == InvoiceType::Invoice {
        let mut notes = Vec::new();
        for name in settlement::awaited(&invoice) {
            notes.extend(ctx.writer.get::<Invoice>(namespace.as_deref(), name).await?);
        }
        settlement::decide(&invoice, &notes, ctx.now())
    } else {
        return Ok(Action::await_change());
    };
    let outcome = execute::act(&ctx, &plan).await?;
    if let Some(words) = outcome.refused {
        // It is intended and tried again; anything but a namespace that goes is somebody's to mend.
        tracing::warn!(invoice = %invoice.name_any(), message = words, "the credit note was refused");
    }
    let old = invoice.status.as_ref();
    let again = execute::settle(&ctx, FieldManager::INVOICE_STATUS, &invoice, old, &plan).await?;
    if settlement::is_over(&invoice, &plan.status) {
        return Ok(Action::await_change());
    }
    Ok(again)
}
