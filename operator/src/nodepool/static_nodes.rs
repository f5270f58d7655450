//! Nodes that are there already: kind, on-premises. Nothing is made and nothing is destroyed.

use super::capacity::{CapacityView, Wanted};
use super::room::Room;
use super::{Answer, NodePoolProvider, OperationView, OwnedPool, PoolError, PoolIntent, PoolView};
use futures::future::{BoxFuture, ready};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::condition::Reason;

/// Time for the list of nodes.
const CALL: Duration = Duration::from_secs(8);
/// How soon to look again for a node that is missing.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Nodes by label.
pub struct StaticNodes {
    nodes: Api<Node>,
    room: Room,
    labels: BTreeMap<String, String>,
}

impl StaticNodes {
    /// The nodes that carry all of `labels`.
    #[must_use]
    pub fn new(client: &kube::Client, labels: BTreeMap<String, String>) -> Self {
        Self {
            nodes: Api::all(client.clone()),
            room: Room::new(client, selector_text(&labels)),
            labels,
        }
    }

    async fn look(&self) -> Result<PoolView, PoolError> {
        let selector = selector_text(&self.labels);
        let params = ListParams::default().labels(&selector);
        let listed = tokio::time::timeout(CALL, self.nodes.list_metadata(&params)).await;
        match listed {
            Ok(Ok(list)) if list.items.is_empty() => Err(no_node(&selector)),
            Ok(Ok(_)) => Ok(PoolView::Ready),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!(
                "the list of nodes took longer than {} s",
                CALL.as_secs()
            ))),
        }
    }
}

fn selector_text(labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn no_node(selector: &str) -> PoolError {
    PoolError {
        class: Reason::NoMatchingNode,
        code: "NoMatchingNode".to_owned(),
        message: format!("no node carries the labels '{selector}'; label one with `kubectl label node`"),
        first: Some(LOOK_AGAIN),
        longest: LOOK_AGAIN,
    }
}

fn failed(message: String) -> PoolError {
    PoolError {
        class: Reason::Transient,
        code: "ListNodes".to_owned(),
        message,
        first: Some(LOOK_AGAIN),
        longest: LOOK_AGAIN,
    }
}

impl NodePoolProvider for StaticNodes {
    fn name(&self) -> &'static str {
        "static"
    }

    fn makes_nodes(&self) -> bool {
        false
    }

    fn operation<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<OperationView, PoolError>> {
        // Nothing is ever asked for, so nothing runs.
        Box::pin(ready(Ok(OperationView::Ended("Forgotten".to_owned()))))
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<OwnedPool>, PoolError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn node_selector(&self, _pool: &str) -> BTreeMap<String, String> {
        self.labels.clone()
    }

    fn capacity<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, CapacityView> {
        Box::pin(self.room.view(wanted.gpus))
    }

    fn changed(&self) {
        self.room.changed();
    }

    fn counted_nodes(&self) -> Option<String> {
        Some(selector_text(&self.labels))
    }

    fn observe<'a>(&'a self, _pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.look())
    }

    fn ensure<'a>(&'a self, _pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.look())
    }

    fn delete<'a>(&'a self, _pool: &'a PoolIntent) -> Answer<'a> {
        // Nodes that we did not make are not ours to destroy: the pool is gone when its pod is.
        Box::pin(ready(Ok(PoolView::Absent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_missing_node_says_which_labels_and_what_to_do() {
        let labels = BTreeMap::from([
            ("gpu".to_owned(), "yes".to_owned()),
            ("a".to_owned(), "b".to_owned()),
        ]);
        let error = no_node(&selector_text(&labels));
        assert!(
            error.message.contains("'a=b,gpu=yes'") && error.message.contains("kubectl label"),
            "{error}"
        );
    }
}
