use super::*;
use crate::calendar::{DAY_MS, Period, day_period, midnight_ms, parse_date};
use crate::rational::Ratio;
use jiff::civil::Date;
use proptest::prelude::*;

const H: i64 = 3_600_000;

fn shape(gpus: u32, key: &str) -> Shape {
    Shape {
        kind: IntervalKind::Serving,
        gpus,
        nvme_gb: 4000,
        rate_key: key.to_owned(),
    }
}

fn day(text: &str) -> Date {
    parse_date("day", text).unwrap()
}

fn at(text: &str) -> i64 {
    midnight_ms(day(text)).unwrap()
}

fn sources<'a>(intervals: &'a [Interval], readings: &'a [Reading]) -> Sources<'a> {
    Sources {
        instance: "inst",
        intervals,
        readings,
        unfolded_since: Date::MIN,
    }
}

/// Seals `days` from the first on, each as soon as it may be.
fn sealed(intervals: &[Interval], readings: &[Reading], first: Date, days: usize) -> Vec<DayRecord> {
    let mut chain = Vec::new();
    let mut day = first;
    for _ in 0..days {
        let now = day_period(day).unwrap().to_ms + GRACE_MS;
        chain.push(seal(sources(intervals, readings), &chain, day, now).unwrap());
        day = day.tomorrow().unwrap();
    }
    chain
}

#[test]
fn a_february_of_two_gpus_is_672_hours_1344_gpu_hours_and_4000_gb() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(2, "base"), "Ready", at("2026-02-01"), 0).unwrap();
    let february = Period::new(at("2026-02-01"), at("2026-03-01")).unwrap();
    let usage = measure(&ledger, february, at("2026-03-05")).unwrap()["base"];
    assert_eq!(usage.instance_hours().unwrap().to_decimal(4).unwrap(), "672.0000");
    assert_eq!(usage.gpu_hours().unwrap().to_decimal(4).unwrap(), "1344.0000");
    assert_eq!(usage.nvme_gb_mean(february), Some(Ratio::whole(4000)));
}

#[test]
fn gpu_hours_follow_the_shape_of_each_interval() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(2, "two"), "Ready", 0, 0).unwrap();
    reshape(&mut ledger, shape(4, "four"), "Applied", 10 * H).unwrap();
    assert!(close(&mut ledger, "Draining", Some("drainStart"), 12 * H));
    let all = measure(&ledger, Period::new(0, DAY_MS).unwrap(), DAY_MS).unwrap();
    assert_eq!((all["two"].gpu_ms, all["four"].gpu_ms), (20 * H, 8 * H));
    assert_eq!(ledger[0].to_ms, Some(ledger[1].from_ms));
}

#[test]
fn a_clock_that_steps_back_neither_doubles_nor_shortens() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(1, "k"), "Ready", 10 * H, 0).unwrap();
    close(&mut ledger, "Suspended", None, 5 * H);
    assert_eq!(
        ledger[0].to_ms,
        Some(10 * H),
        "an interval never ends before it begins"
    );
    open(&mut ledger, shape(1, "k"), "Ready", 7 * H, 0).unwrap();
    assert_eq!(ledger[1].from_ms, 10 * H);
    close(&mut ledger, "Draining", None, 12 * H);
    assert!(
        !close(&mut ledger, "Draining", None, 20 * H),
        "the first end stands"
    );
    assert_eq!(ledger[1].to_ms, Some(12 * H));
}

#[test]
fn nothing_counts_before_the_order_is_confirmed_and_nothing_opens_twice() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(1, "k"), "Ready", H, 3 * H).unwrap();
    assert_eq!(ledger[0].from_ms, 3 * H);
    let twice = open(&mut ledger, shape(1, "k"), "Ready", 4 * H, 0);
    assert_eq!(twice, Err(LedgerError::AlreadyOpen { seq: 0 }));
}

#[test]
fn what_is_held_keeps_its_disk_and_costs_no_hours() {
    let held = Shape {
        kind: IntervalKind::Held,
        ..shape(2, "base")
    };
    let mut ledger = Vec::new();
    open(&mut ledger, held, "Suspended", 0, 0).unwrap();
    let usage = measure(&ledger, Period::new(0, H).unwrap(), H).unwrap()["base"];
    assert_eq!((usage.instance_ms, usage.gpu_ms), (0, 0));
    assert_eq!(usage.nvme_byte_ms.0, 4_000_000_000_000 * i128::from(H));
}

