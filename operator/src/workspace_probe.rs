//! What checks the lines of a workspace's definition of ready.
//!
//! The decision knows only [`Reading`]s. Who reads is at the edge: this version brings no workspace pod, so the reader in
//! service says of every line that nothing can check it, and a TunePod of mode `byoWorkspace` stays where it is and names
//! each line. A check that cannot run is never taken for a yes.

use futures::future::{BoxFuture, join_all, ready};
use std::time::Duration;
use trustbridge_api::Probe;

/// Time for one check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose workspace is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// `namespace/name` of the TunePod.
    pub tunepod: String,
    /// Its UID.
    pub uid: String,
    /// Name of its node pool.
    pub pool: String,
    /// GPUs that were sold.
    pub gpus: i64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The line holds.
    Met,
    /// It does not; what was found, without times or numbers that change by themselves.
    Unmet(String),
    /// It could not be checked; why.
    Unknown(String),
}

/// Checks workspaces.
pub trait Prober: Send + Sync {
    /// Checks one line.
    fn probe<'a>(&'a self, workspace: &'a Workspace, probe: Probe) -> BoxFuture<'a, Reading>;
}

/// Nothing to check: there are no workspace pods.
pub struct NoWorkspaces;

impl Prober for NoWorkspaces {
    fn probe<'a>(&'a self, _workspace: &'a Workspace, _probe: Probe) -> BoxFuture<'a, Reading> {
        let words = "this version makes no workspace pod, so there is nothing to check yet";
        Box::pin(ready(Reading::Unknown(words.to_owned())))
    }
}

/// What `prober` finds of each of `asked`, all asked at once.
pub(crate) async fn read(
    prober: &dyn Prober,
    workspace: &Workspace,
    asked: impl IntoIterator<Item = Probe>,
) -> Vec<(Probe, Reading)> {
    read_within(PATIENCE, prober, workspace, asked).await
}

async fn read_within(
    patience: Duration,
    prober: &dyn Prober,
    workspace: &Workspace,
    asked: impl IntoIterator<Item = Probe>,
) -> Vec<(Probe, Reading)> {
    let answers = asked.into_iter().map(|probe| async move {
        let answer = tokio::time::timeout(patience, prober.probe(workspace, probe)).await;
        let silent = |_| Reading::Unknown("the check gave no answer in time".to_owned());
        (probe, answer.unwrap_or_else(silent))
    });
    join_all(answers).await
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Prober for Silent {
        fn probe<'a>(&'a self, _workspace: &'a Workspace, probe: Probe) -> BoxFuture<'a, Reading> {
            if probe == Probe::SshAccess {
                return Box::pin(ready(Reading::Met));
            }
            Box::pin(std::future::pending())
        }
    }

    fn workspace() -> Workspace {
        Workspace {
            tunepod: "tb-acme/order-1-0".to_owned(),
            uid: "uid-1".to_owned(),
            pool: "tbx".to_owned(),
            gpus: 1,
        }
    }

    #[tokio::test]
    async fn a_check_that_does_not_come_back_is_no_yes_and_holds_up_no_other() {
        let probes = [Probe::SshAccess, Probe::GpuHealthy];
        let found = read_within(Duration::from_millis(5), &Silent, &workspace(), probes).await;
        assert_eq!(found[0], (Probe::SshAccess, Reading::Met));
        assert!(matches!(&found[1], (Probe::GpuHealthy, Reading::Unknown(why)) if why.contains("no answer")));
    }

    #[tokio::test]
    async fn without_workspaces_nothing_is_ever_met() {
        let found = read(&NoWorkspaces, &workspace(), Probe::ALL.iter().copied()).await;
        assert_eq!(found.len(), Probe::ALL.len());
        assert!(
            found
                .iter()
                .all(|(_, reading)| matches!(reading, Reading::Unknown(_)))
        );
    }
}
