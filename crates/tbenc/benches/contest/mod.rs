//! Contenders over the same bytes, measured twice: each alone by Criterion, for the record; then all in turn,
//! round by round, so that the machine's mood hits them alike. Ratios of the second kind are the figures to
//! believe; the first contender is their reference.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

/// Who is measured.
pub struct Contender<'c> {
    name: &'static str,
    /// Does the work once and says how long it took, preparation not counted.
    run: Box<dyn FnMut() -> Duration + 'c>,
}

/// A contender whose whole work counts.
pub fn contender<'c, T>(name: &'static str, mut work: impl FnMut() -> T + 'c) -> Contender<'c> {
    prepared(name, || (), move |()| work())
}

/// A contender that prepares something first, which is not counted.
pub fn prepared<'c, P, T>(
    name: &'static str,
    mut prepare: impl FnMut() -> P + 'c,
    mut work: impl FnMut(P) -> T + 'c,
) -> Contender<'c> {
    let run = move || {
        let input = prepare();
        let start = Instant::now();
        let result = work(input);
        let took = start.elapsed();
        std::hint::black_box(result);
        took
    };
    Contender {
        name,
        run: Box::new(run),
    }
}

/// Measures them on `bytes` bytes each.
pub fn contest(criterion: &mut Criterion, title: &str, bytes: u64, mut contenders: Vec<Contender<'_>>) {
    let mut group = criterion.benchmark_group(title);
    group
        .throughput(Throughput::Bytes(bytes))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    for Contender { name, run } in &mut contenders {
        let id = BenchmarkId::from_parameter(*name);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| run()).sum());
        });
    }
    group.finish();
    if whole_run() {
        in_turn(title, bytes, &mut contenders);
    }
}

/// Rounds of the second measurement.
const ROUNDS: usize = 15;

fn in_turn(title: &str, bytes: u64, contenders: &mut [Contender<'_>]) {
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            times.push((contender.run)());
        }
    }
    println!("\n{title}, in turn, medians of {ROUNDS} rounds:");
    let mut reference = None;
    for (Contender { name, .. }, mut times) in contenders.iter().zip(times) {
        times.sort();
        let seconds = times.get(ROUNDS / 2).map_or(f64::NAN, Duration::as_secs_f64);
        let reference = *reference.get_or_insert(seconds);
        println!(
            "  {name:<44} {:8.0} MB/s   ratio {:.2}",
            megabytes(bytes) / seconds,
            reference / seconds
        );
    }
    println!();
}

/// Lengths here are far below the 2^32 that an `f64` holds exactly.
fn megabytes(bytes: u64) -> f64 {
    u32::try_from(bytes).map_or(f64::NAN, f64::from) / 1e6
}

/// Not a filter, a list or a test run.
fn whole_run() -> bool {
    std::env::args().skip(1).all(|argument| argument == "--bench")
}
