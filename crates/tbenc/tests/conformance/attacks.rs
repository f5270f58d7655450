//! Exhaustive attacks on one file of three records: all are refused, with the class of the place that was
//! changed, and what was released before is exactly the true chunks in front of it.

use libtest_mimic::Trial;

use crate::counted;
use crate::samples::Sample;

const HEADER: usize = 32;
const CHUNK: usize = 1024;
const RECORD: usize = CHUNK + 20;

pub(crate) fn trials() -> Vec<Trial> {
    let bytes = Sample::three_kib().file.len();
    vec![
        counted(
            bytes * 8,
            "attacks: {} flipped bits of a 3 x 1 KiB file refused",
            flipped_bits,
        ),
        counted(
            HEADER * 255,
            "attacks: {} other values of header bytes refused",
            header_values,
        ),
        counted(
            3 * 4 * 255,
            "attacks: {} other values of bytes of pt_len refused",
            length_values,
        ),
        counted(bytes, "attacks: {} truncated lengths refused", truncations),
        counted(
            bytes,
            "attacks: {} files with a byte missing refused",
            missing_bytes,
        ),
        counted(
            bytes + 1,
            "attacks: {} files with a byte inserted refused",
            inserted_bytes,
        ),
        counted(256 + 2 * RECORD, "attacks: {} extended files refused", extensions),
    ]
}

/// The class that a change of the byte at this place must have, and how much is released before it.
fn place_of(at: usize) -> (&'static str, usize) {
    match at {
        0..11 | 19..32 => ("HEADER", 0),
        11..15 => ("LIMIT", 0),
        15..19 => ("AUTH", 0),
        _ => {
            let (record, within) = ((at - HEADER) / RECORD, (at - HEADER) % RECORD);
            (if within < 4 { "LIMIT" } else { "AUTH" }, record * CHUNK)
        }
    }
}

/// Puts `value` at `at`, sees that it is refused as its place says, and mends it.
fn refuses_value(sample: &Sample, damaged: &mut [u8], at: usize, value: u8) -> Result<(), String> {
    let (class, released) = place_of(at);
    damaged[at] = value;
    let refused = sample.refuses(&format!("byte {at} is {value:#04x}"), damaged, class, released);
    damaged[at] = sample.file[at];
    refused
}

fn flipped_bits() -> Result<usize, String> {
    let sample = Sample::three_kib();
    let (mut damaged, mut ran) = (sample.file.clone(), 0);
    for at in 0..sample.file.len() {
        for bit in 0..8 {
            refuses_value(&sample, &mut damaged, at, sample.file[at] ^ 1 << bit)?;
            ran += 1;
        }
    }
    Ok(ran)
}

fn other_values(places: impl Iterator<Item = usize>) -> Result<usize, String> {
    let sample = Sample::three_kib();
    let (mut damaged, mut ran) = (sample.file.clone(), 0);
    for at in places {
        for value in (0..=255).filter(|value| *value != sample.file[at]) {
            refuses_value(&sample, &mut damaged, at, value)?;
            ran += 1;
        }
    }
    Ok(ran)
}

fn header_values() -> Result<usize, String> {
    other_values(0..HEADER)
}

fn length_values() -> Result<usize, String> {
    other_values((0..3).flat_map(|record| (0..4).map(move |at| HEADER + record * RECORD + at)))
}

fn truncations() -> Result<usize, String> {
    let sample = Sample::three_kib();
    for length in 0..sample.file.len() {
        let released = length.saturating_sub(HEADER) / RECORD * CHUNK;
        sample.refuses(
            &format!("{length} bytes"),
            &sample.file[..length],
            "TRUNCATED",
            released,
        )?;
    }
    Ok(sample.file.len())
}

fn missing_bytes() -> Result<usize, String> {
    let sample = Sample::three_kib();
    for at in 0..sample.file.len() {
        let damaged = [&sample.file[..at], &sample.file[at + 1..]].concat();
        sample.refuses_as_reference(&format!("byte {at} is missing"), &damaged)?;
    }
    Ok(sample.file.len())
}

fn inserted_bytes() -> Result<usize, String> {
    let sample = Sample::three_kib();
    let mut ran = 0;
    for at in 0..=sample.file.len() {
        // A copy of the byte in front could change nothing in a run of equal bytes; its complement cannot.
        let value = sample.file.get(at).map_or(0, |byte| !byte);
        let damaged = [&sample.file[..at], &[value], &sample.file[at..]].concat();
        sample.refuses_as_reference(&format!("a byte inserted at {at}"), &damaged)?;
        ran += 1;
    }
    Ok(ran)
}

fn extensions() -> Result<usize, String> {
    let sample = Sample::three_kib();
    let (_, records) = sample.parts();
    let mut more: Vec<Vec<u8>> = (0..=255).map(|value| vec![value]).collect();
    for length in 1..=RECORD {
        more.push(records[2][..length].to_vec());
        more.push(vec![0; length + 1]);
    }
    for tail in &more {
        let damaged = [sample.file.as_slice(), tail].concat();
        sample.refuses(
            &format!("{} more bytes", tail.len()),
            &damaged,
            "TRAILING",
            2 * CHUNK,
        )?;
    }
    Ok(more.len())
}
