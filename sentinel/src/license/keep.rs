//! Renewal while the model is fetched and served.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{Error, License};

/// Wait between two failed renewals, each of which is several attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// Why renewing ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Refused.
    Error(Error),
    /// It ran out, and no attempt to renew it succeeded.
    Expired(String),
}

/// Renews the authorisation in time, for ever; returns when that has come to an end, `grace` after `expires_at` at
/// the latest.
pub(crate) async fn keep(license: &License, grace: Duration) -> Ended {
    loop {
        let Some(grant) = license.current() else {
            return Ended::Error(Error::Unavailable(
                "there is no authorisation to renew".to_owned(),
            ));
        };
        sleep_until(grant.refresh_at()).await;
        let end = grant.expires() + grace;
        // A control plane that hangs must not carry serving past the end.
        let Ok(renewed) = timeout_at(end, license.renew(grant.generation)).await else {
            return Ended::Expired(
                "the control plane did not answer before the authorisation ran out".to_owned(),
            );
        };
        match renewed {
            Ok(_) => {}
            Err(Error::Unavailable(message)) if Instant::now() >= end => {
                return Ended::Expired(message);
            }
            Err(Error::Unavailable(message)) => {
                tracing::warn!("the authorisation could not be renewed yet: {message}");
                sleep(PAUSE).await;
            }
            Err(error) => return Ended::Error(error),
        }
    }
}
