//! Room on nodes that are there: GPUs that no pod holds, node by node.
//!
//! One count serves every offer. It is made anew once something changed, but no sooner than [`APART`] after the last: a
//! thousand orders at once change something all the time. What is asked too soon gets the last count, and the time at
//! which to ask again.

use super::capacity::CapacityView;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Time for one page of a list.
const CALL: Duration = Duration::from_secs(8);
/// Objects of a page.
const PAGE: u32 = 500;
/// Pause between two counts.
const APART: Duration = Duration::from_secs(10);
/// So long a count is good although nothing is known to have changed: pods of others come and go, too.
const GOOD: Duration = Duration::from_mins(1);
/// The resource by which GPUs are counted.
const GPU: &str = "nvidia.com/gpu";
/// Pods that hold something.
const LIVING: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Nodes of one selector.
pub(super) struct Room {
    nodes: Api<Node>,
    pods: Api<Pod>,
    selector: String,
    /// When something changed last.
    changed: Mutex<Option<Instant>>,
    /// When it was counted, and the free GPUs of each node. Held while it is counted: one at a time.
    count: tokio::sync::Mutex<Option<(Instant, Vec<i64>)>>,
}

impl Room {
    pub(super) fn new(client: &kube::Client, selector: String) -> Self {
        Self {
            nodes: Api::all(client.clone()),
            pods: Api::all(client.clone()),
            selector,
            changed: Mutex::default(),
            count: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn changed(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Instances of `gpus` GPUs that fit: each lies on one node.
    pub(super) async fn view(&self, gpus: i64) -> CapacityView {
        let mut count = self.count.lock().await;
        let changed = *self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = due(count.as_ref().map(|(at, _)| *at), changed, Instant::now());
        if due == Due::Now {
            // Before the lists: what changes while they run is a change after the count.
            let at = Instant::now();
            match self.free().await {
                Some(free) => *count = Some((at, free)),
                None => return CapacityView::Unknown,
            }
        }
        let again = match due {
            Due::Now | Due::No => None,
            Due::In(pause) => Some(pause),
        };
        match count.as_ref() {
            Some((_, free)) => CapacityView::Free {
                instances: fitting(free, gpus),
                again,
            },
            None => CapacityView::Unknown,
        }
    }

    async fn free(&self) -> Option<Vec<i64>> {
        let labelled = ListParams::default().labels(&self.selector);
        let mut all: BTreeMap<String, i64> = BTreeMap::new();
        each("nodes", &self.nodes, labelled, |node: &Node| {
            if takes_pods(node) {
                all.insert(node.name_any(), allocatable(node));
            }
        })
        .await?;
        let living = ListParams::default().fields(LIVING);
        each("pods", &self.pods, living, |pod: &Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            if let Some(free) = node.and_then(|node| all.get_mut(node)) {
                *free = free.saturating_sub(gpus_of(pod));
            }
        })
        .await?;
        Some(all.into_values().collect())
    }
}

/// Whether it is to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    /// The last count holds.
    No,
    /// The last count does not hold, and is too young to be made anew.
    In(Duration),
}

fn due(counted: Option<Instant>, changed: Option<Instant>, now: Instant) -> Due {
    let Some(counted) = counted else {
        return Due::Now;
    };
    let age = now.saturating_duration_since(counted);
    let is_old = age >= GOOD || changed.is_some_and(|changed| changed >= counted);
    match APART.checked_sub(age).filter(|left| !left.is_zero()) {
        _ if !is_old => Due::No,
        Some(left) => Due::In(left),
        None => Due::Now,
    }
}

fn fitting(free: &[i64], gpus: i64) -> i64 {
    let on_each = free
        .iter()
        .map(|free| (*free).max(0).checked_div(gpus.max(1)).unwrap_or(0));
    on_each.fold(0, i64::saturating_add)
}

/// Hands each object of a list to `take`, page by page; `None`: it cannot be listed, which is told in the log, since
/// nothing hangs on the answer.
async fn each<K>(what: &str, api: &Api<K>, mut params: ListParams, mut take: impl FnMut(&K)) -> Option<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    params = params.limit(PAGE);
    loop {
        let page = match tokio::time::timeout(CALL, api.list(&params)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                tracing::warn!(%error, "{what} cannot be listed; what of an offer can be had is not known now");
                return None;
            }
            Err(_) => {
                tracing::warn!("the list of {what} took longer than {} s", CALL.as_secs());
                return None;
            }
        };
        page.items.iter().for_each(&mut take);
        match page.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params = params.continue_token(&more),
            None => return Some(()),
        }
    }
}

/// Whether the scheduler would put a pod there: ready, and not cordoned.
fn takes_pods(node: &Node) -> bool {
    let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_ready = conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    is_ready && !is_cordoned && node.metadata.deletion_timestamp.is_none()
}

fn whole(resources: Option<&BTreeMap<String, Quantity>>) -> i64 {
    // Devices are counted in whole numbers; anything else is none that could be had.
    let quantity = resources.and_then(|all| all.get(GPU));
    quantity.and_then(|quantity| quantity.0.parse().ok()).unwrap_or(0)
}

fn allocatable(node: &Node) -> i64 {
    let status = node.status.as_ref();
    whole(status.and_then(|status| status.allocatable.as_ref()))
}

/// GPUs that a pod holds: one that has ended holds none. Limits count, since for devices requests are equal to them.
fn gpus_of(pod: &Pod) -> i64 {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return 0;
    }
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let limits = containers.map(|one| whole(one.resources.as_ref().and_then(|all| all.limits.as_ref())));
    limits.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn room_is_what_pods_leave_on_nodes_that_take_them() {
        let node = |ready: &str, cordoned: bool| -> Node {
            serde_json::from_value(json!({
                "metadata": {"name": "n"},
                "spec": {"unschedulable": cordoned},
                "status": {"allocatable": {"nvidia.com/gpu": "4"}, "conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap()
        };
        assert!(takes_pods(&node("True", false)));
        assert!(!takes_pods(&node("True", true)) && !takes_pods(&node("False", false)));
        assert_eq!(
            (allocatable(&node("True", false)), allocatable(&Node::default())),
            (4, 0)
        );
        let pod = |phase: &str| -> Pod {
            let limits =
                json!({"resources": {"limits": {"nvidia.com/gpu": "2", "memory": "1Gi"}}, "name": "c"});
            serde_json::from_value(json!({"spec": {"containers": [limits]}, "status": {"phase": phase}}))
                .unwrap()
        };
        assert_eq!(
            (
                gpus_of(&pod("Running")),
                gpus_of(&pod("Pending")),
                gpus_of(&pod("Failed"))
            ),
            (2, 2, 0)
        );
    }

    #[test]
    fn an_instance_lies_on_one_node() {
        assert_eq!(fitting(&[4, 3, 1, -2], 2), 3);
        assert_eq!(fitting(&[1, 1], 2), 0);
    }

    #[test]
    fn a_storm_of_changes_is_counted_now_and_then_and_its_end_is_not_missed() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        assert_eq!(due(None, None, begin), Due::Now);
        assert_eq!(due(Some(at(0)), None, at(59)), Due::No);
        assert_eq!(due(Some(at(0)), None, at(60)), Due::Now);
        assert_eq!(
            due(Some(at(0)), Some(at(3)), at(4)),
            Due::In(Duration::from_secs(6))
        );
        assert_eq!(due(Some(at(0)), Some(at(3)), at(10)), Due::Now);
        assert_eq!(due(Some(at(10)), Some(at(3)), at(12)), Due::No, "counted since");
    }
}
