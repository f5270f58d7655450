//! How long to wait between two attempts. Pure; the caller sleeps.

use std::time::Duration;

/// Longest wait that another side may ask for by `Retry-After`.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Exponential back-off with a ceiling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// Wait after the first failure.
    pub(crate) base: Duration,
    /// Longest wait.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The wait after failure number `failures` (from 1), between half and all of its step.
    /// `jitter` is a random number that spreads callers who failed together.
    fn wait(self, failures: u32, jitter: u8) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let step = self.base.saturating_mul(1 << doublings).min(self.cap);
        step / 2 + (step / 2).saturating_mul(u32::from(jitter)) / 255
    }

    /// The same wait, or the one that the other side asked for where that is longer: `Retry-After: 0` must not
    /// make a storm of the attempts.
    pub(crate) fn wait_at_least(self, failures: u32, asked: Option<Duration>) -> Duration {
        self.wait(failures, jitter()).max(asked.unwrap_or_default())
    }
}

/// A random byte for [`Backoff::wait`]; without a random source there is no jitter.
fn jitter() -> u8 {
    let mut byte = [0];
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => u8::from_be_bytes(byte),
        Err(_) => u8::MAX,
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3), in seconds or as a date, capped. Junk means nothing: the back-off holds.
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(text, jiff::Timestamp::now())?,
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// How long it is until an HTTP date; nothing for what is none, zero for one that has passed.
fn until(date: &str, now: jiff::Timestamp) -> Option<Duration> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let moment = parser.parse_timestamp(date).ok()?;
    Some(Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::{Backoff, MAX_RETRY_AFTER, retry_after, until};
    use http::header::RETRY_AFTER;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let backoff = Backoff {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(1),
        };
        let full: Vec<_> = (1..=6).map(|n| backoff.wait(n, 255).as_millis()).collect();
        assert_eq!(full, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.wait(2, 0).as_millis(), 100);
        assert_eq!(backoff.wait(u32::MAX, 255), backoff.cap);
        let asked = Duration::from_secs(7);
        assert_eq!(backoff.wait_at_least(1, Some(asked)), asked);
        assert!(backoff.wait_at_least(1, Some(Duration::ZERO)) >= backoff.base / 2);
    }

    #[test]
    fn retry_after_is_capped_and_junk_is_ignored() {
        let read = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("1000000000"), Some(MAX_RETRY_AFTER));
        assert_eq!(read("-1"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(read("Thu, 31 Dec 9998 23:59:59 GMT"), Some(MAX_RETRY_AFTER));
        assert_eq!(retry_after(&http::HeaderMap::new()), None);
    }

    #[test]
    fn a_date_is_a_wait_from_now() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let wait = |date| until(date, now);
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Sunday"), None);
    }
}
