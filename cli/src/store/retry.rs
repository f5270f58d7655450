//! How often a request is sent again, and after how long: bounded, whatever the service asks for.

use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{RetryHeaders, RetryPolicy};
use azure_core::http::{RetryOptions, StatusCode};
use azure_core::time::Duration;
use std::sync::Arc;

/// Tries in all for one request.
const TRIES: u32 = 5;
/// The first pause; each later one is twice as long.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// A service that asks for more patience than this is asked again after this long.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// Exponential pauses with a cap on `Retry-After`.
#[derive(Debug)]
struct Bounded {
    headers: RetryHeaders,
}

/// The policy for every request: 408, 429 and the transient 5xx, and connections that fail, up to 5 tries.
pub(crate) fn options() -> RetryOptions {
    let names = ["x-ms-retry-after-ms", "retry-after-ms", "retry-after"];
    let retry_headers = names.map(HeaderName::from_static).to_vec();
    RetryOptions::custom(Arc::new(Bounded {
        headers: RetryHeaders { retry_headers },
    }))
}

fn pause(retry: u32, asked: Option<Duration>) -> std::time::Duration {
    let own = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(retry.saturating_sub(1)));
    let asked = asked.and_then(|asked| asked.try_into().ok()).unwrap_or_default();
    own.max(asked).min(LONGEST_PAUSE)
}

#[async_trait::async_trait]
impl RetryPolicy for Bounded {
    fn is_expired(&self, _: Duration, retry_count: u32) -> bool {
        retry_count + 1 >= TRIES
    }

    fn retry_headers(&self) -> Option<&RetryHeaders> {
        Some(&self.headers)
    }

    fn retry_status_codes(&self) -> &[StatusCode] {
        &[]
    }

    fn sleep_duration(&self, retry_count: u32) -> Duration {
        pause(retry_count, None).try_into().unwrap_or(Duration::SECOND)
    }

    async fn wait(&self, retry_count: u32, retry_after: Option<Duration>) {
        tokio::time::sleep(pause(retry_count, retry_after)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_no_service_can_ask_for_more_than_half_a_minute() {
        let millis: Vec<u128> = (1..5).map(|n| pause(n, None).as_millis()).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000]);
        assert_eq!(pause(1, Some(Duration::seconds(7))).as_secs(), 7);
        assert_eq!(pause(1, Some(Duration::seconds(86_400))), LONGEST_PAUSE);
        assert_eq!(pause(1, Some(Duration::seconds(-5))), FIRST_PAUSE);
    }

    #[test]
    fn five_tries_in_all() {
        let policy = Bounded {
            headers: RetryHeaders::default(),
        };
        assert!(!policy.is_expired(Duration::ZERO, 3));
        assert!(policy.is_expired(Duration::ZERO, 4));
    }
}
