//! A blob as `Read`: ranges fetched ahead in parallel, handed out in order, all of one generation of the blob.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZero;
use std::sync::Arc;

use azure_core::http::Etag;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::BlobClientDownloadOptions;
use bytes::{Buf, Bytes};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::credential::Access;
use super::refusal::{self, Answer};
use super::remote::unfinished;
use crate::failure::{Exit, Failure};
use crate::remote::TimeLimit;

/// Bytes of one range.
const RANGE_BYTES: u64 = 4 << 20;
/// Ranges in memory at once, the one that is being read included.
const RANGES: usize = 4;
/// Tries for one range whose body breaks off; each request has its own besides.
const TRIES: u32 = 4;

/// What a range is fetched from.
#[derive(Clone)]
pub(super) struct Source {
    client: Arc<BlobClient>,
    access: Access,
    etag: String,
}

/// Reads a blob from its start to its end. Dropping it ends what is being fetched.
pub(crate) struct RangeReader {
    runtime: Arc<Runtime>,
    source: Source,
    length: u64,
    next: u64,
    ahead: VecDeque<JoinHandle<Result<Bytes, Failure>>>,
    current: Bytes,
    limit: TimeLimit,
}

impl RangeReader {
    pub(super) fn new(runtime: Arc<Runtime>, source: Source, length: u64, limit: TimeLimit) -> Self {
        Self {
            runtime,
            source,
            length,
            next: 0,
            ahead: VecDeque::new(),
            current: Bytes::new(),
            limit,
        }
    }

    fn fetch_ahead(&mut self) {
        while self.next < self.length && self.ahead.len() < RANGES {
            let range = self.next..self.length.min(self.next + RANGE_BYTES);
            self.next = range.end;
            let source = self.source.clone();
            let task = self.runtime.spawn(async move { source.range(range).await });
            self.ahead.push_back(task);
        }
    }

    fn advance(&mut self) -> Result<(), Failure> {
        // The last range's memory is free before another one is asked for.
        self.current = Bytes::new();
        self.fetch_ahead();
        let Some(task) = self.ahead.pop_front() else {
            return Ok(());
        };
        let done = async {
            task.await
                .map_err(|e| Failure::new(Exit::Io, format!("a range ended early: {e}")))?
        };
        self.current = self.runtime.block_on(self.limit.hold(unfinished, done))?;
        Ok(())
    }
}

impl Read for RangeReader {
    /// An error carries the [`Failure`] itself: `store::remote::failure_of` takes it out again.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !out.is_empty() {
            self.advance().map_err(io::Error::other)?;
        }
        let count = out.len().min(self.current.len());
        if let Some(out) = out.get_mut(..count) {
            self.current.copy_to_slice(out);
        }
        Ok(count)
    }
}

impl Drop for RangeReader {
    fn drop(&mut self) {
        for task in &self.ahead {
            task.abort();
        }
    }
}

impl Source {
    pub(super) fn new(client: BlobClient, access: Access, etag: String) -> Self {
        Self {
            client: Arc::new(client),
            access,
            etag,
        }
    }

    async fn range(&self, range: std::ops::Range<u64>) -> Result<Bytes, Failure> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.once(range.clone()).await {
                Err(failure) if failure.exit == Exit::Unavailable && tried < TRIES => {}
                other => return other,
            }
        }
    }

    async fn once(&self, range: std::ops::Range<u64>) -> Result<Bytes, Failure> {
        let wanted = range.end - range.start;
        let options = BlobClientDownloadOptions {
            if_match: Some(Etag::from(self.etag.as_str())),
            parallel: Some(NonZero::<usize>::MIN),
            partition_size: usize::try_from(wanted).ok().and_then(NonZero::new),
            range: Some(range.into()),
            ..BlobClientDownloadOptions::default()
        };
        let downloaded = match self.client.download(Some(options)).await {
            Ok(answer) => answer.body.collect().await,
            Err(error) => Err(error),
        };
        let bytes = downloaded.map_err(|error| self.refused(&error))?;
        if bytes.len() as u64 == wanted {
            return Ok(bytes);
        }
        let (url, got) = (
            trustbridge_azure::http::redact(self.client.url().as_str()),
            bytes.len(),
        );
        let text = format!("{url}: {got} bytes came where {wanted} were asked for; try again");
        Err(Failure::new(Exit::Unavailable, text))
    }

    fn refused(&self, error: &azure_core::Error) -> Failure {
        let url = self.client.url();
        if Answer::of(error).is_some_and(|answer| answer.status == 412) {
            let url = trustbridge_azure::http::redact(url.as_str());
            return Failure::data(format!(
                "{url}: the blob was replaced while it was read; start again"
            ));
        }
        refusal::failure("reading", url, &self.access, error)
    }
}
