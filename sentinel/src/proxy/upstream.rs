//! Connections to the runtime, kept for the next request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::body::RequestBody;
use crate::config::RuntimeTarget;
use crate::neighbour;

const CONNECT: Duration = Duration::from_secs(5);
/// A connection is not used again when it was idle for longer. Model servers close theirs after seconds (uvicorn:
/// five), and a request that meets such an end on its way may have been worked on: it cannot be sent again.
const KEPT: Duration = Duration::from_secs(2);
/// How often connections are closed that were idle for too long.
const SWEEP: Duration = Duration::from_secs(1);
/// Idle connections at a time; more are closed.
const IDLE: usize = 64;

/// One connection, free for a request.
pub(super) type Connection = SendRequest<RequestBody>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Error {
    /// Nobody listens.
    Unreachable(io::Error),
    /// The exchange broke off.
    Broken(hyper::Error),
}

/// See the module.
pub(super) struct Upstream {
    target: RuntimeTarget,
    /// The one used last is at the end, and is used next: the others grow old.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Upstream {
    pub(super) fn new(target: RuntimeTarget) -> Self {
        Self {
            target,
            idle: Mutex::default(),
        }
    }

    /// Sends a request, over a kept connection if there is one, and waits for the head of the answer. Whoever reads
    /// the answer to its end gives the connection back with [`keep`](Self::keep).
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), Error> {
        while let Some(mut connection) = self.take() {
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(mut error) => match error.take_message() {
                    // It was closed in this moment, before anything of the request left.
                    Some(unsent) => request = unsent,
                    None => return Err(Error::Broken(error.into_error())),
                },
            }
        }
        let mut connection = neighbour::connect(&self.target, CONNECT)
            .await
            .map_err(Error::Unreachable)?;
        let answer = connection.send_request(request).await.map_err(Error::Broken)?;
        Ok((answer, connection))
    }

    /// Takes back a connection whose answer was read to its end.
    pub(super) fn keep(&self, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((_, oldest)) = idle.first()
            && (idle.len() >= IDLE || now.duration_since(*oldest) >= KEPT)
        {
            idle.remove(0);
        }
        idle.push((connection, now));
    }

    /// Closes connections that are too old to be used again, without end: a runtime must not hold them until somebody
    /// asks something.
    pub(super) async fn close_stale(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(_, since)| since.elapsed() < KEPT);
        }
    }

    /// The connection that was used last and can be used again. One that is not ready still has something of its
    /// last exchange to send; it is closed.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((connection, since)) = idle.pop() {
            if since.elapsed() >= KEPT {
                // Those before it are older.
                idle.clear();
            } else if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }
}
