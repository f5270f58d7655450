//! Records in every other order, and every file joined to every other one at every byte.

use std::collections::HashSet;

use libtest_mimic::Trial;

use crate::counted;
use crate::samples::{KEY, PREFIX, Sample, text};

const CHUNK: u32 = 16;
const MOST_RECORDS: usize = 5;

pub(crate) fn trials() -> Vec<Trial> {
    let spliced = splices();
    let mixtures = 4 * ((1 << MOST_RECORDS) - 1);
    vec![
        counted(
            2 * sequences_in_all(),
            "attacks: {} orders, repetitions and omissions of up to 5 records refused",
            sequences,
        ),
        counted(
            mixtures,
            "attacks: {} files with records of another file refused",
            mixed_records,
        ),
        counted(
            spliced.len(),
            "attacks: {} splices of two of 7 files refused",
            move || {
                for (sample, what, bytes) in &spliced {
                    sample.refuses_as_reference_with(&sample.stated(&sample.file), what, bytes)?;
                }
                Ok(spliced.len())
            },
        ),
    ]
}

/// All sequences of up to n + 1 out of n records but the right one: permutations, repetitions and omissions.
fn sequences_in_all() -> usize {
    (1..=MOST_RECORDS)
        .map(|n| {
            (0..=n + 1)
                .map(|length| n.pow(u32::try_from(length).unwrap()))
                .sum::<usize>()
                - 1
        })
        .sum()
}

/// Files of one to five records, the last one full or short.
fn sequences() -> Result<usize, String> {
    let mut ran = 0;
    for (n, short) in (1..=MOST_RECORDS).flat_map(|n| [(n, 0), (n, 7)]) {
        let sample = Sample::new(KEY, PREFIX, CHUNK, text(n * CHUNK as usize - short));
        let (head, records) = sample.parts();
        for length in 0..=n + 1 {
            for number in 0..n.pow(u32::try_from(length).unwrap()) {
                let order = digits(number, n, length);
                if order.iter().copied().eq(0..n) {
                    continue;
                }
                let chosen = order.iter().map(|index| records[*index]);
                let damaged: Vec<u8> = std::iter::once(head).chain(chosen).flatten().copied().collect();
                sample.refuses_as_reference(&format!("{n} records as {order:?}"), &damaged)?;
                ran += 1;
            }
        }
    }
    Ok(ran)
}

/// A number's digits to the base of `n`: every sequence of that length once.
fn digits(mut number: usize, n: usize, length: usize) -> Vec<usize> {
    let mut digits = Vec::new();
    for _ in 0..length {
        digits.push(number % n);
        number /= n;
    }
    digits
}

/// Each record from this file or from that one, in every mixture; the header stays.
fn mixed_records() -> Result<usize, String> {
    let plain = text(MOST_RECORDS * CHUNK as usize);
    let sample = Sample::new(KEY, PREFIX, CHUNK, plain.clone());
    let others = [
        Sample::new(KEY, [0; 4], CHUNK, plain.clone()),
        Sample::new([0xf0; 32], PREFIX, CHUNK, plain.clone()),
        Sample::new(KEY, [0; 4], CHUNK, plain.iter().rev().copied().collect()),
        Sample::new([0xf0; 32], [0; 4], CHUNK, plain),
    ];
    let (head, own) = sample.parts();
    let mut ran = 0;
    for other in &others {
        let (_, foreign) = other.parts();
        for mask in 1_u32..1 << MOST_RECORDS {
            let chosen = (0..MOST_RECORDS).map(|n| if mask >> n & 1 == 1 { foreign[n] } else { own[n] });
            let damaged: Vec<u8> = std::iter::once(head).chain(chosen).flatten().copied().collect();
            let first = mask.trailing_zeros() as usize * CHUNK as usize;
            sample.refuses(&format!("mixture {mask:05b}"), &damaged, "AUTH", first)?;
            ran += 1;
        }
    }
    Ok(ran)
}

/// Seven files. Under one key they have beginnings of one content: another one, whole and read as the first,
/// would release its own chunks, which is why a key is used for one file alone.
fn files() -> Vec<Sample> {
    let plain = text(40);
    vec![
        Sample::new(KEY, PREFIX, CHUNK, plain.clone()),
        Sample::new(KEY, [1; 4], CHUNK, plain.clone()),
        Sample::new([0xf0; 32], PREFIX, CHUNK, plain.clone()),
        Sample::new(KEY, [2; 4], 8, plain.clone()),
        Sample::new([0x55; 32], PREFIX, CHUNK, plain.iter().rev().copied().collect()),
        Sample::new(KEY, [3; 4], CHUNK, text(64)),
        Sample::new(KEY, [4; 4], CHUNK, Vec::new()),
    ]
}

/// The front of one file and the back of another, cut at every byte, read under the first one's manifest;
/// what gives the first file itself is left out.
fn splices() -> Vec<(Sample, String, Vec<u8>)> {
    let (files, mut made) = (files(), Vec::new());
    for (i, front) in files.iter().enumerate() {
        let mut seen = HashSet::from([front.file.clone()]);
        for (j, back) in files.iter().enumerate().filter(|(j, _)| *j != i) {
            for cut in 0..=front.file.len().min(back.file.len()) {
                let bytes = [&front.file[..cut], &back.file[cut..]].concat();
                if seen.insert(bytes.clone()) {
                    made.push((front.clone(), format!("files {i} and {j} cut at {cut}"), bytes));
                }
            }
        }
    }
    made
}
