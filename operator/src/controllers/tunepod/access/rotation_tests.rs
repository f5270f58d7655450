//! The story of a token, crashes included.

use super::*;
use jiff::SignedDuration;

const OVERLAP: Duration = Duration::from_mins(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

/// Both Secrets, and what a pod was told last; tokens are numbers.
#[derive(Clone, Default)]
struct World {
    token: Option<String>,
    ledger: Option<Ledger>,
    made: u32,
    /// What a buyer may have read, and since when it is not the newest any more.
    read: Vec<(String, Option<Timestamp>)>,
}

impl World {
    /// One write; `is_lost`: the random token that it needed was made and then the process died before the write.
    fn step(&mut self, word: &str, now: Timestamp, is_lost: bool) -> Step {
        let step = next(self.ledger.as_ref(), self.token.as_deref(), word, now);
        if matches!(step, Step::Make | Step::Propose) {
            self.made += 1;
        }
        if is_lost {
            return step;
        }
        let fresh = format!("sum-{}", self.made);
        match (&step, self.ledger.clone()) {
            (Step::Make, _) => self.publish(fresh, now),
            (Step::Adopt, _) => {
                self.ledger = self.token.clone().map(|sum| Ledger::adopting(sum, word));
            }
            (Step::Propose, Some(l)) => self.ledger = Some(l.proposing(fresh, word)),
            (Step::Publish, Some(l)) => self.publish(l.next.unwrap(), now),
            (Step::Settle, Some(l)) => self.ledger = Some(l.settled(now, OVERLAP)),
            (Step::Retire, Some(l)) => self.ledger = Some(l.retired(now)),
            _ => {}
        }
        step
    }

    fn publish(&mut self, sum: String, now: Timestamp) {
        for (_, until) in self.read.iter_mut().filter(|(_, until)| until.is_none()) {
            *until = Some(now);
        }
        self.read.push((sum.clone(), None));
        self.token = Some(sum);
    }

    fn accepts(&self, sum: &str) -> bool {
        self.ledger
            .as_ref()
            .is_some_and(|l| l.lines().lines().any(|line| line == sum))
    }

    /// What somebody read is accepted until an overlap after it was replaced.
    fn check(&self, now: Timestamp) {
        if self.ledger.is_none() {
            return;
        }
        for (sum, replaced) in &self.read {
            let is_promised = replaced.is_none_or(|at| now < at + SignedDuration::try_from(OVERLAP).unwrap());
            assert!(
                !is_promised || self.accepts(sum),
                "{sum} is refused at {now}: {:?}",
                self.ledger
            );
        }
    }
}

#[test]
fn a_token_is_made_once_and_rests() {
    let mut world = World::default();
    let steps = [0, 1, 2].map(|second| world.step("", at(second), false));
    assert_eq!(steps, [Step::Make, Step::Adopt, Step::Rest(None)]);
    assert!(world.accepts("sum-1"));
}

#[test]
fn a_rotation_overlaps_and_then_refuses_the_old_one() {
    let mut world = World::default();
    for second in 0..2 {
        world.step("", at(second), false);
    }
    let steps = [10, 11, 12].map(|second| world.step("a", at(second), false));
    assert_eq!(steps, [Step::Propose, Step::Publish, Step::Settle]);
    let until = at(12 + 600);
    assert_eq!(world.step("a", at(13), false), Step::Rest(Some(until)));
    assert!(world.accepts("sum-1") && world.accepts("sum-2"));
    // Another one that is asked for meanwhile waits.
    assert_eq!(world.step("b", at(14), false), Step::Rest(Some(until)));
    assert_eq!(world.step("a", until, false), Step::Retire);
    assert!(!world.accepts("sum-1") && world.accepts("sum-2"));
    assert_eq!(world.step("a", until, false), Step::Rest(None));
    assert_eq!(
        world.step("", until, false),
        Step::Rest(None),
        "a word that was taken off asks for nothing"
    );
    assert_eq!(world.step("b", until, false), Step::Propose);
}

#[test]
fn a_token_that_was_lost_or_changed_is_replaced() {
    let mut world = World::default();
    for second in 0..3 {
        world.step("", at(second), false);
    }
    for changed in [None, Some("another".to_owned())] {
        let mut world = world.clone();
        world.token = changed;
        assert_eq!(world.step("", at(9), false), Step::Propose);
        assert!(world.accepts("sum-1"), "whoever has the old one goes on");
    }
    // Sums that were lost are made again from the token.
    world.ledger = None;
    assert_eq!(world.step("", at(9), false), Step::Adopt);
    assert!(world.accepts("sum-1"));
}

#[test]
fn a_token_that_was_lost_in_an_overlap_is_replaced_at_once_and_the_promise_stands() {
    let mut world = World::default();
    for second in 0..2 {
        world.step("", at(second), false);
    }
    for second in 10..13 {
        world.step("a", at(second), false);
    }
    world.token = None;
    let steps = [100, 101, 102].map(|second| {
        let step = world.step("a", at(second), false);
        world.check(at(second));
        step
    });
    assert_eq!(steps, [Step::Propose, Step::Publish, Step::Settle]);
    let (first, second) = (at(12 + 600), at(102 + 600));
    assert_eq!(world.step("a", at(103), false), Step::Rest(Some(first)));
    assert!(["sum-1", "sum-2", "sum-3"].iter().all(|sum| world.accepts(sum)));
    assert_eq!(world.step("a", first, false), Step::Retire);
    assert!(!world.accepts("sum-1") && world.accepts("sum-2") && world.accepts("sum-3"));
    world.check(first);
    assert_eq!(world.step("a", first, false), Step::Rest(Some(second)));
    assert_eq!(world.step("a", second, false), Step::Retire);
    assert_eq!(world.step("a", second, false), Step::Rest(None));
    assert!(!world.accepts("sum-2") && world.accepts("sum-3"));
}

#[test]
fn no_death_between_two_writes_refuses_a_token_that_was_read() {
    // Three rotations; at each of the first fourteen looks in turn the process dies before its write.
    for dies_at in 0..14 {
        let mut world = World::default();
        let mut now = at(0);
        for look in 0..60 {
            let asked = ["", "a", "b", "c"][(look / 12).min(3)];
            world.step(asked, now, look == dies_at);
            world.check(now);
            now += SignedDuration::from_secs(61);
        }
        let ledger = world.ledger.unwrap();
        assert_eq!(ledger.rotation, "c", "dies at {dies_at}");
        assert_eq!((ledger.next, ledger.previous), (None, None), "dies at {dies_at}");
        assert_eq!(world.token, Some(ledger.current), "dies at {dies_at}");
        assert_eq!(world.read.len(), 4, "one token for each word, dies at {dies_at}");
    }
}
