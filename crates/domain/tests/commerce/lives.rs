//! Random lives of orders, the same for each oracle.

use crate::account::{H, Owned, account, committed, hourly, monthly};
use trustbridge_domain::calendar::{DAY_MS, Period};
use trustbridge_domain::intervals::{Interval, IntervalKind};
use trustbridge_domain::invoice::billed_periods;
use trustbridge_domain::rating::terms::{Commitment, TermLine};
use trustbridge_domain::rating::{Account, Cadence, RatedLine, Schedule, rate};

/// A life of an order.
#[derive(Clone, Debug)]
pub struct History {
    pub cadence: Cadence,
    pub lines: Vec<TermLine>,
    pub instances: Vec<(String, Vec<Interval>, Option<i64>)>,
    pub ended_ms: Option<i64>,
    /// Everything is sealed until then; periods that end later are not billed.
    pub through_ms: i64,
}

/// A line of an invoice with the schedule and the period that it was billed in.
pub type Billed = (Schedule, Period, RatedLine);

/// `SplitMix64`: a run is repeated by its seed, in any version of any crate.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// A moment below `end`; every third one on a clock hour, where the edges are.
    fn moment(&mut self, end: i64) -> i64 {
        let at = self.below(end);
        if self.below(3) == 0 { at - at % H } else { at }
    }
}

impl History {
    /// A random life: some days to some weeks, around month ends, year ends and leap days.
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let corners = [
            1_704_067_200_000,
            1_709_164_800_000,
            1_767_225_600_000,
            1_772_323_200_000,
            1_769_904_000_000,
        ];
        let corner = corners[usize::try_from(random.below(5)).unwrap()];
        let start = corner - 3 * DAY_MS + random.moment(6 * DAY_MS);
        let life = H + random.moment(12 * DAY_MS);
        let (ends, end) = (random.below(4) > 0, start + life);
        let ended_ms = ends.then_some(end);
        let reprice = start + random.moment(life);
        let mut history = Self {
            cadence: [Cadence::Daily, Cadence::Weekly, Cadence::Monthly]
                [usize::try_from(random.below(3)).unwrap()],
            lines: hourly_lines(&mut random, start, reprice),
            instances: Vec::new(),
            ended_ms,
            through_ms: end + 70 * DAY_MS,
        };
        monthly_lines(&mut random, start, life, &mut history.lines);
        for index in 0..=random.below(3) {
            let (intervals, stop) = intervals(&mut random, start, end, reprice);
            let ended = ends.then_some(stop).or((random.below(3) == 0).then_some(stop));
            history
                .instances
                .push((format!("inst-{index}"), intervals, ended));
        }
        if !ends {
            // What lives is sealed to the end of the day of its last interval; later periods are not over.
            history.through_ms = end - end.rem_euclid(DAY_MS);
        }
        history
    }

    /// Rates every period of both schedules with the code that is tested.
    pub fn rated(&self) -> Vec<Billed> {
        let sealed = self.ended_ms.map_or(self.through_ms, |end| end + DAY_MS);
        let owned: Vec<Owned> = self
            .instances
            .iter()
            .map(|(name, intervals, ended)| Owned::new(name, intervals, *ended, sealed))
            .collect();
        let instances: Vec<_> = owned.iter().map(Owned::instance).collect();
        let account = account(&self.lines, &instances, self.ended_ms);
        let verified = account.verify().unwrap();
        let mut all = Vec::new();
        for (schedule, period) in self.periods(&account) {
            let lines = rate(verified, schedule, period).unwrap_or_else(|doubt| panic!("{doubt}: {self:#?}"));
            all.extend(lines.into_iter().map(|line| (schedule, period, line)));
        }
        all
    }

    /// The periods of both schedules.
    pub fn periods(&self, account: &Account<'_>) -> Vec<(Schedule, Period)> {
        let of = |schedule| billed_periods(account, schedule, self.through_ms).map(move |p| (schedule, p));
        of(Schedule::Metered(self.cadence))
            .chain(of(Schedule::Recurring))
            .collect()
    }
}

fn hourly_lines(random: &mut Random, start: i64, reprice: i64) -> Vec<TermLine> {
    let price = random.below(1_000) + 1;
    let min_hours = u32::try_from(random.below(60)).unwrap();
    let first = TermLine {
        until_ms: Some(reprice),
        ..hourly("h0", "Gen", price, min_hours, start)
    };
    // A third of the price changes change nothing but the key.
    let price = if random.below(3) == 0 {
        price
    } else {
        random.below(1_000) + 1
    };
    vec![first, hourly("h1", "Gen", price, min_hours, reprice)]
}

/// One monthly line, split by changes at random moments, with a term half the time; and an add-on.
fn monthly_lines(random: &mut Random, start: i64, length: i64, all: &mut Vec<TermLine>) {
    let days = u32::try_from(random.below(61)).unwrap();
    let is_committed = random.below(2) == 0;
    let mut price = random.below(1_000_000);
    let mut from = start;
    for index in 0..=random.below(4) {
        let line = monthly(&format!("m{index}"), "Pod", price, from);
        let quantity = u32::try_from(random.below(3) + 1).unwrap();
        let line = if is_committed && index == 0 {
            committed(line, days)
        } else {
            line
        };
        if let Some(before) = all.last_mut().filter(|l| l.sku == "Pod") {
            before.until_ms = Some(from);
        }
        all.push(TermLine { quantity, ..line });
        if is_committed && index > 0 && random.below(2) == 0 {
            let last = all.last_mut().unwrap();
            last.commitment = Some(Commitment {
                id: "term".to_owned(),
                days: days + u32::try_from(random.below(40)).unwrap(),
            });
        }
        if random.below(2) == 0 {
            price = random.below(1_000_000);
        }
        from += random.moment(length);
    }
    all.push(monthly(
        "nvme",
        "NVMe",
        random.below(100_000),
        start + random.moment(length),
    ));
}

/// Disjoint intervals of one instance, cut where the price changes, and when it stopped.
fn intervals(random: &mut Random, start: i64, end: i64, reprice: i64) -> (Vec<Interval>, i64) {
    let mut all: Vec<Interval> = Vec::new();
    let mut at = start + random.moment((end - start) / 2);
    let mut push = |from: i64, to: i64, kind| {
        let seq = u32::try_from(all.len()).unwrap();
        let key = if from < reprice { "h0" } else { "h1" };
        let mut one = crate::account::intervals(key, 1, &[(from, to)]).remove(0);
        one.seq = seq;
        one.kind = kind;
        all.push(one);
    };
    while at < end {
        let to = (at + 1 + random.moment(3 * DAY_MS)).min(end);
        let kind = if random.below(4) == 0 {
            IntervalKind::Held
        } else {
            IntervalKind::Serving
        };
        if at < reprice && reprice < to {
            push(at, reprice, kind);
            push(reprice, to, kind);
        } else {
            push(at, to, kind);
        }
        at = to
            + if random.below(3) == 0 {
                0
            } else {
                random.moment(2 * DAY_MS)
            };
        if random.below(5) == 0 {
            break;
        }
    }
    let stop = all.last().map_or(end, |i| i.to_ms.unwrap());
    (all, stop)
}

/// The number of random histories of a test: 300, in a campaign `full`.
pub fn count(full: u64) -> u64 {
    if std::env::var_os("TB_CAMPAIGN").is_some() {
        full
    } else {
        300
    }
}

/// The first seed.
pub fn seed() -> u64 {
    std::env::var("TB_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0x7b)
}
