use super::*;
use crate::model::{Labels, Selector};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 5);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 6);

fn pod(name: &str, uid: &str, addresses: &[Ipv4Addr]) -> Pod {
    Pod {
        key: Key::new("shop", name),
        uid: uid.into(),
        labels: Labels::new(),
        node: None,
        host_network: false,
        finished: false,
        addresses: addresses.iter().copied().collect(),
        ports: vec![],
        created: "2026-01-01T00:00:00Z".into(),
    }
}

fn sandbox(name: &str, uid: &str, container: &str, address: Ipv4Addr) -> Sandbox {
    Sandbox {
        container_id: container.into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: Some(uid.into()),
        addresses: vec![address],
    }
}

fn policy(version: u64) -> Policy {
    Policy {
        key: Key::new("shop", "p"),
        version,
        pods: Selector::default(),
        ingress: None,
        egress: None,
    }
}

fn index(pods: Vec<Pod>) -> Index {
    let mut index = Index::default();
    let shop = Namespace {
        name: "shop".into(),
        labels: Labels::new(),
    };
    index.change(Change::Namespace(Delta::Replace(vec![shop])));
    index.change(Change::Policy(Delta::Replace(vec![])));
    index.change(Change::Pod(Delta::Replace(pods)));
    index
}

fn owner(index: &Index, address: Ipv4Addr) -> Option<String> {
    index
        .view("10.244.0.0/24".parse().unwrap())
        .pods
        .get(&address)
        .map(|pod| pod.key.name.clone())
}

fn upsert(index: &mut Index, pod: Pod) {
    index.change(Change::Pod(Delta::Upsert(pod)));
}

#[test]
fn complete_only_after_all_three_lists() {
    let mut index = Index::default();
    assert!(!index.complete());
    index.change(Change::Pod(Delta::Replace(vec![])));
    index.change(Change::Policy(Delta::Replace(vec![])));
    assert!(!index.complete());
    index.change(Change::Namespace(Delta::Replace(vec![])));
    assert!(index.complete());
}

#[test]
fn status_is_enough_after_a_restart() {
    let index = index(vec![pod("web", "u1", &[FIRST])]);
    assert_eq!(owner(&index, FIRST).as_deref(), Some("web"));
}

#[test]
fn a_reported_address_counts_before_the_status_has_it() {
    let mut index = index(vec![pod("web", "u1", &[])]);
    assert_eq!(owner(&index, FIRST), None);
    index.add(sandbox("web", "u1", "c1", FIRST));
    assert_eq!(owner(&index, FIRST).as_deref(), Some("web"));
}

#[test]
fn a_report_may_come_before_the_pod() {
    let mut index = index(vec![]);
    let early = sandbox("web", "u1", "c1", FIRST);
    index.add(early.clone());
    assert!(index.missing(&early).unwrap().contains("not shown the pod yet"));
    upsert(&mut index, pod("web", "u0", &[]));
    assert!(index.missing(&early).unwrap().contains("earlier pod"));
    assert_eq!(
        owner(&index, FIRST),
        None,
        "another pod of that name must not get the address"
    );
    upsert(&mut index, pod("web", "u1", &[]));
    assert_eq!(index.missing(&early), None);
    assert_eq!(owner(&index, FIRST).as_deref(), Some("web"));
}

#[test]
fn an_unknown_namespace_is_missing() {
    let mut index = index(vec![pod("web", "u1", &[])]);
    index.change(Change::Namespace(Delta::Remove("shop".into())));
    assert!(
        index
            .missing(&sandbox("web", "u1", "c1", FIRST))
            .unwrap()
            .contains("namespace")
    );
}

#[test]
fn the_reporter_wins_an_address_that_an_old_status_still_shows() {
    let mut index = index(vec![pod("old", "u1", &[FIRST]), pod("new", "u2", &[])]);
    index.add(sandbox("new", "u2", "c2", FIRST));
    assert_eq!(owner(&index, FIRST).as_deref(), Some("new"));
}

