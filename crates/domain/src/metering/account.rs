//! The books of one meter: what is counted, what is under way, what was accepted, what is lost.

use super::key::{Day, Hour};
use super::quantity::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An hour is left behind when it is more than so many hours back: the service's limit is 24, and the event is yet
/// to be sent.
const OLDEST_HOURS: i64 = 23;
/// So long the sums of a day are kept, for a dispute about it.
const DAYS_KEPT: i64 = 40;

/// Why an event is not sent again before the next hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blocked {
    /// The resource is suspended, or was never activated.
    NotActive,
    /// The service does not know the resource.
    NotFound,
    /// The identity may not report for this resource.
    NotAuthorized,
    /// The subscription is not in the state Subscribed.
    NotSubscribed,
    /// Dimension, quantity or another argument is wrong: a fault of the settings, or of the clock.
    Config,
}

/// Where a usage event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// To be sent.
    Pending,
    /// Written down as being sent; there is no answer yet.
    Sent,
    /// Refused; sent again when the clock shows another hour than this one (`None`: at once).
    Blocked {
        /// Why.
        cause: Blocked,
        /// The hour of the clock in which it was refused.
        refused_in: Option<Hour>,
    },
    /// The service says that it is too old, and it may have been recorded before: in dispute.
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) quantity: Quantity,
    pub(super) state: State,
    /// It was sent before, and nobody knows whether it arrived.
    pub(super) doubt: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    /// Counted and without an hour. Negative: more was accepted than was counted.
    pub(super) open: Quantity,
    /// The clock's hour when counting began.
    since: Option<Hour>,
    /// The latest hour under which something was recorded, or lost.
    used: Option<Hour>,
    pub(super) events: BTreeMap<Hour, Event>,
    pub(super) accepted: Quantity,
    pub(super) lost: Quantity,
    /// What the service has, by day.
    settled: BTreeMap<Day, Quantity>,
}

impl Account {
    pub(super) fn record(&mut self, quantity: Quantity, now: Hour) {
        self.open += quantity;
        self.since.get_or_insert(now);
    }

    /// Frees events whose hour cannot be right, then gives what is open an hour, if that hour is over.
    pub(super) fn advance(&mut self, now: Hour) {
        let wrong = |hour: &Hour, event: &mut Event| {
            let config = Blocked::Config;
            matches!(event.state, State::Blocked { cause, .. } if cause == config) && *hour > now
        };
        for (_, event) in self.events.extract_if(.., wrong) {
            self.open += event.quantity;
        }
        if !self.open.is_positive() {
            return;
        }
        let hour = self.hour_of_open(now);
        if hour < now {
            let event = Event {
                quantity: self.open,
                state: State::Pending,
                doubt: false,
            };
            self.events.insert(hour, event);
            self.open = Quantity::ZERO;
            self.since = None;
        } else {
            self.since = Some(hour);
        }
    }

    fn hour_of_open(&self, now: Hour) -> Hour {
        let began = self.since.unwrap_or(now);
        let age = now.since(began);
        let hour = if (0..=OLDEST_HOURS).contains(&age) {
            began
        } else {
            now
        };
        let under_way = self.events.last_key_value().map(|(hour, _)| *hour);
        match self.used.max(under_way) {
            Some(used) => hour.max(used.next()),
            None => hour,
        }
    }

    /// The service has the event, with this quantity.
    pub(super) fn accept(&mut self, hour: Hour, event: &Event, recorded: Quantity) {
        self.accepted += recorded;
        self.open += event.quantity - recorded;
        self.used = self.used.max(Some(hour));
        *self.settled.entry(hour.day()).or_default() += recorded;
        let oldest = hour.day().before(DAYS_KEPT);
        let disputed: Vec<Day> = self.events.keys().map(|hour| hour.day()).collect();
        self.settled
            .retain(|day, _| *day >= oldest || disputed.contains(day));
    }

    /// The event is too old, and was never recorded.
    pub(super) fn lose(&mut self, hour: Hour, quantity: Quantity) {
        self.lost += quantity;
        self.used = self.used.max(Some(hour));
    }

    /// The event was refused because of its hour: by our clock it is young enough.
    pub(super) fn is_young(hour: Hour, now: Hour) -> bool {
        now.since(hour) < OLDEST_HOURS
    }

    /// Days whose events are all in dispute: what the service has for them will not change any more.
    pub(super) fn disputed(&self) -> Vec<Day> {
        let mut days: BTreeMap<Day, bool> = BTreeMap::new();
        for (hour, event) in &self.events {
            *days.entry(hour.day()).or_insert(true) &= event.state == State::Expired;
        }
        let only = |(day, all): (Day, bool)| all.then_some(day);
        days.into_iter().filter_map(only).collect()
    }

    /// Ends the dispute about a day: the service has `submitted` for it. Gives what was found to be recorded, what
    /// is lost, and whether the sums fit together.
    pub(super) fn reconcile(&mut self, day: Day, submitted: Quantity) -> (Quantity, Quantity, bool) {
        let in_dispute = |hour: &Hour, event: &mut Event| hour.day() == day && event.state == State::Expired;
        let events: Vec<_> = self.events.extract_if(.., in_dispute).collect();
        let total: Quantity = events.iter().map(|(_, event)| event.quantity).sum();
        let known = self.settled.get(&day).copied().unwrap_or_default();
        let extra = submitted - known;
        let recorded = extra.clamp(Quantity::ZERO, total);
        self.accepted += recorded;
        *self.settled.entry(day).or_default() += recorded;
        if let Some((hour, _)) = events.last() {
            self.lose(*hour, total - recorded);
        }
        (recorded, total - recorded, extra == recorded)
    }
}
