//! Random lives by another algorithm: no days, no hours, no records, but the cut points of all intervals and periods,
//! and one membership test for each stretch between them.

use crate::account::{Owned, account, monthly};
use crate::lives::{Billed, History, Random, count, seed};
use std::collections::BTreeMap;
use trustbridge_domain::calendar::{Period, month_period};
use trustbridge_domain::intervals::{Interval, IntervalKind};
use trustbridge_domain::rating::terms::{Charge, TermLine};
use trustbridge_domain::rating::{MIN_HOURS, MIN_TERM, RatedLine, Schedule, rate};

/// Sums by (schedule, period, sku, line, instance): what both algorithms must agree on.
pub type Sums = BTreeMap<(String, i64, String, String, Option<String>), i64>;

/// The sums of rated lines; parts of one line in one period come together.
pub fn sums(billed: &[Billed]) -> Sums {
    let mut all = Sums::new();
    for (schedule, period, line) in billed {
        let key = (
            schedule.word().to_owned(),
            period.from_ms,
            line.sku.clone(),
            line.line.clone(),
            line.instance.clone(),
        );
        *all.entry(key).or_default() += line.amount_minor;
    }
    all
}

/// Rounds half up by doubling; its own, so that it shares nothing with the code that is tested.
fn rounded(numerator: i128, denominator: i128) -> i64 {
    i64::try_from((2 * numerator + denominator).div_euclid(2 * denominator)).unwrap()
}

/// Milliseconds of service under `key` inside `within`, stretch by stretch.
fn stretches(intervals: &[Interval], key: &str, within: Period) -> i128 {
    let mut cuts: Vec<i64> = intervals
        .iter()
        .flat_map(|i| [i.from_ms, i.to_ms.unwrap()])
        .collect();
    cuts.extend([within.from_ms, within.to_ms]);
    cuts.sort_unstable();
    let served = |at: i64| {
        let covers = |i: &Interval| i.from_ms <= at && at < i.to_ms.unwrap();
        within.contains(at)
            && intervals
                .iter()
                .any(|i| i.kind == IntervalKind::Serving && i.rate_key == key && covers(i))
    };
    cuts.windows(2)
        .filter(|w| served(w[0]))
        .map(|w| i128::from(w[1] - w[0]))
        .sum()
}

/// The hourly sums by the other algorithm.
fn brute_hours(history: &History, periods: &[(Schedule, Period)]) -> Sums {
    let mut all = Sums::new();
    for (name, intervals, ended) in &history.instances {
        let (mut billed, mut exact, mut used) = (0_i64, 0_i128, 0_i128);
        let mut last = None;
        for (schedule, period) in periods.iter().filter(|(s, _)| *s != Schedule::Recurring) {
            let key = |sku: &str, line: &str| {
                (
                    schedule.word().to_owned(),
                    period.from_ms,
                    sku.to_owned(),
                    line.to_owned(),
                    Some(name.clone()),
                )
            };
            for line in &history.lines {
                let Charge::Hourly {
                    rate_micros,
                    min_hours,
                } = line.charge
                else {
                    continue;
                };
                let ms = stretches(intervals, &line.key, *period);
                if ms == 0 {
                    continue;
                }
                let price = i128::from(rate_micros.micros());
                let amount = rounded(price * ms, 36_000_000_000);
                all.insert(key("Gen", &line.key), amount);
                (billed, exact, used) = (billed + amount, exact + price * ms, used + ms);
                last = Some((line.key.clone(), price, min_hours));
            }
            let ends_here = ended.is_some_and(|end| period.from_ms < end && end <= period.to_ms);
            if let (true, Some((line, price, min_hours))) = (ends_here, &last) {
                let missing = i128::from(*min_hours) * 3_600_000 - used;
                if missing > 0 {
                    let whole = rounded(exact + price * missing, 36_000_000_000);
                    all.insert(key(MIN_HOURS, line), (whole - billed).max(0));
                }
            }
        }
    }
    all
}

/// The sums of each month's parts at one price: of them only the whole is compared, and that none is negative.
fn check_months(history: &History, billed: &[Billed]) {
    let mut wholes: BTreeMap<(i64, String, i64), (i128, i64)> = BTreeMap::new();
    for (schedule, period, line) in billed.iter().filter(|(s, ..)| *s == Schedule::Recurring) {
        assert!(line.amount_minor >= 0, "{schedule:?} {line:?}");
        if line.sku == MIN_TERM {
            continue;
        }
        let terms = history.lines.iter().find(|l| l.key == line.line).unwrap();
        let Charge::Monthly { price_minor } = terms.charge else {
            panic!("{terms:?}")
        };
        let whole = wholes
            .entry((period.from_ms, line.sku.clone(), price_minor))
            .or_default();
        let until = terms
            .until_ms
            .unwrap_or(i64::MAX)
            .min(history.ended_ms.unwrap_or(i64::MAX));
        let ms = until.min(period.to_ms) - terms.from_ms.max(period.from_ms);
        assert!(ms > 0, "{line:?}");
        whole.0 += i128::from(price_minor) * i128::from(terms.quantity) * i128::from(ms);
        whole.1 += line.amount_minor;
    }
    for ((from_ms, sku, price), (exact, sum)) in wholes {
        let day = trustbridge_domain::calendar::date_of_ms(from_ms).unwrap();
        let month = i128::from(month_period(day).unwrap().len_ms());
        assert_eq!(
            rounded(exact, month),
            sum,
            "{sku} at {price} in the month of {day}: {history:#?}"
        );
    }
}

