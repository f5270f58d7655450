//! The page: what was measured beside what was wanted.

use super::{Figures, Part, Sizes};
use std::fmt::Write as _;

/// The page in Markdown; `commit` names the tree that was measured.
#[must_use]
pub fn page(sizes: Sizes, figures: &Figures, commit: &str) -> String {
    let mut text = head(sizes, commit);
    for (what, measured, wanted, is_met) in rows(sizes, figures) {
        let word = if is_met { "met" } else { "missed" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {what} | {measured} | {wanted} | {word} |");
    }
    text
}

fn head(sizes: Sizes, commit: &str) -> String {
    format!(
        "# The operator\n\nWritten by `make bench-operator`. Date: {}. Commit: {commit}.\n\n\
         The program of the image runs on one core; the API server in memory of `crates/simkit`, spoken to over HTTP, has\n\
         the other. {} Quotes over {} Offers, with {} Pods besides: first every quote from nothing to `Issued`, then every\n\
         quote touched by somebody else, so that each is looked at once more with nothing to do. Rates are for each second\n\
         of the operator's CPU time, which counts reading, deciding, signing and writing.\n\n\
         | Goal | Measured | Wanted | |\n|---|---|---|---|\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        sizes.quotes,
        sizes.offers,
        sizes.pods
    )
}

type Row = (&'static str, String, &'static str, bool);

fn rows(sizes: Sizes, figures: &Figures) -> Vec<Row> {
    let mut all = vec![
        rate(
            "reconciles per second of one core, quotes being issued",
            &figures.issued,
        ),
        rate(
            "reconciles per second of one core, with nothing to do",
            &figures.at_rest,
        ),
    ];
    all.extend(writes(sizes, figures));
    all.extend(weights(figures));
    all
}

fn rate(what: &'static str, part: &Part) -> Row {
    let rate = quotient(part.done.reconciles, 1) / part.cpu.as_secs_f64().max(0.01);
    let told = format!(
        "{rate:.0} ({} in {:.1} s of CPU, {:.1} s in all)",
        part.done.reconciles,
        part.cpu.as_secs_f64(),
        part.took.as_secs_f64()
    );
    (what, told, ">= 20000", rate >= 20_000.0)
}

fn writes(sizes: Sizes, figures: &Figures) -> [Row; 3] {
    let each = quotient(figures.issued.done.writes, sizes.quotes as u64);
    let (resting, failed) = (
        figures.at_rest.done.writes,
        figures.issued.done.failed + figures.at_rest.done.failed,
    );
    [
        (
            "writes per quote and change of its state",
            format!("{each:.3}"),
            "<= 2",
            each <= 2.0,
        ),
        ("writes at rest", resting.to_string(), "0", resting == 0),
        ("reconciles that failed", failed.to_string(), "0", failed == 0),
    ]
}

fn weights(figures: &Figures) -> [Row; 3] {
    let mib = |bytes: u64| quotient(bytes, 1 << 20);
    let (full, idle) = (mib(figures.full_bytes), mib(figures.idle_bytes));
    [
        (
            "resident memory with all of them",
            format!("{full:.1} MiB"),
            "<= 96 MiB",
            full <= 96.0,
        ),
        (
            "resident memory, idle",
            format!("{idle:.1} MiB"),
            "<= 10 MiB",
            idle <= 10.0,
        ),
        (
            "size of the program",
            format!("{:.1} MB", quotient(figures.program_bytes, 1_000_000)),
            "<= 12 MB",
            figures.program_bytes <= 12_000_000,
        ),
    ]
}

/// Counts and bytes stay far below the 2^52 that an f64 holds.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes of one run")]
fn quotient(count: u64, by: u64) -> f64 {
    count as f64 / by.max(1) as f64
}
