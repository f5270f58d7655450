//! Everything that an invoice follows from, out of an order, its TunePods and its usage records. Pure.

use super::Account;
use crate::controllers::order::changes;
use crate::controllers::order::ledger::{self, intervals};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use trustbridge_api::condition::ConditionType;
use trustbridge_api::order::PricingSnapshot;
use trustbridge_api::seller_profile::Invoicing;
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_api::{Invoice, InvoiceSpec, InvoiceType, NameRef, TunePod, UsageRecord, labels};
use trustbridge_domain::calendar::{Period, midnight_ms, parse_date};
use trustbridge_domain::canonical::digest;
use trustbridge_domain::change::Applied;
use trustbridge_domain::intervals::{Interval, IntervalKind};
use trustbridge_domain::invoice::{BASE, Basis, BilledInstance, CountedDay, cut};
use trustbridge_domain::names::MAX_LABEL;
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::rating::terms::TermLine;
use trustbridge_domain::rating::{Doubt, Schedule};
use trustbridge_kit::apply::Built;
use trustbridge_kit::conditions::find;

/// Doubts that a basis holds at most; the last says how many there are besides.
const MAX_DOUBTS: usize = 64;

/// The frozen terms of an order, as far as invoices follow from them.
pub(super) struct Sold {
    pub(super) digest: String,
    pub(super) currency: String,
    pub(super) invoicing: Invoicing,
    /// What was accepted at first.
    snapshot: PricingSnapshot,
    /// The changes that were applied since.
    changes: Vec<Applied>,
}

impl Sold {
    /// The lines of a period that ends at `until_ms`. What was changed later is not in them, so that they are the same
    /// whenever they are written down.
    fn terms(&self, from_ms: i64, until_ms: i64) -> Result<Vec<TermLine>, Doubt> {
        let before = self.changes.iter().filter(|change| change.at_ms < until_ms);
        let before: Vec<Applied> = before.cloned().collect();
        changes::sold(&self.snapshot).terms(from_ms, &before)
    }

    /// Since when something is billed by `model`, given the first readiness of the order; `None`: nothing is.
    pub(super) fn since(&self, model: BillingModel, first_ms: i64) -> Option<i64> {
        if self.snapshot.lines.iter().any(|line| line.model == model) {
            return Some(first_ms);
        }
        let adds = |change: &&Applied| change.swap.adds.iter().any(|added| added.line.model == model);
        let of_it = self.changes.iter().filter(adds);
        of_it.map(|change| change.at_ms.max(first_ms)).min()
    }
}

/// What was sold; `None`: nothing yet. Orders of versions that froze less are billed as the defaults say.
pub(super) fn terms_of(account: &Account) -> Option<Sold> {
    let status = account.order.status.as_ref()?;
    let snapshot = status.pricing_snapshot.clone()?;
    let frozen = snapshot.terms.as_ref();
    Some(Sold {
        invoicing: frozen.map_or_else(Invoicing::default, |t| t.invoicing),
        digest: snapshot.digest.clone(),
        currency: snapshot.currency.clone(),
        changes: changes::applied(status),
        snapshot,
    })
}

/// When the order was first of use.
pub(super) fn first_ready_ms(account: &Account) -> Option<i64> {
    let folded = account.tunepods.iter().filter_map(ledger::folded);
    let first = account.tunepods.iter().filter_map(|t| intervals(t).first());
    let all = folded.map(|f| &f.from).chain(first.map(|i| &i.from));
    all.map(ms).min()
}

/// When the order ended for good: the end was asked for, and every TunePod is wiped and read to its end. `None`: not
/// yet.
pub(super) fn ended_ms(account: &Account) -> Option<i64> {
    let status = account.order.status.as_ref()?;
    let is_ending = matches!(status.phase, OrderPhase::Terminating | OrderPhase::Terminated);
    let is_wiped = |t: &TunePod| t.status.as_ref().is_some_and(|s| s.phase == TunePodPhase::Wiped);
    let is_read = |t: &TunePod| {
        let usage = t.status.as_ref().and_then(|s| s.usage.as_ref());
        usage.is_none_or(|usage| usage.closed)
    };
    if !is_ending || !account.tunepods.iter().all(|t| is_wiped(t) && is_read(t)) {
        return None;
    }
    let ends = account
        .tunepods
        .iter()
        .flat_map(|t| intervals(t).iter().filter_map(|i| i.to.as_ref()));
    ends.map(ms).chain(asked_ms(account)).max()
}

/// When the end was asked for; the order never ends before that.
pub(super) fn asked_ms(account: &Account) -> Option<i64> {
    let steps = account.order.status.as_ref().map(|s| &s.termination_steps);
    steps
        .and_then(|steps| steps.first())
        .map(|step| ms(&step.started_at))
}

