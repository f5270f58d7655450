//! Medians over the rounds, ratios, goals.

use crate::Options;
use crate::load::{Times, ratio};
use std::fmt::Write;
use std::time::Duration;

/// What one contender did in one round.
pub struct Round {
    pub name: &'static str,
    pub start: Duration,
    pub lone: Times,
    pub many: Times,
    pub cpu: Duration,
    pub paced: Option<Times>,
    pub peak_kib: u64,
}

/// Median, least and greatest.
struct Spread(f64, f64, f64);

impl Round {
    /// Answers for each second of the server's CPU: what one core does.
    fn per_core(&self) -> f64 {
        ratio(self.many.each.len(), 1) / self.cpu.as_secs_f64().max(0.01)
    }

    fn per_second(&self) -> f64 {
        ratio(self.many.each.len(), 1) / self.many.whole.as_secs_f64()
    }

    /// One line for the eye.
    pub fn line(&self) -> String {
        format!(
            "{}: {:.0} answers per CPU second, {:.0}/s with 16 clients, one client p50 {:.0} us p99 {:.0} us, peak {} KiB, serving after {:.1} ms",
            self.name,
            self.per_core(),
            self.per_second(),
            micros(self.lone.quantile(500_000)),
            micros(self.lone.quantile(990_000)),
            self.peak_kib,
            self.start.as_secs_f64() * 1e3
        )
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let at = |n: usize| all.get(n).copied().unwrap_or(f64::NAN);
    Spread(at(all.len() / 2), at(0), at(all.len().saturating_sub(1)))
}

/// The report in Markdown.
pub fn write(rounds: &[Round], options: &Options, bytes: usize, busy: &str) -> String {
    let of = |name: &'static str| rounds.iter().filter(move |r| r.name == name);
    let (ours, peer) = (OURS, "plain Go server");
    let mut text = head(options, bytes, busy);
    let mut row = |what: &str, value: &dyn Fn(&Round) -> f64, digits: usize| {
        let cell = |name| {
            let Spread(median, least, greatest) = spread(of(name).map(value));
            format!("{median:.digits$} [{least:.digits$}..{greatest:.digits$}]")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {what} | {} | {} |", cell(ours), cell(peer));
    };
    row(
        "answers per second of the server's CPU, 16 clients",
        &Round::per_core,
        0,
    );
    row("answers per second, 16 clients", &Round::per_second, 0);
    row("one client, p50, us", &|r| micros(r.lone.quantile(500_000)), 0);
    row("one client, p99, us", &|r| micros(r.lone.quantile(990_000)), 0);
    if options.paced_seconds > 0 {
        row(
            "2,000/s: share within 5 ms, %",
            &|r| r.paced.as_ref().map_or(0.0, |p| p.within(FIVE_MS) * 100.0),
            4,
        );
        row(
            "2,000/s: p99.99, ms",
            &|r| {
                r.paced
                    .as_ref()
                    .map_or(0.0, |p| p.quantile(999_900).as_secs_f64() * 1e3)
            },
            2,
        );
    }
    row(
        "peak memory, MiB",
        &|r| ratio(usize::try_from(r.peak_kib).unwrap_or(usize::MAX), 1024),
        1,
    );
    row(
        "start of the program to first answer, ms",
        &|r| r.start.as_secs_f64() * 1e3,
        1,
    );
    text.push_str(&goals(rounds, options));
    text
}

/// Each goal, with what was measured.
fn goals(rounds: &[Round], options: &Options) -> String {
    let ours = || rounds.iter().filter(|r| r.name == OURS);
    let mut text = String::new();
    let per_round = rounds.chunks_exact(2).filter_map(|pair| match pair {
        [a, b] => Some(a.per_core() / b.per_core()),
        _ => None,
    });
    let Spread(times, least, greatest) = spread(per_round);
    let p99 = spread(ours().map(|r| micros(r.lone.quantile(990_000)))).0;
    let share = spread(
        ours()
            .filter_map(|r| r.paced.as_ref())
            .map(|p| p.within(FIVE_MS) * 100.0),
    )
    .0;
    let peak = spread(ours().map(|r| ratio(usize::try_from(r.peak_kib).unwrap_or(usize::MAX), 1024))).0;
    let size = std::fs::metadata(&options.webhook).map_or(f64::NAN, |m| {
        ratio(usize::try_from(m.len()).unwrap_or(0), 1_000_000)
    });
    let word = |is_met: bool| if is_met { "met" } else { "missed" };
    let rows = [
        (
            "per core, times the Go server",
            format!("{times:.1} [{least:.1}..{greatest:.1}]"),
            ">= 8",
            times >= 8.0,
        ),
        (
            "one client, p99",
            format!("{p99:.0} us"),
            "<= 250 us",
            p99 <= 250.0,
        ),
        (
            "within 5 ms at 2,000/s",
            format!("{share:.4} %"),
            ">= 99.99 %",
            share >= 99.99,
        ),
        ("peak memory", format!("{peak:.1} MiB"), "<= 8 MiB", peak <= 8.0),
        (
            "size of the program",
            format!("{size:.1} MB"),
            "<= 6 MB",
            size <= 6.0,
        ),
    ];
    text.push_str("\n| Goal | Measured | Wanted | |\n|---|---|---|---|\n");
    for (what, measured, wanted, is_met) in rows {
        let _ = writeln!(text, "| {what} | {measured} | {wanted} | {} |", word(is_met));
    }
    text
}

const OURS: &str = "webhook (Rust)";
const FIVE_MS: Duration = Duration::from_millis(5);

fn head(options: &Options, bytes: usize, busy: &str) -> String {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    format!(
        "# The admission webhook\n\nWritten by `make bench-webhook`. Date: {day}. Machine: 2 cores; load average before: {busy}.\n\n\
         An AdmissionReview of {bytes} bytes over TLS 1.3, connections kept open, answered with the whole injection as a JSON patch. \
         The server has one core, the load the other; {} rounds in turns, {} s each; median [least..greatest]. Both serve the same \
         certificate, and their patches make the same pod, which was compared first. The peer, `benches/webhook/peer.go`, has its \
         objects in memory; the webhook asks an API server and keeps the answer for a second.\n\n| | webhook (Rust) | plain Go server |\n|---|---|---|\n",
        options.rounds, options.seconds
    )
}
