//! The rules of rating, one by one: what is billed and what is not.

use crate::account::{H, Owned, account, at, committed, day, hourly, intervals, monthly, period, rate};
use trustbridge_domain::calendar::Period;
use trustbridge_domain::intervals::{IntervalKind, Wide};
use trustbridge_domain::invoice::billed_periods;
use trustbridge_domain::phase::ChangeOrderPhase;
use trustbridge_domain::rating::terms::{Change, Commitment, TermLine, in_force, months_end};
use trustbridge_domain::rating::{Cadence, Doubt, MIN_HOURS, MIN_TERM, RatedLine, Schedule};

const DAILY: Schedule = Schedule::Metered(Cadence::Daily);

fn total(lines: &[RatedLine]) -> i64 {
    lines.iter().map(|l| l.amount_minor).sum()
}

fn change(phase: ChangeOrderPhase, applied_ms: Option<i64>) -> Change {
    Change {
        id: "chg".to_owned(),
        phase,
        applied_ms,
        ends: vec!["base".to_owned()],
        adds: vec![monthly("base-2", "TunePod-4GPU", 935_000, 0)],
    }
}

#[test]
fn a_change_counts_from_applied_at_and_a_rolled_back_one_never() {
    let base = [monthly("base", "TunePod-2GPU", 580_000, at("2026-01-20"))];
    for phase in ChangeOrderPhase::ALL {
        let lines = in_force(&base, &[change(*phase, Some(at("2026-02-11")))]).unwrap();
        let expected = if *phase == ChangeOrderPhase::Applied { 2 } else { 1 };
        assert_eq!(lines.len(), expected, "{phase}");
    }
    let when = in_force(&base, &[change(ChangeOrderPhase::Applied, None)]);
    assert!(matches!(when, Err(Doubt::Terms { .. })), "{when:?}");
    let applied = change(ChangeOrderPhase::Applied, Some(at("2026-02-11")));
    let twice = in_force(&base, &[applied.clone(), applied]);
    assert!(
        matches!(twice, Err(Doubt::Terms { .. })),
        "a line ends once: {twice:?}"
    );
}

#[test]
fn a_suspended_order_pays_its_months_and_no_hours() {
    let start = at("2026-02-01");
    let mut all = intervals(
        "gen",
        1,
        &[(start, start + 10 * H), (start + 10 * H, start + 24 * H)],
    );
    all[1].kind = IntervalKind::Held;
    let owned = Owned::new("inst", &all, None, at("2026-02-02"));
    let lines = [
        hourly("gen", "StudioGen-1GPU", 175, 0, start),
        monthly("nvme", "NVMe-AddOn-2TB", 25_000, start),
    ];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, None);
    let hours = rate(&account, DAILY, period("2026-02-01", "2026-02-02")).unwrap();
    assert_eq!(total(&hours), 1750);
    let months = rate(&account, Schedule::Recurring, period("2026-02-01", "2026-03-01")).unwrap();
    assert_eq!(total(&months), 25_000);
}

#[test]
fn minimum_hours_are_once_in_a_life_not_once_a_start() {
    let start = at("2026-02-01");
    let stretches = [
        (start, start + H),
        (start + 30 * H, start + 31 * H),
        (start + 60 * H, start + 61 * H),
    ];
    let all = intervals("tune", 1, &stretches);
    let end = start + 61 * H;
    let owned = Owned::new("inst", &all, Some(end), at("2026-02-04"));
    let lines = [hourly("tune", "StudioTune-1GPU", 215, 4, start)];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, None);
    let days: Vec<Vec<RatedLine>> = ["2026-02-01", "2026-02-02", "2026-02-03"]
        .iter()
        .map(|d| rate(&account, DAILY, DAILY.period_of(day(at(d))).unwrap()).unwrap())
        .collect();
    let minimum = days.iter().flatten().filter(|l| l.sku == MIN_HOURS);
    assert_eq!(minimum.map(|l| l.amount_minor).collect::<Vec<_>>(), [215]);
    assert_eq!(days.iter().map(|d| total(d)).sum::<i64>(), 860);
}

#[test]
fn each_instance_has_its_own_minimum_and_enough_hours_have_none() {
    let start = at("2026-02-01");
    let short = intervals("gen", 1, &[(start, start + H)]);
    let long = intervals("gen", 1, &[(start, start + 3 * H)]);
    let end = Some(start + 3 * H);
    let owned = [
        Owned::new("a", &short, end, at("2026-02-02")),
        Owned::new("b", &short, end, at("2026-02-02")),
        Owned::new("c", &long, end, at("2026-02-02")),
        Owned::new("never", &[], end, at("2026-02-02")),
    ];
    let lines = [hourly("gen", "StudioGen-1GPU", 175, 2, start)];
    let instances: Vec<_> = owned.iter().map(Owned::instance).collect();
    let account = account(&lines, &instances, end);
    let rated = rate(&account, DAILY, period("2026-02-01", "2026-02-02")).unwrap();
    let minimum: Vec<_> = rated.iter().filter(|l| l.sku == MIN_HOURS).collect();
    assert_eq!(minimum.len(), 2);
    assert!(minimum.iter().all(|l| l.amount_minor == 175));
    assert_eq!(total(&rated), 2 * 350 + 525);
}

