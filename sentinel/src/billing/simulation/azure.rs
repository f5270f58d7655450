//! The metering service with the real one's rules, behind a network that loses things.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use trustbridge_azure::metering::{
    Answered, Outcome, Submission, Submitted, Trouble, UsageEvent, read_batch, read_single,
};
use trustbridge_domain::metering::Quantity;

use super::HOUR_MS;
use super::dice::Dice;
use super::disk::Chaos;
use crate::billing::service::Service;

/// Of a hundred requests so many go wrong.
const CHANCE: u64 = 35;
const DAY_MS: i64 = 24 * HOUR_MS;

struct Reality {
    dice: Dice,
    time_ms: i64,
    dated: bool,
    calm: bool,
    outages: Vec<(i64, i64)>,
    accepted: BTreeMap<(String, i64), Quantity>,
    conflicts: u64,
    faults: BTreeMap<&'static str, u64>,
}

#[derive(Clone)]
pub(super) struct Azure {
    reality: Arc<Mutex<Reality>>,
    chaos: Arc<Mutex<Chaos>>,
}

impl Azure {
    pub(super) fn new(seed: u64, dated: bool, chaos: Arc<Mutex<Chaos>>, start_ms: i64) -> Self {
        let mut dice = Dice(seed ^ 0xa2);
        let mut outages = Vec::new();
        // Six outages, of up to twenty hours.
        for number in 0..6 {
            let from = start_ms + (5 * number + 1) * DAY_MS + i64::try_from(dice.roll(24)).unwrap() * HOUR_MS;
            outages.push((from, from + i64::try_from(dice.roll(20) + 1).unwrap() * HOUR_MS));
        }
        let reality = Reality {
            dice,
            time_ms: start_ms,
            dated,
            calm: false,
            outages,
            accepted: BTreeMap::new(),
            conflicts: 0,
            faults: BTreeMap::new(),
        };
        Self {
            reality: Arc::new(Mutex::new(reality)),
            chaos,
        }
    }

    pub(super) fn long_outage(&self) {
        let mut reality = self.reality.lock().unwrap();
        let from = reality.time_ms + 12 * DAY_MS;
        reality.outages.push((from, from + 3 * DAY_MS));
    }

    pub(super) fn set_time(&self, time_ms: i64) {
        self.reality.lock().unwrap().time_ms = time_ms;
    }

    pub(super) fn calm(&self) {
        self.reality.lock().unwrap().calm = true;
    }

    /// What it has, summed up; different quantities for one hour; what went wrong.
    pub(super) fn verdict(&self) -> (Quantity, u64, BTreeMap<&'static str, u64>) {
        let mut reality = self.reality.lock().unwrap();
        let billed = reality.accepted.values().copied().sum();
        (billed, reality.conflicts, std::mem::take(&mut reality.faults))
    }
}

impl Reality {
    fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    fn is_away(&self) -> bool {
        self.outages
            .iter()
            .any(|(from, to)| (*from..*to).contains(&self.time_ms))
    }

    /// The rules, on what was meant to be sent.
    fn judge(&mut self, event: &UsageEvent) -> Value {
        let start_ms = event.effective_start.as_millisecond();
        let key = (event.dimension.clone(), start_ms.div_euclid(HOUR_MS));
        let ours: Quantity = event.quantity.as_str().parse().unwrap();
        let mut result = json!({"resourceUri": event.resource.as_str(), "dimension": event.dimension,
            "effectiveStartTime": event.effective_start.to_string(), "planId": event.plan});
        let (status, error) = if start_ms > self.time_ms {
            (
                "BadArgument",
                json!({"code": "BadArgument", "message": "in the future"}),
            )
        } else if start_ms <= self.time_ms - DAY_MS {
            (
                "Expired",
                json!({"code": "BadArgument", "message": "more than 24 hours in the past"}),
            )
        } else if let Some(known) = self.accepted.get(&key) {
            self.conflicts += u64::from(*known != ours);
            let mut message = result.clone();
            message["quantity"] = number(*known);
            (
                "Duplicate",
                json!({"code": "Conflict", "additionalInfo": {"acceptedMessage": message}}),
            )
        } else {
            self.accepted.insert(key, ours);
            result["quantity"] = number(ours);
            ("Accepted", Value::Null)
        };
        result["status"] = status.into();
        if !error.is_null() {
            result["error"] = error;
        }
        result
    }