/// What the histories reached: lines, minimum hours, minimum terms.
#[derive(Clone, Copy, Default)]
struct Reached {
    lines: usize,
    minimums: usize,
    terms: usize,
}

impl std::ops::AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.minimums += other.minimums;
        self.terms += other.terms;
    }
}

/// Rates one life and compares each sum with the other algorithm's.
fn check(seed: u64) -> Reached {
    let history = History::random(seed);
    let billed = history.rated();
    let hours: Vec<Billed> = billed
        .iter()
        .filter(|(s, ..)| *s != Schedule::Recurring)
        .cloned()
        .collect();
    let owned: Vec<Owned> = history
        .instances
        .iter()
        .map(|(name, intervals, ended)| Owned {
            name: name.clone(),
            records: Vec::new(),
            first_ready_ms: intervals.first().map(|i| i.from_ms),
            ended_ms: *ended,
        })
        .collect();
    let instances: Vec<_> = owned.iter().map(Owned::instance).collect();
    let periods = history.periods(&account(&history.lines, &instances, history.ended_ms));
    assert_eq!(
        sums(&hours),
        brute_hours(&history, &periods),
        "seed {seed}: {history:#?}"
    );
    check_months(&history, &billed);
    Reached {
        lines: billed.len(),
        minimums: billed.iter().filter(|(.., l)| l.sku == MIN_HOURS).count(),
        terms: billed.iter().filter(|(.., l)| l.sku == MIN_TERM).count(),
    }
}

#[test]
fn random_lives_cost_what_their_stretches_of_time_cost() {
    let (from, until) = (seed(), seed() + count(1_000_000));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let reached = std::thread::scope(|scope| {
        let all: Vec<_> = (from..from + workers as u64)
            .map(|first| {
                scope.spawn(move || {
                    let mut reached = Reached::default();
                    for seed in (first..until).step_by(workers) {
                        reached += check(seed);
                    }
                    reached
                })
            })
            .collect();
        let mut reached = Reached::default();
        for worker in all {
            reached += worker.join().unwrap();
        }
        reached
    });
    let Reached {
        lines,
        minimums,
        terms,
    } = reached;
    println!(
        "{} histories from seed {from}, {lines} lines, {minimums} minimum hours, {terms} minimum terms",
        until - from
    );
    assert!(minimums > 0 && terms > 0, "the histories must reach every rule");
}

#[test]
fn the_same_life_gives_the_same_bytes_whatever_the_order_of_its_lines() {
    for seed in seed()..seed() + count(10_000) {
        let history = History::random(seed);
        let text = |history: &History| {
            let lines: Vec<RatedLine> = history.rated().into_iter().map(|(.., line)| line).collect();
            serde_json::to_string(&lines).unwrap()
        };
        let first = text(&history);
        assert_eq!(first, text(&history));
        let mut turned = history.clone();
        turned.lines.reverse();
        turned.instances.reverse();
        assert_eq!(sums(&turned.rated()), sums(&history.rated()), "seed {seed}");
    }
}

#[test]
fn any_partition_of_a_month_at_one_price_sums_to_the_whole() {
    let month = Period::new(1_769_904_000_000, 1_772_323_200_000).unwrap();
    for seed in seed()..seed() + 10 * count(10_000) {
        let mut random = Random(seed);
        let price = random.below(1_000_000);
        let mut cuts: Vec<i64> = (0..=random.below(30))
            .map(|_| month.from_ms + random.below(month.len_ms()))
            .collect();
        cuts.push(month.from_ms);
        cuts.sort_unstable();
        cuts.dedup();
        let ends = cuts.iter().skip(1).copied().map(Some).chain([None]);
        let lines: Vec<TermLine> = cuts
            .iter()
            .zip(ends)
            .map(|(from, until_ms)| TermLine {
                until_ms,
                ..monthly(&from.to_string(), "Pod", price, *from)
            })
            .collect();
        let account = account(&lines, &[], None);
        let rated = rate(account.verify().unwrap(), Schedule::Recurring, month).unwrap();
        assert_eq!(rated.len(), lines.len());
        assert_eq!(
            rated.iter().map(|l| l.amount_minor).sum::<i64>(),
            price,
            "seed {seed}"
        );
        assert!(
            rated.iter().all(|l| l.amount_minor >= 0),
            "seed {seed}: {rated:?}"
        );
    }
}
