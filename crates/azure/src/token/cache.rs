//! One token, kept until shortly before it expires.

use super::{AccessToken, Error};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longest life of a token that is believed, in seconds.
pub(super) const LONGEST_LIFE: u64 = 24 * 60 * 60;

/// A token and when it is time for the next.
pub(super) struct Kept {
    token: AccessToken,
    renew_at: Instant,
}

impl Kept {
    /// `expires_in`: seconds.
    pub(super) fn new(token: AccessToken, expires_in: u64) -> Self {
        Self {
            token,
            renew_at: Instant::now() + kept_for(expires_in),
        }
    }
}

/// 80 % of the life that the answer gives, and of a day at most: the number is another's.
pub(super) fn kept_for(expires_in: u64) -> Duration {
    Duration::from_secs(expires_in.min(LONGEST_LIFE)) * 4 / 5
}

/// At most one token; callers that come together share one question for it.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Kept>>);

impl Cache {
    /// The token that is still good, or what `ask` brings.
    pub(super) async fn token(
        &self,
        ask: impl Future<Output = Result<Kept, Error>>,
    ) -> Result<AccessToken, Error> {
        let mut kept = self.0.lock().await;
        if let Some(good) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(good.token.clone());
        }
        let fresh = ask.await?;
        let token = fresh.token.clone();
        *kept = Some(fresh);
        Ok(token)
    }

    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
