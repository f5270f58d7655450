//! Conformance of the crate to tbenc/v1: every count in a trial's name is computed from its data, and the trial
//! fails unless exactly that many cases ran.
//!
//! Four readers stand against one another: `decrypt_stream`, a plain loop over `Opener`, [`reference`] on the
//! `aes-gcm` crate, and `vectors/reader.py`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "a test's helper may fail its test"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

mod attacks;
mod environment;
mod interop;
mod mutation;
mod property;
mod python;
mod readers;
mod reference;
mod samples;
mod splices;
mod vectors;
mod wycheproof;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let groups = [
        vectors::trials(),
        python::trials(),
        interop::trials(),
        wycheproof::trials(),
        attacks::trials(),
        splices::trials(),
        property::trials(),
    ];
    libtest_mimic::run(&arguments, groups.into_iter().flatten().collect()).exit_code()
}

/// A trial that must run exactly `planned` cases; its name says how many those are.
fn counted<F>(planned: usize, name: &str, run: F) -> Trial
where
    F: FnOnce() -> Result<usize, String> + Send + 'static,
{
    Trial::test(name.replace("{}", &thousands(planned)), move || match run() {
        Ok(ran) if ran == planned && ran > 0 => Ok(()),
        Ok(ran) => Err(Failed::from(format!("{ran} cases ran, the name says {planned}"))),
        Err(difference) => Err(Failed::from(difference)),
    })
}

/// `25056` as `25,056`.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    let groups: Vec<&str> = groups
        .into_iter()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}
