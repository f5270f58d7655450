//! Watching the runtime's health.
//!
//! Every answer is told, not only a change: the state machine wants one that was given after the last byte.

use std::io;
use std::time::Duration;

use http::StatusCode;
use tokio_util::sync::CancellationToken;
use trustbridge_domain::sentinel::Event;

use crate::config::RuntimeTarget;
use crate::events::Events;
use crate::neighbour;

const TIME: Duration = Duration::from_secs(3);
const WHILE_LOADING: Duration = Duration::from_millis(200);
const WHILE_HEALTHY: Duration = Duration::from_secs(1);
/// A busy runtime may be late. So often in a row it is ill.
const LATE: u32 = 3;
const ANSWER_BYTES: usize = 64 << 10;

/// Tells the runtime's health at every look until it is stopped.
pub(crate) async fn watch(target: RuntimeTarget, events: Events, stop: CancellationToken) {
    let mut health = Health::default();
    let watching = async {
        loop {
            let answer = neighbour::get(&target, "/health", None, TIME, ANSWER_BYTES).await;
            if let Some(event) = health.learn(answer.map(|(status, _)| status)) {
                events.send(event);
            }
            tokio::time::sleep(if health.healthy {
                WHILE_HEALTHY
            } else {
                WHILE_LOADING
            })
            .await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
    }
}

#[derive(Debug, Default)]
struct Health {
    healthy: bool,
    late: u32,
}

impl Health {
    fn learn(&mut self, answer: io::Result<StatusCode>) -> Option<Event> {
        let healthy = match answer {
            Ok(status) => status == StatusCode::OK,
            Err(error) if error.kind() == io::ErrorKind::TimedOut && self.late + 1 < LATE => {
                self.late += 1;
                return None;
            }
            Err(_) => false,
        };
        self.late = 0;
        self.healthy = healthy;
        Some(if healthy {
            Event::RuntimeHealthy
        } else {
            Event::RuntimeUnhealthy
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Health;
    use http::StatusCode;
    use std::io::{Error, ErrorKind};
    use trustbridge_domain::sentinel::Event;

    #[test]
    fn every_answer_is_told_and_lateness_is_forgiven_twice() {
        let late = || Err(Error::from(ErrorKind::TimedOut));
        let refused = || Err(Error::from(ErrorKind::ConnectionRefused));
        let mut health = Health::default();
        assert_eq!(health.learn(refused()), Some(Event::RuntimeUnhealthy));
        assert_eq!(
            health.learn(Ok(StatusCode::SERVICE_UNAVAILABLE)),
            Some(Event::RuntimeUnhealthy)
        );
        assert_eq!(health.learn(Ok(StatusCode::OK)), Some(Event::RuntimeHealthy));
        assert_eq!(health.learn(late()), None);
        assert_eq!(health.learn(Ok(StatusCode::OK)), Some(Event::RuntimeHealthy));
        assert_eq!([health.learn(late()), health.learn(late())], [None, None]);
        assert_eq!(health.learn(late()), Some(Event::RuntimeUnhealthy));
    }
}
