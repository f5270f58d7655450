//! The sentinel's fault matrix: every fault in every state, played against the real program.
//!
//! [`table`] holds the matrix as data; a test proves that it and the cases agree. The cases run side by side, because
//! most of their time is waiting. `TB_CASE=WORD` plays only those whose name holds the word.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
#[path = "../serve/world/asset.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the whole path, which use all of it"
)]
mod asset;
mod cases;
mod clients;
mod crash;
mod disk;
mod envelope;
mod licence;
mod matrix;
mod model;
mod overlap;
mod plane;
mod process;
mod reader;
mod renewal;
mod scene;
mod store;
mod table;
mod transfer;
mod trust;
mod wire;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Cases at a time.
const CREW: usize = 10;

fn model_bytes() -> &'static [u8] {
    &scene::single().blobs["model.tbenc"]
}

/// Runs `work` over all items by so many threads; fails when one of them failed, after all were done.
fn crew<T: Sync>(items: &[T], threads: usize, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)));
                    if played.is_err() {
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0, "so many of {} failed", items.len());
}

#[test]
fn every_case_ends_as_the_table_says() {
    let word = std::env::var("TB_CASE").unwrap_or_default();
    let cases: Vec<_> = cases::CASES
        .iter()
        .filter(|case| case.0.contains(&word))
        .collect();
    let times: Mutex<Vec<(Duration, &str)>> = Mutex::default();
    crew(&cases, CREW, |(name, play)| {
        let begun = Instant::now();
        let played = std::panic::catch_unwind(play);
        times.lock().unwrap().push((begun.elapsed(), name));
        if let Err(cause) = played {
            println!("FAILED {name}");
            std::panic::resume_unwind(cause);
        }
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    for (time, name) in times {
        println!("{:>6.1} s  {name}", time.as_secs_f32());
    }
}
