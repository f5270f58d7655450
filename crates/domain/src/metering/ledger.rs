//! The ledger of all meters: what to send now, what an answer means, and when to stop serving.

use super::account::{Account, Blocked, Event, State};
use super::key::{Day, Hour, Key, Meter};
use super::quantity::Quantity;
use super::report::{Alert, Answer, Balance, Due, GRACE_MS, Now, Suspension};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// See the [module](super).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    #[serde(with = "pairs")]
    accounts: BTreeMap<Meter, Account>,
    /// Number of the last record that was taken in; what it counts is the owner's affair.
    position: u64,
    recorded: Quantity,
    /// The last attempt did not come through.
    failing: bool,
    outage_ms: u64,
    /// The clock's hour of a first `NotAuthorized`, until something is accepted.
    unauthorized: Option<Hour>,
    /// It was refused again in a later hour.
    unauthorized_again: bool,
}

impl Ledger {
    /// The books as they were written down, after a start: whatever was being sent may have been recorded, and what
    /// was refused is tried at once.
    #[must_use]
    pub fn recovered(mut self) -> Self {
        let events = self
            .accounts
            .values_mut()
            .flat_map(|account| account.events.values_mut());
        for event in events {
            match &mut event.state {
                State::Sent => {
                    event.doubt = true;
                    event.state = State::Pending;
                }
                State::Blocked { refused_in, .. } => *refused_in = None,
                State::Pending | State::Expired => {}
            }
        }
        self
    }

    /// Number of the last record that was taken in.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The records are numbered anew from 1.
    pub fn rebase(&mut self) {
        self.position = 0;
    }

    /// Takes in record number `position`. One that was taken in before changes nothing; whether it was new.
    pub fn take_in(&mut self, position: u64, usage: &[(Meter, Quantity)], now: Now) -> bool {
        if position <= self.position {
            return false;
        }
        self.position = position;
        for (meter, quantity) in usage.iter().filter(|(_, quantity)| !quantity.is_zero()) {
            self.recorded += *quantity;
            let account = self.accounts.entry(meter.clone()).or_default();
            account.record(*quantity, now.hour());
        }
        true
    }

    /// Moves on: hours that are over become events, and an outage gets longer.
    pub fn advance(&mut self, now: Now) {
        if self.failing {
            self.outage_ms = self.outage_ms.saturating_add(now.elapsed_ms);
        }
        for account in self.accounts.values_mut() {
            account.advance(now.hour());
        }
    }

    /// What can be sent now, oldest first.
    #[must_use]
    pub fn due(&self, now: Now) -> Vec<Due> {
        let ready = |event: &Event| match event.state {
            State::Pending => true,
            State::Blocked { refused_in, .. } => refused_in != Some(now.hour()),
            State::Sent | State::Expired => false,
        };
        let mut due: Vec<Due> = self
            .accounts
            .iter()
            .flat_map(|(meter, account)| {
                account
                    .events
                    .iter()
                    .map(move |(hour, event)| (meter, *hour, event))
            })
            .filter(|(_, _, event)| ready(event))
            .map(|(meter, hour, event)| Due {
                key: Key {
                    meter: meter.clone(),
                    hour,
                },
                quantity: event.quantity,
            })
            .collect();
        due.sort_by(|a, b| (a.key.hour, &a.key.meter).cmp(&(b.key.hour, &b.key.meter)));
        due
    }

