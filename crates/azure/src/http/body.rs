//! The body of an answer, as it arrives.

use super::{Deadline, Error};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::time::Duration;
use tokio::time::Instant;

/// A body that is still being received; every read is bounded by the call's deadline.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    url: String,
    deadline: Deadline,
    idle: Option<Duration>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, url: String, deadline: Deadline) -> Self {
        Self {
            incoming,
            url,
            deadline,
            idle: None,
        }
    }

    /// Gives up when nothing arrives for `idle`, however far away the deadline is.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// The length that the other side announced.
    #[must_use]
    pub fn announced_bytes(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// The next piece; `None` at the end. A body shorter than announced is an error.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        let deadline = self.deadline.instant();
        let until = self
            .idle
            .map_or(deadline, |idle| deadline.min(Instant::now() + idle));
        loop {
            match tokio::time::timeout_at(until, self.incoming.frame()).await {
                Err(_) => {
                    return Some(Err(Error::Deadline {
                        url: self.url.clone(),
                        stage: "reading the answer's body",
                    }));
                }
                Ok(None) => return None,
                Ok(Some(Err(source))) => return Some(Err(Error::transport(self.url.clone(), &source))),
                // Trailers carry nothing that we use.
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }

    /// Reads to the end into memory; more than `limit` bytes are an error.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, Error> {
        let too_large = |url: &str| Error::BodyTooLarge {
            url: url.to_owned(),
            limit,
        };
        let announced = usize::try_from(self.announced_bytes().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large(&self.url));
        }
        let mut all = BytesMut::with_capacity(announced);
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            if all.len() + chunk.len() > limit {
                return Err(too_large(&self.url));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}
