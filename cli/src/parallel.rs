//! The files of a directory, several at once.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Says to all that work on one directory that it is over: a sibling failed, or a signal came.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) || interrupt::requested()
    }
}

/// Does `work` on every item, `at_once` of them at a time, and gives the results in the items' order.
///
/// The longest items begin first, so that the last one to end is a short one. After a failure no item is begun any
/// more and those that run are stopped; what is reported is the failure, not that others stopped for it.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    length: impl Fn(&T) -> u64,
    stop: &Stop,
    work: impl Fn(&T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let mut order: Vec<(usize, &T)> = items.iter().enumerate().collect();
    order.sort_by_key(|(_, item)| std::cmp::Reverse(length(item)));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        while let Some((index, item)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = if stop.is_set() {
                Err(Failure::interrupted())
            } else {
                work(item)
            };
            if result.is_err() {
                stop.0.store(true, Ordering::Relaxed);
            }
            // The list is whole whatever happened to another worker.
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((*index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..at_once.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    in_order(done.into_iter().map(|(_, result)| result))
}

/// All results, or the first failure that is a cause.
fn in_order<R>(results: impl Iterator<Item = Result<R, Failure>>) -> Result<Vec<R>, Failure> {
    let mut all = Vec::new();
    let mut stopped = None;
    for result in results {
        match result {
            Ok(value) => all.push(value),
            Err(failure) if failure.exit == Exit::Interrupted => stopped = Some(failure),
            Err(cause) => return Err(cause),
        }
    }
    stopped.map_or(Ok(all), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..50).collect();
        let doubled = each(&items, 4, |item| *item, &Stop::default(), |item| Ok(item * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_cause_is_reported_and_not_that_others_stopped() {
        let stop = Stop::default();
        let begun = AtomicUsize::new(0);
        let items: Vec<u64> = (0..1000).collect();
        let failure = each(
            &items,
            2,
            |_| 0,
            &stop,
            |item| {
                begun.fetch_add(1, Ordering::Relaxed);
                if *item == 3 {
                    return Err(Failure::data("three"));
                }
                Ok(())
            },
        )
        .unwrap_err();
        assert_eq!(failure.to_string(), "three");
        assert!(stop.is_set() && begun.load(Ordering::Relaxed) < 1000);
    }
}
