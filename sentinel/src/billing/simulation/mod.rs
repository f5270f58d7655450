//! Thirty days of metering with crashes, outages and clocks that step, on a real file system: what is billed is what
//! was used.
//!
//! The product's outbox, books and agent run against a service with the real one's rules. The oracle counts by
//! brute force: what each interval held that the disk has, and what each event held that the service has.

mod azure;
mod dice;
mod disk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use trustbridge_domain::metering::{Now, Quantity};

use super::agent::Agent;
use super::books::Books;
use super::clock::Clock;
use super::counters::{Counter, Counts};
use super::outbox::{Outbox, SharedOutbox};
use super::tariff::{Tariff, parse};
use azure::Azure;
use dice::Dice;
use disk::{Chaos, Disk};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Length of an interval here.
const TICK_MS: i64 = 10 * MINUTE_MS;
const DAYS: i64 = 30;
/// All is well for so long at the end: nothing may be under way after it.
const CALM_DAYS: i64 = 4;

/// What a month is made of.
#[derive(Clone, Copy, Debug)]
struct Month {
    seed: u64,
    /// One outage is longer than the service takes events for.
    long_outage: bool,
    /// The service tells the time.
    dated: bool,
    /// Writes of the books that contain this are left out, and said to be done: the positive control.
    left_out: Option<&'static str>,
}

/// What a month came to.
#[derive(Debug, Default)]
struct Verdict {
    used: Quantity,
    billed: Quantity,
    lost: Quantity,
    /// Without a final answer in the end.
    open: Quantity,
    in_memory: u64,
    conflicts: u64,
    suspensions: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl Verdict {
    fn is_exact(&self) -> bool {
        self.billed + self.lost == self.used && self.open.is_zero() && self.conflicts == 0
    }
}

struct Process {
    outbox: SharedOutbox<Disk>,
    agent: Agent<Disk, Azure>,
    clock: Clock,
    held: Counts,
    suspended: bool,
}

struct World {
    dice: Dice,
    chaos: Arc<Mutex<Chaos>>,
    azure: Azure,
    dir: tempfile::TempDir,
    time_ms: i64,
    skew_ms: i64,
    skewed_until: i64,
    down_until: i64,
    quiet_until: i64,
    process: Option<Process>,
    tariff: Tariff,
    verdict: Verdict,
}

impl World {
    fn new(month: Month) -> Self {
        let time_ms = 1_767_225_600_000;
        let chaos = Arc::new(Mutex::new(Chaos::new(month.seed, month.left_out)));
        // A file system in memory is as real, and a month of fsync takes seconds there.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        Self {
            dice: Dice(month.seed ^ 0x5555),
            azure: Azure::new(month.seed, month.dated, chaos.clone(), time_ms),
            chaos,
            dir,
            time_ms,
            skew_ms: 0,
            skewed_until: 0,
            down_until: 0,
            quiet_until: 0,
            process: None,
            tariff: Tariff {
                resource: "/subscriptions/s/app".into(),
                plan: "gold".into(),
                terms: parse("k-tokens=prompt_tokens+completion_tokens/1000,calls=requests").unwrap(),
            },
            verdict: Verdict::default(),
        }
    }

    fn count(&mut self, fault: &'static str) {
        *self.verdict.faults.entry(fault).or_default() += 1;
    }

    fn run(mut self) -> Verdict {
        let end = self.time_ms + DAYS * 24 * HOUR_MS;
        while self.time_ms < end {
            self.misfortune();
            self.tick(true);
        }
        self.chaos.lock().unwrap().calm = true;
        self.azure.calm();
        (self.skew_ms, self.down_until) = (0, 0);
        let end = self.time_ms + CALM_DAYS * 24 * HOUR_MS;
        while self.time_ms < end {
            if self.process.as_ref().is_some_and(|process| process.suspended) {
                self.kill();
            }
            self.tick(false);
        }
        self.judge()
    }

    /// Kills, clocks that step, machines that stay away.
    fn misfortune(&mut self) {
        if self.dice.percent(2) {
            self.count("killed");
            self.kill();
        }
        if self.dice.percent(1) {
            self.count("machine away");
            self.kill();
            self.down_until = self.time_ms + i64::try_from(self.dice.roll(120)).unwrap() * MINUTE_MS;
        }
        if self.skew_ms == 0 && self.dice.percent(2) {
            self.count("clock stepped");
            self.skew_ms = (i64::try_from(self.dice.roll(144)).unwrap() - 72) * HOUR_MS + 17 * MINUTE_MS;
            self.skewed_until = self.time_ms + i64::try_from(self.dice.roll(6 * 60)).unwrap() * MINUTE_MS;
        }
        if self.time_ms >= self.skewed_until {
            self.skew_ms = 0;
        }
        // Someone starts it again.
        if self.process.as_ref().is_some_and(|process| process.suspended) && self.dice.percent(5) {
            self.kill();
        }
    }

    fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            let held = process.held;
            self.verdict.in_memory += Counter::ALL
                .iter()
                .map(|(counter, _)| held.get(*counter))
                .sum::<u64>();
        }
        self.chaos.lock().unwrap().crashed = false;
    }

    fn tick(&mut self, used: bool) {
        self.time_ms += TICK_MS;
        self.azure.set_time(self.time_ms);
        if self.time_ms < self.down_until {
            return;
        }
        if self.process.is_none() {
            self.process = self.start();
        }
        if let Some(mut process) = self.process.take() {
            self.close_interval(&mut process, used);
            if !self.chaos.lock().unwrap().crashed {
                self.round(&mut process);
            }
            self.process = Some(process);
        }
        if self.chaos.lock().unwrap().crashed {
            self.kill();
        }
    }

    /// Starting reads and may write, so it may crash, too.
    fn start(&self) -> Option<Process> {
        let disk = || Disk::open(self.dir.path(), self.chaos.clone());
        let outbox = Outbox::open(disk(), "boot")
            .map_err(|error| self.only_chaos(&error))
            .ok()?;
        let books = Books::open(disk(), outbox.id())
            .map_err(|error| self.only_chaos(&error))
            .ok()?;
        Some(Process {
            outbox: SharedOutbox::new(outbox),
            agent: Agent::new(books, self.azure.clone(), self.tariff.clone()),
            clock: Clock::default(),
            held: Counts::default(),
            suspended: false,
        })
    }

    fn only_chaos(&self, error: &dyn std::fmt::Display) {
        assert!(
            self.chaos.lock().unwrap().failed,
            "nothing failed, and yet: {error}"
        );
    }

    fn close_interval(&mut self, process: &mut Process, used: bool) {
        if used && !process.suspended && self.dice.percent(80) {
            process.held.add(Counter::Requests, 1 + self.dice.roll(50));
            process.held.add(Counter::PromptTokens, 1 + self.dice.roll(9_999));
            process.held.add(Counter::CompletionTokens, self.dice.roll(5_000));
        }
        if process.held.is_empty() {
            return;
        }
        self.chaos.lock().unwrap().landed = false;
        let from = jiff::Timestamp::from_millisecond(self.time_ms + self.skew_ms).unwrap();
        let done = process.outbox.lock().append(from, from, process.held.clone());
        // The disk knows best what it has, whatever it said.
        let durable = done.is_ok() || self.chaos.lock().unwrap().landed;
        if durable {
            let usage = self.tariff.usage(&process.held);
            self.verdict.used += usage.into_iter().map(|(_, quantity)| quantity).sum();
            process.held = Counts::default();
        }
    }

    fn round(&mut self, process: &mut Process) {
        let steady = u64::try_from(self.time_ms).unwrap();
        let now = Now {
            wall_ms: process.clock.now_ms(self.time_ms + self.skew_ms, steady),
            elapsed_ms: u64::try_from(TICK_MS).unwrap(),
        };
        let quiet = self.time_ms < self.quiet_until;
        let round = futures::executor::block_on(process.agent.round(&process.outbox, now, quiet));
        if let Some(date) = round.date {
            process.clock.learn(date.as_millisecond(), steady);
        }
        if let Some(wait) = round.quiet {
            self.quiet_until = self.time_ms + i64::try_from(wait.as_millis()).unwrap();
        }
        if round.suspension.is_some() && !std::mem::replace(&mut process.suspended, true) {
            self.verdict.suspensions += 1;
        }
    }

    fn judge(mut self) -> Verdict {
        let process = self.process.take().expect("it runs in the end");
        let sums = process.agent.books().ledger().balance();
        self.verdict.lost = sums.lost;
        self.verdict.open = sums.open + sums.under_way;
        let (billed, conflicts, faults) = self.azure.verdict();
        self.verdict.billed = billed;
        self.verdict.conflicts = conflicts;
        self.verdict.faults.extend(faults);
        let disk = std::mem::take(&mut self.chaos.lock().unwrap().faults);
        self.verdict.faults.extend(disk);
        self.verdict
    }
}

fn month(seed: u64) -> Month {
    Month {
        seed,
        long_outage: seed % 4 == 3,
        dated: seed.is_multiple_of(2),
        left_out: None,
    }
}

fn live(month: Month) -> Verdict {
    let world = World::new(month);
    if month.long_outage {
        world.azure.long_outage();
    }
    world.run()
}

#[test]
fn thirty_days_are_billed_exactly() {
    let mut faults: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..12 {
        let month = month(seed);
        let verdict = live(month);
        println!(
            "seed {seed}: used {}, billed {}, lost {}, open {}; counts lost in memory {}, suspensions {}",
            verdict.used, verdict.billed, verdict.lost, verdict.open, verdict.in_memory, verdict.suspensions
        );
        assert!(verdict.is_exact(), "{month:?}: {verdict:?}");
        // Nothing is lost unless the service was away for longer than it takes events for.
        assert!(
            month.long_outage || verdict.lost.is_zero(),
            "{month:?}: {verdict:?}"
        );
        assert!(
            !month.long_outage || verdict.suspensions > 0,
            "{month:?}: {verdict:?}"
        );
        for (fault, count) in verdict.faults {
            *faults.entry(fault).or_default() += count;
        }
    }
    for (fault, count) in &faults {
        println!("{count:6} {fault}");
    }
    let total: u64 = faults.values().sum();
    println!("{total:6} faults in all");
    assert!(total >= 10_000, "{faults:?}");
}

/// With the books not written down the oracle sees it, in every month.
#[test]
fn without_the_books_on_the_disk_it_is_not_exact() {
    for seed in 0..2 {
        let left_out = Month {
            left_out: Some(""),
            ..month(seed)
        };
        let verdict = live(left_out);
        assert!(!verdict.is_exact(), "{left_out:?}: {verdict:?}");
    }
}
