//! Time for the model server to start. It is started while its weights are still on their way (ADR 16), and the kubelet
//! would count that time against its start-up probe. Pure.
//!
//! What the probe was before stands in an annotation, so a pod that comes back is not given the time twice.

/// Annotation: `failureThreshold` of the model server's start-up probe as its author wrote it, or [`FROM_LIVENESS`].
pub(crate) const MARK: &str = "trustbridge.io/startup-probe";
/// Value of [`MARK`] where the author wrote a liveness probe alone, from which the start-up probe was made. While that has
/// not succeeded, the kubelet does not ask the liveness probe.
const FROM_LIVENESS: &str = "liveness";
/// `periodSeconds` where a probe names none.
const PERIOD: i64 = 10;
/// `failureThreshold` where a probe names none.
const FAILURES: i64 = 3;
/// The API counts in 32 bits.
const MOST: i64 = i32::MAX as i64;

/// Numbers of a probe as they stand in the pod.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// `periodSeconds`.
    pub(crate) period: Option<i64>,
    /// `failureThreshold`.
    pub(crate) failures: Option<i64>,
}

/// What the start-up probe becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// It is made from the liveness probe.
    pub(crate) from_liveness: bool,
    /// `periodSeconds`.
    pub(crate) period: i64,
    /// `failureThreshold`.
    pub(crate) failures: i64,
    /// Value of [`MARK`].
    pub(crate) mark: String,
}

/// The budget for a start that waits for a transfer of `seconds`; `mark` is what an earlier call wrote. None without a
/// probe that could end the start: the sentinel alone watches such a model server.
pub(crate) fn budget(
    startup: Option<Numbers>,
    liveness: Option<Numbers>,
    mark: Option<&str>,
    seconds: u64,
) -> Option<Budget> {
    let was_made = mark == Some(FROM_LIVENESS);
    let (before, own) = match (startup, liveness) {
        (None, Some(liveness)) => (liveness, None),
        (Some(_), Some(liveness)) if was_made => (liveness, None),
        // The liveness probe that it was made from is gone; what is left has its time already.
        (Some(_), None) if was_made => return None,
        (Some(startup), _) => {
            let own = mark.and_then(|mark| mark.parse().ok()).or(startup.failures);
            (startup, Some(positive(own, FAILURES)))
        }
        (None, None) => return None,
    };
    let period = positive(before.period, PERIOD);
    let needed = seconds.div_ceil(period.unsigned_abs());
    let first = own.unwrap_or_else(|| positive(before.failures, FAILURES));
    let failures = first.saturating_add_unsigned(needed).min(MOST);
    Some(Budget {
        from_liveness: own.is_none(),
        period,
        failures,
        mark: own.map_or_else(|| FROM_LIVENESS.to_owned(), |own| own.to_string()),
    })
}

/// As the API server fills in what is missing or zero; what is below zero it refuses by itself.
fn positive(number: Option<i64>, default: i64) -> i64 {
    number.filter(|n| *n > 0).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn numbers(period: i64, failures: i64) -> Numbers {
        Numbers {
            period: Some(period),
            failures: Some(failures),
        }
    }

    #[test]
    fn the_transfer_comes_on_top_once() {
        for (period, own, seconds, failures) in [
            (10, 3, 0, 3),
            (10, 3, 1, 4),
            (10, 30, 2000, 230),
            (7, 1, 100, 16),
            (1, 5, u64::MAX, MOST),
        ] {
            let first = budget(Some(numbers(period, own)), None, None, seconds).unwrap();
            assert_eq!(
                (first.failures, first.period, first.from_liveness),
                (failures, period, false)
            );
            let again = budget(
                Some(numbers(first.period, first.failures)),
                None,
                Some(&first.mark),
                seconds,
            );
            assert_eq!(again, Some(first), "{period} {own} {seconds}");
        }
    }

    #[test]
    fn what_the_probe_does_not_say_is_the_apis_default() {
        for nothing in [Numbers::default(), numbers(0, 0)] {
            let made = budget(Some(nothing), None, None, 95).unwrap();
            assert_eq!(
                (made.period, made.failures, made.mark.as_str()),
                (PERIOD, FAILURES + 10, "3")
            );
        }
    }

    #[test]
    fn a_liveness_probe_alone_waits_too() {
        let made = budget(None, Some(numbers(5, 2)), None, 50).unwrap();
        assert!(made.from_liveness);
        assert_eq!((made.period, made.failures), (5, 12));
        let again = budget(
            Some(numbers(made.period, made.failures)),
            Some(numbers(5, 2)),
            Some(&made.mark),
            50,
        );
        assert_eq!(again, Some(made.clone()));
        // Somebody takes the start-up probe away, or the liveness probe.
        assert_eq!(
            budget(None, Some(numbers(5, 2)), Some(&made.mark), 50),
            Some(made.clone())
        );
        assert_eq!(budget(Some(numbers(5, 12)), None, Some(&made.mark), 50), None);
        assert_eq!(budget(None, None, None, 50), None);
    }

    #[test]
    fn a_mark_that_says_nothing_counts_as_none() {
        let with = |mark| budget(Some(numbers(10, 4)), Some(numbers(10, 4)), mark, 100);
        assert_eq!(with(Some("x")), with(None));
        assert_eq!(with(Some("-1")).unwrap().failures, FAILURES + 10);
    }
}