/// The basis of one invoice.
pub(super) fn basis(account: &Account, schedule: Schedule, period: Period, now: Timestamp) -> Basis {
    let sold = terms_of(account);
    let invoicing = sold.as_ref().map_or_else(Invoicing::default, |s| s.invoicing);
    let ended = ended_ms(account).filter(|end| *end <= period.to_ms);
    let mut doubts = Vec::new();
    let rated = sold.as_ref().map(|s| {
        let from = first_ready_ms(account).unwrap_or(period.from_ms);
        s.terms(from, period.to_ms)
    });
    let lines = match rated {
        Some(Ok(lines)) => lines,
        Some(Err(doubt)) => {
            doubts.push(doubt.to_string());
            Vec::new()
        }
        None => Vec::new(),
    };
    doubts.extend(vanished(account));
    doubts.extend(account.tunepods.iter().filter_map(lost));
    doubts.extend(account.tunepods.iter().filter_map(|t| contradiction(t, ended)));
    let mut records = Vec::new();
    if matches!(schedule, Schedule::Metered(_)) {
        records = counted(account, period);
        doubts.extend(incomplete(account, period));
        doubts.extend(account.tunepods.iter().filter_map(|t| unread(t, period, now)));
    }
    Basis {
        org: account.org.clone(),
        order: account.order.name_any(),
        order_uid: account.order.uid().unwrap_or_default(),
        quote_digest: sold.as_ref().map(|s| s.digest.clone()).unwrap_or_default(),
        currency: sold.map(|s| s.currency).unwrap_or_default(),
        schedule: schedule.word().to_owned(),
        period,
        ended_ms: ended,
        policy: invoicing.policy,
        lines,
        instances: account
            .tunepods
            .iter()
            .map(|t| instance(account, t, period, ended))
            .collect(),
        records,
        doubts: folded(doubts),
    }
}

/// The invoice of that basis. Nobody owns it: it stays when the order goes.
pub(super) fn invoice(account: &Account, basis: Basis) -> Built {
    let order = account.order.name_any();
    let name = basis.name();
    let spec = InvoiceSpec {
        order_ref: NameRef::new(&order),
        of: InvoiceType::Invoice,
        basis: Some(basis),
        credit: None,
        resolution: None,
        payments: Vec::new(),
        reversals: Vec::new(),
        credits: Vec::new(),
    };
    let mut invoice = Invoice::new(&name, spec);
    invoice.metadata.namespace = account.order.namespace();
    invoice.metadata.labels = Some(labelled(&account.org, &order));
    Built::of(&invoice)
}