#[test]
fn an_order_that_outlived_its_term_owes_nothing_more() {
    let start = at("2026-01-01");
    let lines = [committed(monthly("base", "TunePod-1GPU", 320_000, start), 30)];
    let account = account(&lines, &[], Some(at("2026-03-01")));
    let last = rate(&account, Schedule::Recurring, period("2026-02-01", "2026-03-01")).unwrap();
    assert_eq!(total(&last), 320_000);
    assert!(last.iter().all(|l| l.sku != MIN_TERM));
}

#[test]
fn a_term_that_was_extended_is_owed_at_the_price_that_extended_it() {
    let start = at("2026-02-01");
    let first = TermLine {
        until_ms: Some(at("2026-02-11")),
        ..committed(monthly("base", "TunePod-2GPU", 580_000, start), 30)
    };
    let second = TermLine {
        commitment: Some(Commitment {
            id: "term".to_owned(),
            days: 60,
        }),
        ..monthly("base-2", "TunePod-4GPU", 935_000, at("2026-02-11"))
    };
    let lines = [first, second];
    let account = account(&lines, &[], Some(at("2026-03-01")));
    let rated = rate(&account, Schedule::Recurring, period("2026-02-01", "2026-03-01")).unwrap();
    // 30 days at 5800 and 30 at 9350 were promised; 2071.43 and 6010.71 were billed.
    assert_eq!(total(&rated), 580_000 + 935_000);
}

#[test]
fn egress_is_billed_by_the_byte_where_it_has_a_price() {
    use trustbridge_domain::intervals::{Dimension, Reading, Sources, seal};
    use trustbridge_domain::money::Rate;
    use trustbridge_domain::rating::Instance;
    use trustbridge_domain::rating::terms::Charge;
    let start = at("2026-02-01");
    let readings = [Reading {
        dimension: Dimension::EgressBytes,
        boot: "a".to_owned(),
        seq: 1,
        at_ms: start + H,
        value: Wide(120_500_000_000),
    }];
    let sources = Sources {
        instance: "inst",
        intervals: &[],
        readings: &readings,
        unfolded_since: day(start),
    };
    let records = [seal(sources, &[], day(start), at("2026-02-03")).unwrap()];
    let lines = [TermLine {
        charge: Charge::EgressGb {
            rate_micros: Rate::from_micros(87_000),
        },
        ..monthly("egress", "Egress-GB", 0, start)
    }];
    let instances = [Instance {
        name: "inst",
        records: &records,
        first_ready_ms: None,
        ended_ms: None,
    }];
    let rated = rate(
        &account(&lines, &instances, None),
        DAILY,
        period("2026-02-01", "2026-02-02"),
    )
    .unwrap();
    assert_eq!(
        (rated[0].quantity.as_str(), rated[0].amount_minor),
        ("120.500000", 1048)
    );
}

#[test]
fn weeks_and_months_bill_the_same_hours_as_days_do() {
    let start = at("2026-02-01");
    let all = intervals("gen", 1, &[(start, at("2026-03-01"))]);
    let owned = Owned::new("inst", &all, None, at("2026-03-02"));
    let lines = [hourly("gen", "StudioGen-1GPU", 175, 0, start)];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, None);
    let whole = rate(
        &account,
        Schedule::Metered(Cadence::Monthly),
        period("2026-02-01", "2026-03-01"),
    )
    .unwrap();
    let by = |cadence| -> i64 {
        let schedule = Schedule::Metered(cadence);
        let periods: Vec<Period> = billed_periods(&account, schedule, at("2026-03-02")).collect();
        periods
            .iter()
            .map(|p| total(&rate(&account, schedule, *p).unwrap()))
            .sum()
    };
    assert_eq!(total(&whole), 672 * 175);
    assert_eq!((by(Cadence::Daily), by(Cadence::Weekly)), (672 * 175, 672 * 175));
}

#[test]
fn the_last_day_that_was_asked_for_counts_whole_and_no_day_after_it() {
    let end = day(at("2026-03-31"));
    assert_eq!(
        months_end(end, at("2026-03-31T23:00:00Z")),
        Some(at("2026-03-31T23:00:00Z"))
    );
    assert_eq!(
        months_end(end, at("2026-04-01T02:00:00Z")),
        Some(at("2026-04-01"))
    );
}
