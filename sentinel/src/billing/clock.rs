//! The time of day for the books: the metering service's where it told it, else this machine's.
//!
//! Which hours can be reported is decided by the service's clock. Its `Date` header, carried on by a clock that
//! does not step, keeps a machine whose clock is wrong from naming hours that the service refuses.

/// See the module. All times in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// What the service said, and when that was by the steady clock.
    told: Option<(i64, u64)>,
}

impl Clock {
    /// The service said that it is `date_ms`; the steady clock says `steady_ms`.
    pub(crate) fn learn(&mut self, date_ms: i64, steady_ms: u64) {
        self.told = Some((date_ms, steady_ms));
    }

    /// The time of day; `wall_ms` is what this machine says.
    pub(crate) fn now_ms(&self, wall_ms: i64, steady_ms: u64) -> i64 {
        self.told.map_or(wall_ms, |(date_ms, at_ms)| {
            let since = i64::try_from(steady_ms.saturating_sub(at_ms)).unwrap_or(i64::MAX);
            date_ms.saturating_add(since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_services_time_goes_on_by_the_steady_clock() {
        let mut clock = Clock::default();
        assert_eq!(clock.now_ms(7, 1000), 7);
        clock.learn(5_000_000, 1000);
        assert_eq!(clock.now_ms(-99, 3500), 5_002_500);
        assert_eq!(clock.now_ms(i64::MAX, 0), 5_000_000);
    }
}