    fn answer(&mut self, events: &[UsageEvent]) -> Vec<Answered> {
        let mut results: Vec<Value> = events.iter().map(|event| self.judge(event)).collect();
        if let ([event], [result]) = (events, results.as_slice()) {
            let (status, body) = match result["status"].as_str().unwrap() {
                "Accepted" => (StatusCode::OK, result),
                "Duplicate" => (StatusCode::CONFLICT, &result["error"]),
                _ => (StatusCode::BAD_REQUEST, &result["error"]),
            };
            return vec![read_single(status, body.to_string().as_bytes(), event)];
        }
        if self.dice.percent(20) {
            results.reverse();
        }
        let body = json!({"count": results.len(), "result": results}).to_string();
        read_batch(StatusCode::OK, body.as_bytes(), events)
    }
}

fn number(quantity: Quantity) -> Value {
    serde_json::from_str(&quantity.to_string()).unwrap()
}

fn lost(events: &[UsageEvent]) -> Submission {
    let outcome = Outcome::Transient {
        trouble: Trouble::Unreachable,
        perhaps_recorded: true,
    };
    let answer = Answered {
        outcome,
        detail: "no answer before the deadline".to_owned(),
    };
    told(vec![answer; events.len()])
}

fn told(answers: Vec<Answered>) -> Submission {
    Submission {
        answers,
        retry_after: None,
        date: None,
    }
}

fn refuse(events: &[UsageEvent], status: u16) -> Vec<Answered> {
    let code = StatusCode::from_u16(status).unwrap();
    match events {
        [event] => vec![read_single(code, b"<html>", event)],
        _ => read_batch(code, b"<html>", events),
    }
}

impl Azure {
    fn misfortune(&self, reality: &mut Reality, events: &[UsageEvent]) -> Submission {
        match reality.dice.roll(8) {
            0 => {
                reality.fault("request lost");
                lost(events)
            }
            1 => {
                reality.fault("reply lost");
                reality.answer(events);
                lost(events)
            }
            2 => {
                reality.fault("500 before");
                told(refuse(events, 500))
            }
            3 => {
                reality.fault("503 after");
                reality.answer(events);
                told(refuse(events, 503))
            }
            4 => {
                reality.fault("429");
                let retry_after = Some(Duration::from_mins(reality.dice.roll(40)));
                Submission {
                    retry_after,
                    ..told(refuse(events, 429))
                }
            }
            5 => {
                reality.fault("403");
                told(refuse(events, 403))
            }
            6 => {
                reality.fault("died after sending");
                reality.answer(events);
                let mut chaos = self.chaos.lock().unwrap();
                (chaos.crashed, chaos.failed) = (true, true);
                lost(events)
            }
            _ => {
                reality.fault("junk for an answer");
                reality.answer(events);
                told(refuse(events, 200))
            }
        }
    }
}

impl Service for Azure {
    async fn submit(&self, events: &[UsageEvent]) -> Submission {
        let mut reality = self.reality.lock().unwrap();
        if !reality.calm && reality.is_away() {
            reality.fault("service away");
            return lost(events);
        }
        if reality.calm || !reality.dice.percent(CHANCE) {
            let mut done = told(reality.answer(events));
            done.date = reality
                .dated
                .then(|| Timestamp::from_millisecond(reality.time_ms).unwrap());
            return done;
        }
        self.misfortune(&mut reality, events)
    }

    async fn sums(&self, from: Timestamp) -> Result<Vec<Submitted>, String> {
        let mut reality = self.reality.lock().unwrap();
        if !reality.calm && (reality.is_away() || reality.dice.percent(CHANCE)) {
            reality.fault("sums not told");
            return Err("no answer before the deadline".to_owned());
        }
        let mut sums: BTreeMap<(i64, &str), Quantity> = BTreeMap::new();
        for ((dimension, hour), quantity) in &reality.accepted {
            let day = (hour * HOUR_MS).div_euclid(DAY_MS);
            *sums.entry((day, dimension)).or_default() += *quantity;
        }
        let line = |((day, dimension), quantity): ((i64, &str), Quantity)| {
            let date = Timestamp::from_millisecond(day * DAY_MS).unwrap();
            let line = json!({"usageDate": date.to_string(), "usageResourceId": "/subscriptions/s/app",
                "dimension": dimension, "reconStatus": "Submitted", "submittedQuantity": number(quantity)});
            serde_json::from_value(line).unwrap()
        };
        let from_day = from.as_millisecond().div_euclid(DAY_MS);
        Ok(sums
            .into_iter()
            .filter(|((day, _), _)| *day >= from_day)
            .map(line)
            .collect())
    }
}
