//! Which range is fetched next, and how far each file is complete from its beginning. Pure.

use std::collections::BTreeSet;

/// One file to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Its length.
    pub(super) bytes: u64,
    /// Ranges that an earlier start fetched.
    pub(super) done: BTreeSet<u64>,
    /// It is fetched before those that are not.
    pub(super) first: bool,
}

/// One range: bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) index: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

#[derive(Debug)]
struct File {
    bytes: u64,
    ranges: u64,
    next: u64,
    /// Ranges before this one are complete.
    frontier: u64,
    /// Complete ranges behind the frontier.
    ahead: BTreeSet<u64>,
}

/// The queue over all files, one after the other, so that hashing and reading keep up.
#[derive(Debug)]
pub(super) struct Queue {
    files: Vec<File>,
    /// Indices of the files, in the order in which they are fetched.
    turns: Vec<usize>,
    range_bytes: u64,
}

impl Queue {
    pub(super) fn new(plans: Vec<Plan>, range_bytes: u64) -> Self {
        let range_bytes = range_bytes.max(1);
        let mut turns: Vec<usize> = (0..plans.len()).collect();
        // Stable: beside that, files keep their order.
        turns.sort_by_key(|index| !plans.get(*index).is_some_and(|plan| plan.first));
        let files = plans
            .into_iter()
            .map(|plan| {
                let ranges = plan.bytes.div_ceil(range_bytes);
                let mut file = File {
                    bytes: plan.bytes,
                    ranges,
                    next: 0,
                    frontier: 0,
                    ahead: plan.done.into_iter().filter(|index| *index < ranges).collect(),
                };
                file.advance();
                file
            })
            .collect();
        Self {
            files,
            turns,
            range_bytes,
        }
    }

    /// The next range that nobody has; nothing when all are complete or being fetched.
    pub(super) fn take(&mut self) -> Option<Span> {
        let range_bytes = self.range_bytes;
        let files = &mut self.files;
        self.turns.iter().find_map(|number| {
            let file = files.get_mut(*number)?;
            file.next = file.next.max(file.frontier);
            while file.ahead.contains(&file.next) {
                file.next += 1;
            }
            if file.next >= file.ranges {
                return None;
            }
            let index = file.next;
            file.next += 1;
            let start = index * range_bytes;
            Some(Span {
                file: *number,
                index,
                start,
                end: start.saturating_add(range_bytes).min(file.bytes),
            })
        })
    }

    /// Notes that a range is complete; how many bytes of its file are complete from the beginning.
    pub(super) fn complete(&mut self, span: Span) -> u64 {
        if let Some(file) = self.files.get_mut(span.file) {
            file.ahead.insert(span.index);
            file.advance();
        }
        self.frontier(span.file)
    }

    /// How many bytes of a file are complete from the beginning.
    pub(super) fn frontier(&self, file: usize) -> u64 {
        self.files.get(file).map_or(0, |file| {
            file.frontier.saturating_mul(self.range_bytes).min(file.bytes)
        })
    }
}

impl File {
    fn advance(&mut self) {
        while self.ahead.remove(&self.frontier) {
            self.frontier += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Queue, Span};

    fn plan(bytes: u64, done: &[u64]) -> Plan {
        Plan {
            bytes,
            done: done.iter().copied().collect(),
            first: false,
        }
    }

    fn drain(queue: &mut Queue) -> Vec<Span> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[test]
    fn every_byte_is_covered_once() {
        for bytes in [0, 1, 9, 10, 11, 100, 101] {
            let spans = drain(&mut Queue::new(vec![plan(bytes, &[])], 10));
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.start, at);
                assert!(span.end > span.start && span.end - span.start <= 10);
                at = span.end;
            }
            assert_eq!(at, bytes);
        }
    }

    #[test]
    fn files_come_in_order_without_what_is_done() {
        let mut queue = Queue::new(vec![plan(30, &[0, 2]), plan(5, &[0]), plan(15, &[])], 10);
        assert_eq!(queue.frontier(0), 10);
        assert_eq!(queue.frontier(1), 5);
        let got: Vec<_> = drain(&mut queue)
            .iter()
            .map(|span| (span.file, span.index))
            .collect();
        assert_eq!(got, [(0, 1), (2, 0), (2, 1)]);
    }

    #[test]
    fn files_that_are_wanted_first_come_first() {
        let first = |bytes| Plan {
            first: true,
            ..plan(bytes, &[])
        };
        let mut queue = Queue::new(vec![plan(20, &[]), first(10), plan(10, &[]), first(5)], 10);
        let got: Vec<_> = drain(&mut queue).iter().map(|span| span.file).collect();
        assert_eq!(got, [1, 3, 0, 0, 2]);
    }

    #[test]
    fn the_frontier_waits_for_the_first_gap() {
        let mut queue = Queue::new(vec![plan(35, &[])], 10);
        let spans = drain(&mut queue);
        let frontiers: Vec<_> = [2, 0, 3, 1].map(|at: usize| queue.complete(spans[at])).into();
        assert_eq!(frontiers, [0, 10, 10, 35]);
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_journal_with_nonsense_covers_nothing_more() {
        let mut queue = Queue::new(vec![plan(15, &[7, 99])], 10);
        assert_eq!(drain(&mut queue).len(), 2);
        assert_eq!(queue.frontier(9), 0);
    }
}
