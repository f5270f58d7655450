//! Sending one file: read once, hashed and sent at the same time, and a blob only when all of it was right.
//!
//! The file's SHA-256 runs over the blocks as they leave, and the list that makes them a blob is sent only when it
//! is the manifest's. Hashing first and sending afterwards would read 150 GB twice and still not notice a file that
//! changes in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;

use super::blocks::{Block, Cut, Reader, Whole};
use super::container::Container;
use super::plan::{Item, Step, step};
use crate::failure::{Exit, Failure};
use crate::progress::Progress;

/// What one file took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) sent: u64,
    /// Staged by an earlier run.
    pub(crate) reused: u64,
}

/// Uploads a file in blocks, up to `concurrency` at once.
pub(crate) async fn file(
    container: &Container,
    item: &Item,
    concurrency: u64,
    progress: &Progress,
) -> Result<Moved, Failure> {
    let staged = container.staged(&item.name).await?;
    let cut = Cut::of(item.bytes, concurrency);
    let shares = usize::try_from(cut.in_flight + 1).unwrap_or(2);
    let reader = Reader {
        path: item.path.clone(),
        cut,
        memory: Arc::new(Semaphore::new(shares)),
    };
    let (sender, blocks) = mpsc::channel(1);
    let runtime = Handle::current();
    let reading = tokio::task::spawn_blocking(move || reader.run(&runtime, &sender));
    let moved = stage(container, item, &staged, blocks, progress).await?;
    let whole = reading.await.map_err(|e| ended(&e))??;
    check(item, &whole)?;
    if !container.commit(&item.name, whole.ids, &item.sha256).await? {
        ours(container, item).await?;
    }
    Ok(moved)
}

/// Uploads the manifest in one request.
pub(crate) async fn manifest(container: &Container, item: &Item, content: Bytes) -> Result<Moved, Failure> {
    if !container.write(&item.name, content, &item.sha256).await? {
        ours(container, item).await?;
    }
    Ok(Moved {
        sent: item.bytes,
        reused: 0,
    })
}

async fn stage(
    container: &Container,
    item: &Item,
    staged: &BTreeMap<Vec<u8>, u64>,
    mut blocks: Receiver<Block>,
    progress: &Progress,
) -> Result<Moved, Failure> {
    let (mut moved, mut tasks) = (Moved::default(), JoinSet::new());
    loop {
        tokio::select! {
            Some(done) = tasks.join_next() => moved.sent += done.map_err(|e| ended(&e))??,
            next = blocks.recv() => {
                let Some(Block { id, bytes, share }) = next else { break };
                let length = bytes.len() as u64;
                if staged.get(&id) == Some(&length) {
                    moved.reused += length;
                    progress.add(length);
                    continue;
                }
                let (container, name, progress) = (container.clone(), item.name.clone(), progress.clone());
                tasks.spawn(async move {
                    container.stage(&name, &id, bytes).await?;
                    drop(share);
                    progress.add(length);
                    Ok::<u64, Failure>(length)
                });
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        moved.sent += done.map_err(|e| ended(&e))??;
    }
    Ok(moved)
}

/// What was read must be what the manifest states, or the blob is not made.
fn check(item: &Item, whole: &Whole) -> Result<(), Failure> {
    if whole.sha256 == item.sha256 && whole.bytes == item.bytes {
        return Ok(());
    }
    Err(Failure::data(format!(
        "{}: {} bytes with SHA-256 {} were read, the manifest states {} with {}; the file is damaged or was changed \
         meanwhile, and no blob was made of it: encrypt again",
        item.path.display(),
        whole.bytes,
        whole.sha256,
        item.bytes,
        item.sha256
    )))
}

/// A blob appeared before ours did. It may be our own, made by a request whose answer was lost.
async fn ours(container: &Container, item: &Item) -> Result<(), Failure> {
    let stored = container.look(&item.name).await?;
    match step(item, stored.as_ref()) {
        Ok(Step::Keep) => Ok(()),
        _ => Err(Failure::data(format!(
            "{}: somebody else wrote it meanwhile; it was left as it is: look who uploads under this asset id",
            container.place.blob(&item.name)
        ))),
    }
}

fn ended(error: &tokio::task::JoinError) -> Failure {
    Failure::new(Exit::Io, format!("a part of the upload ended early: {error}"))
}
