//! A file as a block blob: blocks in parallel, then the list that makes them a blob.

use super::{BlobClient, Error};
use crate::http::Deadline;
use crate::sas::base64;
use ::http::header::CONTENT_TYPE;
use ::http::{Method, StatusCode};
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use url::Url;

/// How a file is cut and sent.
#[derive(Clone, Copy, Debug)]
pub struct UploadOptions {
    /// Bytes of one block, at most 4000 MiB.
    pub block_bytes: usize,
    /// Blocks in flight; memory used is this many blocks and one more.
    pub parallel: usize,
    /// Time for one try of one block.
    pub block_timeout: Duration,
    /// Tries for each block.
    pub tries: u32,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            block_bytes: 8 << 20,
            parallel: 4,
            block_timeout: Duration::from_mins(2),
            tries: 4,
        }
    }
}

/// The service takes at most this many blocks for one blob.
const MAX_BLOCKS: u64 = 50_000;

impl BlobClient {
    /// Uploads the file at `path`, replacing a blob that exists; the number of bytes sent. The blob appears
    /// with its last request, whole or not at all.
    pub async fn put_file(
        &self,
        container: &str,
        blob: &str,
        path: &Path,
        options: UploadOptions,
        deadline: Deadline,
    ) -> Result<u64, Error> {
        let url = self.blob_url(container, blob);
        let file_error = |source| Error::File {
            path: path.display().to_string(),
            source,
        };
        let mut file = File::open(path).await.map_err(file_error)?;
        let length = file.metadata().await.map_err(file_error)?.len();
        let block_bytes = block_bytes(length, options.block_bytes);
        let (mut tasks, mut ids, mut sent) = (JoinSet::new(), Vec::new(), 0_u64);
        loop {
            let block = read_block(&mut file, block_bytes).await.map_err(file_error)?;
            if block.is_empty() {
                break;
            }
            sent += block.len() as u64;
            let id = base64(format!("block-{:08}", ids.len()).as_bytes());
            ids.push(id.clone());
            while tasks.len() >= options.parallel.max(1) {
                finish_one(&mut tasks, path).await?;
            }
            tasks.spawn(self.clone().put_block(url.clone(), id, block, options, deadline));
        }
        while !tasks.is_empty() {
            finish_one(&mut tasks, path).await?;
        }
        self.put_block_list(&url, &ids, deadline).await?;
        Ok(sent)
    }

    async fn put_block(
        self,
        blob: Url,
        id: String,
        block: Bytes,
        options: UploadOptions,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let mut url = blob.clone();
        url.query_pairs_mut()
            .append_pair("comp", "block")
            .append_pair("blockid", &id);
        let mut pause = Duration::from_millis(200);
        for last in (0..options.tries.max(1)).map(|n| n + 1 == options.tries.max(1)) {
            let until = deadline.min(Deadline::after(options.block_timeout));
            let answer = self
                .call(Method::PUT, url.clone(), block.clone(), |head| head, until)
                .await;
            let result =
                answer.and_then(|answer| Error::unless("put block", &blob, &answer, &[StatusCode::CREATED]));
            match result {
                Err(error) if error.is_transient() && !last && deadline.remaining() > pause => {
                    tracing::debug!(%error, "block failed, trying again");
                }
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    async fn put_block_list(&self, blob: &Url, ids: &[String], deadline: Deadline) -> Result<(), Error> {
        let mut url = blob.clone();
        url.query_pairs_mut().append_pair("comp", "blocklist");
        let items: String = ids.iter().flat_map(|id| ["<Latest>", id, "</Latest>"]).collect();
        let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{items}</BlockList>");
        let head = |request: ::http::request::Builder| request.header(CONTENT_TYPE, "application/xml");
        let answer = self
            .call(Method::PUT, url, Bytes::from(xml), head, deadline)
            .await?;
        Error::unless("put block list", blob, &answer, &[StatusCode::CREATED])
    }
}

/// Larger blocks where the file would need more than the service takes.
fn block_bytes(length: u64, wanted: usize) -> usize {
    let least = usize::try_from(length.div_ceil(MAX_BLOCKS)).unwrap_or(usize::MAX);
    wanted.max(least).max(1)
}

async fn read_block(file: &mut File, size: usize) -> std::io::Result<Bytes> {
    let mut block = Vec::with_capacity(size);
    file.take(size as u64).read_to_end(&mut block).await?;
    Ok(Bytes::from(block))
}

async fn finish_one(tasks: &mut JoinSet<Result<(), Error>>, path: &Path) -> Result<(), Error> {
    match tasks.join_next().await {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(source)) => Err(Error::Upload {
            path: path.display().to_string(),
            reason: source.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::block_bytes;

    #[test]
    fn blocks_grow_with_files_that_would_need_too_many() {
        assert_eq!(block_bytes(0, 8), 8);
        assert_eq!(block_bytes(400_000, 8), 8);
        assert_eq!(block_bytes(400_001, 8), 9);
    }
}