#[test]
fn the_last_report_of_an_address_wins() {
    let mut index = index(vec![pod("old", "u1", &[]), pod("new", "u2", &[])]);
    index.add(sandbox("old", "u1", "c1", FIRST));
    index.add(sandbox("new", "u2", "c2", FIRST));
    assert_eq!(owner(&index, FIRST).as_deref(), Some("new"));
}

#[test]
fn between_two_statuses_the_newer_pod_wins() {
    let mut newer = pod("a-new", "u2", &[FIRST]);
    newer.created = "2026-01-02T00:00:00Z".into();
    let index = index(vec![newer, pod("z-old", "u1", &[FIRST])]);
    assert_eq!(owner(&index, FIRST).as_deref(), Some("a-new"));
}

#[test]
fn a_deleted_sandbox_gives_its_address_back_before_the_status_says_so() {
    let mut index = index(vec![pod("web", "u1", &[])]);
    let first = sandbox("web", "u1", "c1", FIRST);
    index.add(first.clone());
    upsert(&mut index, pod("web", "u1", &[FIRST]));
    index.del(&first);
    assert_eq!(owner(&index, FIRST), None);
    // The pod's next sandbox, while the status still shows the first address.
    index.add(sandbox("web", "u1", "c2", SECOND));
    assert_eq!(
        (owner(&index, FIRST), owner(&index, SECOND).as_deref()),
        (None, Some("web"))
    );
    // A late DEL of the first sandbox takes nothing from the second.
    index.del(&first);
    assert_eq!(owner(&index, SECOND).as_deref(), Some("web"));
}

#[test]
fn a_pod_may_get_its_old_address_again() {
    let mut index = index(vec![pod("web", "u1", &[FIRST])]);
    index.del(&sandbox("web", "u1", "c1", FIRST));
    assert_eq!(owner(&index, FIRST), None);
    index.add(sandbox("web", "u1", "c2", FIRST));
    assert_eq!(owner(&index, FIRST).as_deref(), Some("web"));
}

#[test]
fn a_late_delete_spares_the_successor() {
    let mut index = index(vec![pod("web", "u1", &[FIRST])]);
    upsert(&mut index, pod("web", "u2", &[SECOND]));
    index.change(Change::Pod(Delta::Remove((Key::new("shop", "web"), "u1".into()))));
    assert_eq!(owner(&index, SECOND).as_deref(), Some("web"));
    index.change(Change::Pod(Delta::Remove((Key::new("shop", "web"), "u2".into()))));
    assert_eq!(owner(&index, SECOND), None);
}

#[test]
fn a_fresh_list_forgets_what_is_not_in_it() {
    let mut index = index(vec![pod("web", "u1", &[FIRST]), pod("db", "u2", &[SECOND])]);
    index.change(Change::Pod(Delta::Replace(vec![pod("db", "u2", &[SECOND])])));
    assert_eq!(
        (owner(&index, FIRST), owner(&index, SECOND).as_deref()),
        (None, Some("db"))
    );
}

#[test]
fn finished_pods_host_pods_and_foreign_addresses_own_nothing() {
    let mut finished = pod("done", "u1", &[FIRST]);
    finished.finished = true;
    let mut host = pod("host", "u2", &[SECOND]);
    host.host_network = true;
    let foreign = Ipv4Addr::new(172, 30, 0, 2);
    let index = index(vec![finished, host, pod("far", "u3", &[foreign])]);
    assert_eq!(
        (
            owner(&index, FIRST),
            owner(&index, SECOND),
            owner(&index, foreign)
        ),
        (None, None, None)
    );
}

#[test]
fn an_older_version_of_a_policy_never_replaces_a_newer_one() {
    let mut index = index(vec![]);
    let version = |index: &Index| index.view("10.244.0.0/24".parse().unwrap()).policies[0].version;
    index.merge_policies(vec![policy(7)]);
    index.change(Change::Policy(Delta::Upsert(policy(5))));
    assert_eq!(version(&index), 7);
    index.change(Change::Policy(Delta::Upsert(policy(9))));
    assert_eq!(version(&index), 9);
    index.change(Change::Policy(Delta::Remove(Key::new("shop", "p"))));
    assert!(index.view("10.244.0.0/24".parse().unwrap()).policies.is_empty());
}
