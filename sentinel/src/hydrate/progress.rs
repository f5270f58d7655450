//! How far a file has come, for whoever reads along while it lands.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stand {
    /// Bytes that have landed, from the file's beginning without a gap.
    landed: u64,
    /// The digest of the whole file stands.
    verified: bool,
}

/// The end that hydration holds. Dropped before the digest stands, it says that it never will.
#[derive(Debug)]
pub(super) struct Progress(watch::Sender<Stand>);

/// The end of a reader.
#[derive(Clone, Debug)]
pub(crate) struct Follow(watch::Receiver<Stand>);

/// Hydration of the file ended before its digest stood. Why, hydration itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hydration ended before the file's digest stood")]
pub(crate) struct Abandoned;

impl Progress {
    /// Both ends for a file of which nothing has landed.
    pub(super) fn new() -> (Self, Follow) {
        let (send, receive) = watch::channel(Stand::default());
        (Self(send), Follow(receive))
    }

    /// So much has landed. What is less than before changes nothing: two workers may tell in any order.
    pub(super) fn landed(&self, bytes: u64) {
        self.0.send_if_modified(|stand| {
            let further = bytes > stand.landed;
            stand.landed = stand.landed.max(bytes);
            further
        });
    }

    /// The digest stands.
    pub(super) fn verified(&self) {
        self.0.send_modify(|stand| stand.verified = true);
    }

    /// Waits until more than `bytes` have landed; how many have.
    pub(super) async fn beyond(&self, bytes: u64) -> u64 {
        let mut follow = self.0.subscribe();
        // The sending end is borrowed here, so the channel stays open.
        let stand = follow.wait_for(|stand| stand.landed > bytes).await;
        stand.map_or(bytes, |stand| stand.landed)
    }
}

impl Follow {
    /// A file that lay there, verified, before anybody followed it.
    #[cfg(test)]
    pub(crate) fn verified_before(bytes: u64) -> Self {
        let (progress, follow) = Progress::new();
        progress.landed(bytes);
        progress.verified();
        follow
    }

    /// A file of which nothing has landed, and what lands so much of it, to the verdict.
    #[cfg(test)]
    pub(crate) fn landing() -> (impl FnOnce(u64), Self) {
        let (progress, follow) = Progress::new();
        let land = move |bytes| {
            progress.landed(bytes);
            progress.verified();
        };
        (land, follow)
    }

    /// Waits until this many bytes from the beginning have landed.
    pub(crate) async fn landed(&mut self, bytes: u64) -> Result<(), Abandoned> {
        self.until(|stand| stand.landed >= bytes).await
    }

    /// Waits until the digest of the whole file stands.
    pub(crate) async fn verified(&mut self) -> Result<(), Abandoned> {
        self.until(|stand| stand.verified).await
    }

    async fn until(&mut self, holds: impl FnMut(&Stand) -> bool) -> Result<(), Abandoned> {
        match self.0.wait_for(holds).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Abandoned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Abandoned, Progress};
    use futures::FutureExt as _;

    /// What is ready now.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        future.now_or_never()
    }

    #[test]
    fn bytes_and_verdict_come_in_their_order() {
        let (progress, mut follow) = Progress::new();
        assert_eq!(now(follow.landed(0)), Some(Ok(())));
        assert_eq!(now(follow.landed(1)), None);
        progress.landed(10);
        progress.landed(5);
        assert_eq!(now(follow.landed(10)), Some(Ok(())));
        assert_eq!(
            (now(progress.beyond(9)), now(progress.beyond(10))),
            (Some(10), None)
        );
        assert_eq!(now(follow.verified()), None);
        progress.verified();
        drop(progress);
        assert_eq!(now(follow.verified()), Some(Ok(())));
        assert_eq!(now(follow.landed(11)), Some(Err(Abandoned)));
    }

    #[test]
    fn a_verdict_that_never_comes_is_told() {
        let (progress, mut follow) = Progress::new();
        progress.landed(10);
        drop(progress);
        assert_eq!(now(follow.verified()), Some(Err(Abandoned)));
    }
}