/// Labels of an invoice or a credit note of that order.
pub(super) fn labelled(org: &str, order: &str) -> BTreeMap<String, String> {
    let pairs = [
        (labels::MANAGED_BY, labels::OPERATOR),
        (labels::ORG, org),
        (labels::ORDER, order),
    ];
    let fits = pairs.into_iter().filter(|(_, value)| value.len() <= MAX_LABEL);
    fits.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn instance(account: &Account, tunepod: &TunePod, period: Period, ended: Option<i64>) -> BilledInstance {
    // What it had when the interval began, by what is frozen: the same whenever it is written down.
    let disk = |i: &MeteredInterval| {
        let status = account.order.status.as_ref();
        let frozen = status.and_then(|status| changes::disk_at(status, ms(&i.from)));
        frozen.unwrap_or(tunepod.spec.nvme_gb)
    };
    let all: Vec<Interval> = intervals(tunepod).iter().map(|i| metered(i, disk(i))).collect();
    BilledInstance {
        name: tunepod.name_any(),
        uid: tunepod.uid().unwrap_or_default(),
        ended_ms: ended,
        intervals: cut(&all, period.to_ms),
    }
}

/// An interval of the status as rating takes it: the operator meters nothing but service, under the bundle's line.
fn metered(interval: &MeteredInterval, nvme_gb: i64) -> Interval {
    Interval {
        seq: u32::try_from(interval.seq).unwrap_or(u32::MAX),
        from_ms: ms(&interval.from),
        to_ms: interval.to.as_ref().map(ms),
        kind: IntervalKind::Serving,
        gpus: u32::try_from(interval.gpus).unwrap_or_default(),
        nvme_gb: u32::try_from(nvme_gb).unwrap_or_default(),
        rate_key: BASE.to_owned(),
        opened_by: interval.opened_by.clone(),
        closed_by: interval.closed_by.clone(),
        evidence: None,
    }
}

fn of_period(record: &UsageRecord, period: Period) -> bool {
    let day = parse_date("spec.day", &record.spec.day).ok();
    day.and_then(midnight_ms).is_some_and(|at| period.contains(at))
}

fn counted(account: &Account, period: Period) -> Vec<CountedDay> {
    let mut all: Vec<CountedDay> = account
        .records
        .iter()
        .filter(|record| of_period(record, period))
        .map(counted_day)
        .collect();
    all.sort_by(|a, b| (&a.instance, &a.day, &a.record).cmp(&(&b.instance, &b.day, &b.record)));
    all
}

fn counted_day(record: &UsageRecord) -> CountedDay {
    let mut status = record.status.clone().unwrap_or_default();
    // They are in the basis themselves, and come to the record at some later time.
    status.intervals.clear();
    let document = serde_json::json!({"spec": record.spec, "status": status});
    let total = serde_json::to_value(status.total).and_then(serde_json::from_value);
    CountedDay {
        record: record.name_any(),
        instance: record.spec.tune_pod_ref.name.clone(),
        day: record.spec.day.clone(),
        // Whole numbers and texts always have a canonical form.
        digest: digest(&document).unwrap_or_default(),
        complete: status.complete,
        total: total.unwrap_or_default(),
    }
}

fn incomplete(account: &Account, period: Period) -> Vec<String> {
    let in_it = account.records.iter().filter(|r| of_period(r, period));
    let lost = in_it.filter(|r| r.status.as_ref().is_some_and(|s| !s.complete));
    lost.map(|record| {
        let losses = record.status.iter().flat_map(|s| &s.losses);
        let reasons: BTreeSet<&str> = losses.map(|loss| loss.reason.as_str()).collect();
        let reasons: Vec<&str> = reasons.into_iter().collect();
        format!(
            "UsageRecord {} of {} is not complete ({}); what it holds is a lower bound",
            record.name_any(),
            record.spec.day,
            reasons.join(", ")
        )
    })
    .collect()
}

/// TunePods that the order had and that are gone with what they metered.
fn vanished(account: &Account) -> Vec<String> {
    let kept = account.order.status.iter().flat_map(ledger::kept_uids).cloned();
    let known: BTreeSet<String> = account
        .tunepods
        .iter()
        .filter_map(ResourceExt::uid)
        .chain(kept)
        .collect();
    let named: BTreeSet<String> = account.tunepods.iter().map(ResourceExt::name_any).collect();
    let instances = account.order.status.iter().flat_map(|s| &s.instances);
    let gone = instances.filter(|i| !named.contains(&i.name)).map(|i| {
        format!(
            "TunePod {} is gone, and its intervals with it; bill its hours by hand",
            i.name
        )
    });
    let foreign: BTreeSet<(&str, &str)> = account
        .records
        .iter()
        .filter(|r| !known.contains(&r.spec.tune_pod_uid))
        .map(|r| (r.spec.tune_pod_ref.name.as_str(), r.spec.tune_pod_uid.as_str()))
        .collect();
    let earlier = foreign.into_iter().map(|(name, uid)| {
        format!("usage of a TunePod {name} (UID {uid}) is recorded that is gone with its intervals; bill its hours by hand")
    });
    gone.chain(earlier).collect()
}

/// Intervals that were folded into UsageRecords and are not there.
fn lost(tunepod: &TunePod) -> Option<String> {
    let folded = ledger::folded(tunepod)?;
    let there = intervals(tunepod).iter().filter(|i| i.seq < folded.count).count();
    (i64::try_from(there) != Ok(folded.count)).then(|| {
        format!(
            "{} metered intervals of TunePod {} lie in UsageRecords, and {there} of them are found; look for the missing records",
            folded.count,
            tunepod.name_any()
        )
    })
}

/// An interval that is open where none may be.
fn contradiction(tunepod: &TunePod, ended: Option<i64>) -> Option<String> {
    let is_open = intervals(tunepod).iter().any(|i| i.to.is_none());
    let phase = tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default();
    let may = ended.is_none() && phase == TunePodPhase::Ready;
    (is_open && !may).then(|| {
        format!(
            "TunePod {} is {phase}, and an interval of it is open; look at its events",
            tunepod.name_any()
        )
    })
}

/// Whether usage of the period may still lie in the pod: nothing was heard of it since the period's end.
fn unread(tunepod: &TunePod, period: Period, now: Timestamp) -> Option<String> {
    let status = tunepod.status.as_ref()?;
    let usage = status.usage.as_ref().filter(|usage| !usage.closed)?;
    let refused = find(&status.conditions, ConditionType::UsageRecorded)
        .filter(|c| c.status == "False")
        .map(|c| (&c.last_transition_time, c.message.as_str()));
    let silent = usage
        .unanswered_since
        .as_ref()
        .map(|since| (since, "the sentinel does not answer"));
    let (since, why) = refused.or(silent)?;
    let is_of_it = ms(since) < period.to_ms && since.0 < now;
    is_of_it.then(|| {
        format!(
            "usage of TunePod {} is not read since {}: {why}",
            tunepod.name_any(),
            since.0
        )
    })
}

fn folded(mut doubts: Vec<String>) -> Vec<String> {
    if doubts.len() > MAX_DOUBTS {
        let more = doubts.len() - MAX_DOUBTS + 1;
        doubts.truncate(MAX_DOUBTS - 1);
        doubts.push(format!("and {more} more"));
    }
    doubts
}

fn ms(time: &Time) -> i64 {
    time.0.as_millisecond()
}
