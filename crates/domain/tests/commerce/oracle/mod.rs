//! The same random lives rated by a program in Python with `fractions`, line by line.

use crate::histories::{Sums, sums};
use crate::lives::{History, count, seed};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use trustbridge_domain::intervals::IntervalKind;
use trustbridge_domain::rating::Cadence;
use trustbridge_domain::rating::terms::{Charge, TermLine};

/// A history in the words of the Python program.
fn told(history: &History) -> Value {
    let cadence = match history.cadence {
        Cadence::Daily => "daily",
        Cadence::Weekly => "weekly",
        Cadence::Monthly => "monthly",
    };
    let instances: Vec<Value> = history
        .instances
        .iter()
        .map(|(name, intervals, ended)| {
            let intervals: Vec<Value> = intervals
                .iter()
                .map(|i| {
                    json!({"from": i.from_ms, "to": i.to_ms, "key": i.rate_key,
                        "serving": i.kind == IntervalKind::Serving})
                })
                .collect();
            json!({"name": name, "ended": ended, "intervals": intervals})
        })
        .collect();
    let lines: Vec<Value> = history.lines.iter().map(told_line).collect();
    json!({"cadence": cadence, "ended": history.ended_ms, "through": history.through_ms, "lines": lines,
        "instances": instances})
}

fn told_line(line: &TermLine) -> Value {
    let mut all = json!({"key": line.key, "sku": line.sku, "quantity": line.quantity, "from": line.from_ms,
        "until": line.until_ms, "commitment": line.commitment});
    match line.charge {
        Charge::Hourly {
            rate_micros,
            min_hours,
        } => {
            all["kind"] = "hourly".into();
            all["rate_micros"] = rate_micros.micros().into();
            all["min_hours"] = min_hours.into();
        }
        Charge::Monthly { price_minor } => {
            all["kind"] = "monthly".into();
            all["price_minor"] = price_minor.into();
        }
        Charge::EgressGb { .. } => panic!("the histories sell no egress"),
    }
    all
}

/// Answers of the Python program, one for each history; `name` keeps the files of two tests apart.
fn ask(name: &str, histories: &[History]) -> Vec<Sums> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commerce/oracle/rating.py");
    let questions =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("histories-{name}-{}.jsonl", std::process::id()));
    let lines: Vec<String> = histories.iter().map(|h| told(h).to_string()).collect();
    std::fs::write(&questions, lines.join("\n") + "\n").unwrap();
    let output = Command::new("python3")
        .arg(program)
        .stdin(File::open(&questions).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 must be installed: it rates the histories a second time");
    std::fs::remove_file(&questions).unwrap();
    assert!(
        output.status.success(),
        "the Python program failed: {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(answer).collect()
}

fn answer(line: &str) -> Sums {
    let lines: Vec<(String, i64, String, String, Option<String>, i64)> = serde_json::from_str(line).unwrap();
    let mut all = Sums::new();
    for (schedule, from_ms, sku, line, instance, amount) in lines {
        *all.entry((schedule, from_ms, sku, line, instance)).or_default() += amount;
    }
    all
}

#[test]
fn python_with_fractions_comes_to_the_same_lines() {
    let histories: Vec<History> = (seed()..seed() + count(10_000)).map(History::random).collect();
    let answers = ask("all", &histories);
    assert_eq!(answers.len(), histories.len());
    let mut lines = 0;
    for (seed, (history, answer)) in (seed()..).zip(histories.iter().zip(answers)) {
        let ours = sums(&history.rated());
        lines += ours.len();
        assert_eq!(ours, answer, "seed {seed}: {history:#?}");
    }
    println!("{} histories, {lines} lines, the same in Python", histories.len());
}

#[test]
fn python_finds_a_single_minor_unit() {
    let history = History::random(seed());
    let [answer] = &ask("one", std::slice::from_ref(&history))[..] else {
        panic!("one answer")
    };
    let mut ours = sums(&history.rated());
    assert_eq!(ours, *answer);
    *ours.values_mut().next().unwrap() += 1;
    assert_ne!(ours, *answer);
}