#[test]
fn only_ready_and_what_the_buyer_breaks_is_billed_by_the_hour() {
    use crate::phase::TunePodPhase as P;
    for phase in P::ALL {
        let expected = match phase {
            P::Ready => Some(IntervalKind::Serving),
            P::Suspended | P::Degraded => Some(IntervalKind::Held),
            _ => None,
        };
        assert_eq!(metered_as(*phase, Cause::Seller), expected, "{phase}");
    }
    assert_eq!(metered_as(P::Degraded, Cause::Buyer), Some(IntervalKind::Serving));
}

#[test]
fn closed_intervals_are_immutable_and_fold_from_the_front_only() {
    let mut old = Vec::new();
    open(&mut old, shape(1, "k"), "Ready", 0, 0).unwrap();
    reshape(&mut old, shape(2, "k"), "Applied", H).unwrap();
    let mut new = old.clone();
    close(&mut new, "Draining", Some("drainStart"), 2 * H);
    assert_eq!(replaces(&old, &new), Ok(()));
    assert_eq!(replaces(&old, &new[1..]), Ok(()), "a closed first one may fold");
    let mut longer = new.clone();
    longer[0].gpus = 4;
    assert_eq!(replaces(&old, &longer), Err(LedgerError::Immutable { seq: 0 }));
    let mut reopened = new.clone();
    reopened[1].to_ms = Some(3 * H);
    assert_eq!(replaces(&new, &reopened), Err(LedgerError::Immutable { seq: 1 }));
    assert_eq!(replaces(&old, &new[..1]), Err(LedgerError::Immutable { seq: 1 }));
    let mut moved = new.clone();
    moved[1].from_ms -= 1;
    assert!(matches!(replaces(&old, &moved), Err(LedgerError::Overlap { .. })));
}

#[test]
fn overlaps_gaps_in_numbers_and_backward_intervals_are_no_ledger() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(1, "k"), "Ready", 0, 0).unwrap();
    reshape(&mut ledger, shape(1, "k"), "Applied", H).unwrap();
    let period = Period::new(0, DAY_MS).unwrap();
    let mut broken = ledger.clone();
    broken[0].to_ms = Some(2 * H);
    assert!(matches!(
        measure(&broken, period, DAY_MS),
        Err(LedgerError::Overlap { .. })
    ));
    let mut broken = ledger.clone();
    broken[1].seq = 5;
    assert!(matches!(check(&broken), Err(LedgerError::Sequence { seq: 5 })));
    let mut broken = ledger;
    broken[0].to_ms = Some(-1);
    assert!(matches!(check(&broken), Err(LedgerError::Backwards { .. })));
}

#[test]
fn a_day_is_sealed_two_hours_after_its_end_and_in_order() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(1, "k"), "Ready", at("2026-02-01"), 0).unwrap();
    let end = at("2026-02-02");
    let early = seal(sources(&ledger, &[]), &[], day("2026-02-01"), end + GRACE_MS - 1);
    assert!(matches!(early, Err(SealError::TooEarly(_))));
    let chain = sealed(&ledger, &[], day("2026-02-01"), 2);
    let gap = seal(sources(&ledger, &[]), &chain, day("2026-02-04"), at("2026-03-01"));
    assert!(matches!(gap, Err(SealError::NotNext { .. })));
    assert_eq!(chain[0].hours.len(), 24);
    assert_eq!(chain[1].prev_hash, chain[0].content_hash);
    verify_chain(&chain).unwrap();
}

#[test]
fn a_changed_a_missing_and_a_swapped_record_break_the_chain() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(1, "k"), "Ready", at("2026-02-01"), 0).unwrap();
    let chain = sealed(&ledger, &[], day("2026-02-01"), 4);
    let mut changed = chain.clone();
    changed[1].hours[3].usage.instance_ms -= 1;
    assert!(matches!(verify_chain(&changed), Err(ChainError::Content { .. })));
    let mut missing = chain.clone();
    missing.remove(2);
    assert!(matches!(verify_chain(&missing), Err(ChainError::Link { .. })));
    assert!(
        matches!(verify_chain(&chain[1..]), Err(ChainError::Link { .. })),
        "the first has no `prevHash`"
    );
    let mut swapped = chain;
    swapped.swap(1, 2);
    assert!(verify_chain(&swapped).is_err());
}

#[test]
fn a_later_truth_is_booked_once_in_the_next_open_day() {
    let mut ledger = Vec::new();
    open(&mut ledger, shape(2, "k"), "Ready", at("2026-02-01"), 0).unwrap();
    let mut chain = sealed(&ledger, &[], day("2026-02-01"), 2);
    // The node was lost on the 2nd at 20:00, which is known only now.
    close(
        &mut ledger,
        "NodeLost",
        Some("nodeLoss"),
        at("2026-02-02") + 20 * H,
    );
    for text in ["2026-02-03", "2026-02-04"] {
        let record = seal(sources(&ledger, &[]), &chain, day(text), at("2026-02-06")).unwrap();
        chain.push(record);
    }
    let [correction] = &chain[2].adjustments[..] else {
        panic!("one adjustment: {:?}", chain[2].adjustments)
    };
    assert_eq!(
        (correction.of_day, correction.usage.instance_ms),
        (day("2026-02-02"), -4 * H)
    );
    assert_eq!(correction.usage.gpu_ms, -8 * H);
    assert!(chain[3].adjustments.is_empty(), "booked once");
    verify_chain(&chain).unwrap();
}