    /// Notes that these are being sent. It must be durable before the first byte goes out.
    pub fn sending<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>) {
        for key in keys {
            let account = self.accounts.get_mut(&key.meter);
            if let Some(event) = account.and_then(|account| account.events.get_mut(&key.hour)) {
                event.state = State::Sent;
            }
        }
    }

    /// Says what an answer means. An answer for an event that is not under way changes nothing.
    pub fn settle(&mut self, key: &Key, answer: Answer, now: Now) -> Vec<Alert> {
        let Some(account) = self.accounts.get_mut(&key.meter) else {
            return Vec::new();
        };
        let Some(mut event) = account.events.remove(&key.hour) else {
            return Vec::new();
        };
        let reached = !matches!(answer, Answer::NotReached { .. });
        let mut alerts = Vec::new();
        match answer {
            Answer::Accepted(recorded) | Answer::Duplicate(recorded) => {
                let ours = event.quantity;
                account.accept(key.hour, &event, recorded.unwrap_or(ours));
                let told = recorded.is_some() || matches!(answer, Answer::Accepted(_));
                if !told || recorded.is_some_and(|accepted| accepted != ours) {
                    alerts.push(conflict(key, ours, recorded));
                }
                self.unauthorized = None;
                self.unauthorized_again = false;
            }
            Answer::Expired => alerts.extend(expire(account, key, event, now.hour())),
            Answer::Refused(cause) => {
                let refused_in = Some(now.hour());
                event.state = State::Blocked { cause, refused_in };
                account.events.insert(key.hour, event);
                match cause {
                    Blocked::Config => alerts.push(Alert::Config(key.clone())),
                    Blocked::NotAuthorized => self.refuse_authority(now.hour()),
                    Blocked::NotActive | Blocked::NotFound | Blocked::NotSubscribed => {}
                }
            }
            Answer::NotReached { perhaps_recorded } => {
                event.doubt |= perhaps_recorded;
                event.state = State::Pending;
                account.events.insert(key.hour, event);
            }
        }
        self.failing = !reached;
        if reached {
            self.outage_ms = 0;
        }
        alerts
    }

    /// A right that was just granted takes minutes to spread; one that is missing for two hours is missing.
    fn refuse_authority(&mut self, now: Hour) {
        match self.unauthorized {
            None => self.unauthorized = Some(now),
            Some(first) => self.unauthorized_again |= first != now,
        }
    }

    /// Days about which only the service's own books can tell what was recorded.
    #[must_use]
    pub fn disputed(&self) -> Vec<(Meter, Day)> {
        self.accounts
            .iter()
            .flat_map(|(meter, account)| account.disputed().into_iter().map(|day| (meter.clone(), day)))
            .collect()
    }

    /// Ends a dispute: the service has `submitted` for this meter and day, in all.
    pub fn reconcile(&mut self, meter: &Meter, day: Day, submitted: Quantity) -> Vec<Alert> {
        let Some(account) = self.accounts.get_mut(meter) else {
            return Vec::new();
        };
        let (_, lost, fits) = account.reconcile(day, submitted);
        let mut alerts = Vec::new();
        if lost.is_positive() {
            alerts.push(Alert::Lost {
                meter: meter.clone(),
                quantity: lost,
            });
        }
        if !fits {
            alerts.push(Alert::Mismatch {
                meter: meter.clone(),
                day,
            });
        }
        alerts
    }

    /// Whether serving must end, and why. It may go on once this is `None` again after a new start.
    #[must_use]
    pub fn suspension(&self) -> Option<Suspension> {
        let events = self.accounts.values().flat_map(|account| account.events.values());
        let refused = events.filter_map(|event| match event.state {
            State::Blocked { cause, .. } => Some(cause),
            _ => None,
        });
        let terminal = |cause: &Blocked| match cause {
            Blocked::NotActive | Blocked::NotFound | Blocked::NotSubscribed => true,
            Blocked::NotAuthorized => self.unauthorized_again,
            Blocked::Config => false,
        };
        let cause = refused.into_iter().find(terminal).map(Suspension::Refused);
        cause.or_else(|| (self.outage_ms >= GRACE_MS).then_some(Suspension::Outage))
    }

    /// How long the service has been out of reach, in milliseconds of running time; 0 while it answers.
    #[must_use]
    pub fn outage_ms(&self) -> u64 {
        self.outage_ms
    }

    /// The sums.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut sums = Balance {
            recorded: self.recorded,
            ..Balance::default()
        };
        for account in self.accounts.values() {
            sums.open += account.open;
            sums.accepted += account.accepted;
            sums.lost += account.lost;
            sums.under_way += account.events.values().map(|event| event.quantity).sum();
        }
        sums
    }

    /// Events without a final answer, in their states.
    pub fn under_way(&self) -> impl Iterator<Item = State> + '_ {
        let accounts = self.accounts.values();
        accounts.flat_map(|account| account.events.values().map(|event| event.state))
    }
}

fn conflict(key: &Key, ours: Quantity, accepted: Option<Quantity>) -> Alert {
    Alert::Conflict {
        key: key.clone(),
        ours,
        accepted,
    }
}

fn expire(account: &mut Account, key: &Key, mut event: Event, now: Hour) -> Option<Alert> {
    if event.doubt {
        event.state = State::Expired;
        account.events.insert(key.hour, event);
        return None;
    }
    if Account::is_young(key.hour, now) {
        account.open += event.quantity;
        return Some(Alert::Clock(key.clone()));
    }
    account.lose(key.hour, event.quantity);
    Some(Alert::Lost {
        meter: key.meter.clone(),
        quantity: event.quantity,
    })
}

/// JSON has no maps with structured keys: a list of pairs, in order.
mod pairs {
    use super::{Account, Meter};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Meter, Account>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Meter, Account>, D::Error> {
        Ok(Vec::<(Meter, Account)>::deserialize(from)?.into_iter().collect())
    }
}
