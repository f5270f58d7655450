//! An order with its instances as tests write it: intervals in, sealed days and an account out.

use jiff::civil::Date;
use trustbridge_domain::calendar::{Period, date_of_ms, day_period, parse_instant};
use trustbridge_domain::intervals::{DayRecord, GRACE_MS, Interval, IntervalKind, Sources, seal};
use trustbridge_domain::money::Rate;
use trustbridge_domain::rating::terms::{Charge, Commitment, TermLine};
use trustbridge_domain::rating::{Account, Doubt, Instance, RatedLine, Schedule};

/// An hour.
pub const H: i64 = 3_600_000;

/// An instant, from `2026-02-01` or `2026-02-01T10:00:00Z`.
pub fn at(text: &str) -> i64 {
    let text = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    parse_instant("at", &text).unwrap()
}

/// A period.
pub fn period(from: &str, to: &str) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

/// Closed intervals of one price line.
pub fn intervals(key: &str, gpus: u32, stretches: &[(i64, i64)]) -> Vec<Interval> {
    let one = |(seq, (from_ms, to_ms)): (usize, &(i64, i64))| Interval {
        seq: u32::try_from(seq).unwrap(),
        from_ms: *from_ms,
        to_ms: Some(*to_ms),
        kind: IntervalKind::Serving,
        gpus,
        nvme_gb: 1000,
        rate_key: key.to_owned(),
        opened_by: "Ready".to_owned(),
        closed_by: Some("Draining".to_owned()),
        evidence: None,
    };
    stretches.iter().enumerate().map(one).collect()
}

/// An instance that owns its records.
pub struct Owned {
    /// Its name.
    pub name: String,
    /// Its sealed days.
    pub records: Vec<DayRecord>,
    /// When it was first ready.
    pub first_ready_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

impl Owned {
    /// An instance with these intervals, sealed through the day before `until_ms`.
    pub fn new(name: &str, intervals: &[Interval], ended_ms: Option<i64>, until_ms: i64) -> Self {
        let first_ready_ms = intervals.first().map(|i| i.from_ms);
        let records =
            first_ready_ms.map_or_else(Vec::new, |first| seal_all(name, intervals, first, until_ms));
        Self {
            name: name.to_owned(),
            records,
            first_ready_ms,
            ended_ms,
        }
    }

    /// As rating takes it.
    pub fn instance(&self) -> Instance<'_> {
        Instance {
            name: &self.name,
            records: &self.records,
            first_ready_ms: self.first_ready_ms,
            ended_ms: self.ended_ms,
        }
    }
}

fn seal_all(name: &str, intervals: &[Interval], first_ms: i64, until_ms: i64) -> Vec<DayRecord> {
    let mut chain = Vec::new();
    for day in Period::new(first_ms, until_ms).into_iter().flat_map(Period::days) {
        let now = day_period(day).unwrap().to_ms + GRACE_MS;
        let sources = Sources {
            instance: name,
            intervals,
            readings: &[],
            // Nothing is learnt later here, so no sealed day is looked at again.
            unfolded_since: Date::MAX,
        };
        let record = seal(sources, &chain, day, now).unwrap();
        chain.push(record);
    }
    chain
}

/// A monthly line from the beginning of time on.
pub fn monthly(key: &str, sku: &str, price_minor: i64, from_ms: i64) -> TermLine {
    TermLine {
        key: key.to_owned(),
        sku: sku.to_owned(),
        quantity: 1,
        charge: Charge::Monthly { price_minor },
        from_ms,
        until_ms: None,
        commitment: None,
    }
}

/// The same with a minimum term.
pub fn committed(line: TermLine, days: u32) -> TermLine {
    TermLine {
        commitment: Some(Commitment {
            id: "term".to_owned(),
            days,
        }),
        ..line
    }
}

/// An hourly line.
pub fn hourly(key: &str, sku: &str, minor: i64, min_hours: u32, from_ms: i64) -> TermLine {
    TermLine {
        charge: Charge::Hourly {
            rate_micros: Rate::from_minor(minor).unwrap(),
            min_hours,
        },
        ..monthly(key, sku, 0, from_ms)
    }
}

/// An account over lines and instances.
pub fn account<'a>(
    lines: &'a [TermLine],
    instances: &'a [Instance<'a>],
    ended_ms: Option<i64>,
) -> Account<'a> {
    Account {
        order: "ord-1",
        currency: "USD",
        lines,
        instances,
        ended_ms,
    }
}

/// The lines of a period, after verification.
pub fn rate(account: &Account<'_>, schedule: Schedule, period: Period) -> Result<Vec<RatedLine>, Doubt> {
    trustbridge_domain::rating::rate(account.verify()?, schedule, period)
}

/// The day of an instant.
pub fn day(ms: i64) -> Date {
    date_of_ms(ms).unwrap()
}