fn reading(boot: &str, seq: u64, at_ms: i64, value: i128) -> Reading {
    Reading {
        dimension: Dimension::EgressBytes,
        boot: boot.to_owned(),
        seq,
        at_ms,
        value: Wide(value),
    }
}

#[test]
fn counters_rise_within_a_boot_and_begin_anew_with_the_next() {
    let readings = [
        reading("b", 1, H + 1, 5),
        reading("a", 1, 1, 100),
        reading("a", 2, H, 150),
        reading("a", 1, 1, 100),
    ];
    let counts = counted(&readings).unwrap();
    assert_eq!(counts[&(0, Dimension::EgressBytes)], 100);
    assert_eq!(counts[&(1, Dimension::EgressBytes)], 55);
    let fell = counted(&[reading("a", 1, 0, 9), reading("a", 2, 1, 8)]).unwrap_err();
    assert_eq!((fell.before, fell.after), (9, 8));
}

#[test]
fn bytes_that_are_read_late_are_not_lost_and_folded_readings_not_doubled() {
    let first = at("2026-02-01");
    let early = [reading("a", 1, first + H, 100)];
    let mut chain = vec![seal(sources(&[], &early), &[], day("2026-02-01"), at("2026-02-03")).unwrap()];
    assert_eq!(chain[0].counted_of(Dimension::EgressBytes), Some(100));
    // Reading 2 arrives late; reading 1 has folded into it.
    let late = [
        reading("a", 2, first + 2 * H, 130),
        reading("a", 3, first + DAY_MS + H, 131),
    ];
    chain.push(seal(sources(&[], &late), &chain, day("2026-02-02"), at("2026-02-04")).unwrap());
    assert_eq!(chain[1].counted_of(Dimension::EgressBytes), Some(31));
    assert_eq!(
        chain[1].counted_of(Dimension::StorageUsedByteMs),
        None,
        "no source, no number"
    );
    let lost = seal(
        sources(&[], &early[..0]),
        &chain,
        day("2026-02-03"),
        at("2026-02-05"),
    );
    assert!(
        matches!(lost, Err(SealError::Lost { missing: 131, .. })),
        "{lost:?}"
    );
}

#[test]
fn mean_storage_of_a_day_is_byte_milliseconds_over_the_day() {
    let day = Period::new(0, DAY_MS).unwrap();
    let used = Wide(850_000_000_000 * i128::from(DAY_MS));
    assert_eq!(used.gb_mean(day), Some(Ratio::whole(850)));
}

proptest! {
    #[test]
    fn any_edits_make_a_ledger_whose_days_sum_to_its_intervals(
        steps in proptest::collection::vec((0u8..4, -40_000_000i64..90_000_000, 0u32..5), 1..40)
    ) {
        let (mut ledger, mut now) = (Vec::new(), 0_i64);
        for (what, by, gpus) in steps {
            now = (now + by).max(0);
            let old = ledger.clone();
            match what {
                0 => { let _ = open(&mut ledger, shape(gpus, "a"), "Ready", now, 0); }
                1 => { close(&mut ledger, "Suspended", None, now); }
                2 => reshape(&mut ledger, shape(gpus, "b"), "Applied", now).unwrap(),
                _ => { let _ = open(&mut ledger, Shape { kind: IntervalKind::Held, ..shape(gpus, "a") }, "Suspended", now, 0); }
            }
            prop_assert_eq!(check(&ledger), Ok(()));
            prop_assert_eq!(replaces(&old, &ledger), Ok(()));
        }
        let last = ledger.iter().map(|i| i.to_ms.unwrap_or(i.from_ms)).max().unwrap_or(0).max(now);
        close(&mut ledger, "Draining", None, last);
        let whole = measure(&ledger, Period::new(0, last + DAY_MS).unwrap(), last).unwrap();
        let mut sum = Measure::new();
        for at in (0..=last).step_by(usize::try_from(DAY_MS).unwrap()) {
            for (key, usage) in measure(&ledger, Period::new(at, at + DAY_MS).unwrap(), last).unwrap() {
                let before = sum.get(&key).copied().unwrap_or_default();
                sum.insert(key, before.plus(usage).unwrap());
            }
        }
        prop_assert_eq!(sum, whole);
    }
}
