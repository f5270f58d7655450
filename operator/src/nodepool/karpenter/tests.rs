//! The provider against the API server in memory; Karpenter itself is played, object by object.

use super::*;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::json;
use trustbridge_api::condition::Reason;
use trustbridge_kit::clock::ManualClock;
use trustbridge_kit::lease::Leader;
use trustbridge_kit::telemetry::Metrics;
use trustbridge_simkit::apiserver::{ApiServer, Key};

const NAME: &str = "tbabcdefghij";
const BEGIN: i64 = 1_795_000_000;

struct World {
    server: ApiServer,
    clock: Arc<ManualClock>,
    karpenter: Karpenter,
}

fn client(server: &ApiServer) -> kube::Client {
    let server = server.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let server = server.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
            let kind = head.headers.get(http::header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let answer = server.handle(&head.method, &head.uri, kind, &body);
            let mut response = http::Response::new(Body::from(answer.body.to_string().into_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(answer.code).unwrap();
            Ok::<_, std::io::Error>(response)
        }
    });
    kube::Client::new(service, "default")
}

impl World {
    fn new() -> Self {
        let server = ApiServer::new();
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(BEGIN).unwrap()));
        server.set_time(trustbridge_kit::clock::Clock::now(clock.as_ref()));
        let wish = Wish {
            image_family: "Ubuntu2204".to_owned(),
            os_disk_gb: 300,
            placement_scope: Some("regional".to_owned()),
            node_labels: NodeLabels {
                every: BTreeMap::from([("more".to_owned(), "yes".to_owned())]),
                device_plugin_config: None,
            },
        };
        let client = client(&server);
        let writer = Writer::new(client.clone(), Leader::alone(), Arc::new(Metrics::default()));
        let karpenter = Karpenter::new(client, writer, Arc::clone(&clock) as Arc<dyn Clock>, wish);
        Self {
            server,
            clock,
            karpenter,
        }
    }

    fn one(&self, plural: &str) -> Value {
        let all = self.server.all(plural);
        assert_eq!(all.len(), 1, "{plural}: {all:#?}");
        all.into_iter().next().unwrap()
    }

    /// What Karpenter makes of a NodePool.
    fn claim(&self, conditions: &Value) {
        let claim = json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {
                "name": format!("{NAME}-x1"),
                "labels": {POOL_LABEL: NAME},
                "annotations": {"trustbridge.io/tunepod-uid": "u1"},
            },
            "status": {"conditions": conditions},
        });
        self.server.seed(CLAIMS, claim).unwrap();
    }

    fn event(&self, name: &str, of: &str, message: &str, at: &str) {
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": "default"},
            "involvedObject": {"kind": "NodeClaim", "name": of},
            "reason": "InsufficientCapacityError", "message": message, "lastTimestamp": at,
        });
        self.server.seed("events", event).unwrap();
    }

    fn take_away(&self, plural: &str, name: &str) {
        self.server.remove(&key(plural, name));
    }
}

const POOLS: &str = "nodepools.karpenter.sh";
const CLAIMS: &str = "nodeclaims.karpenter.sh";
const CLASSES: &str = "aksnodeclasses.karpenter.azure.com";

fn key(plural: &str, name: &str) -> Key {
    Key {
        plural: plural.to_owned(),
        namespace: None,
        name: name.to_owned(),
    }
}

fn intent() -> PoolIntent {
    PoolIntent {
        name: NAME.to_owned(),
        tunepod_uid: "u1".to_owned(),
        tunepod: "tb-acme/order-1-0".to_owned(),
        order: "order-1".to_owned(),
        org: "acme".to_owned(),
        vm_size: "Standard_NC24ads_A100_v4".to_owned(),
        gpus: 1,
        operation_url: None,
    }
}

fn state(view: Result<PoolView, PoolError>) -> String {
    match view {
        Ok(PoolView::Working { state, .. }) => state,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn one_node_of_the_quoted_size_is_made_once_and_is_ready_with_its_claim() {
    let world = World::new();
    let (karpenter, pool) = (&world.karpenter, intent());
    assert_eq!(karpenter.observe(&pool).await, Ok(PoolView::Absent));
    assert_eq!(state(karpenter.ensure(&pool).await), "Creating");
    let (made, class) = (world.one(POOLS), world.one(CLASSES));
    assert_eq!(made["spec"]["replicas"], 1);
    assert_eq!(made["spec"]["limits"]["nodes"], "1");
    let template = &made["spec"]["template"];
    let sizes = template["spec"]["requirements"].as_array().unwrap();
    let size = sizes
        .iter()
        .find(|one| one["key"] == "karpenter.azure.com/sku-name")
        .unwrap();
    assert_eq!(size["values"], json!(["Standard_NC24ads_A100_v4"]));
    assert_eq!(template["spec"]["taints"][0]["key"], "sku");
    assert_eq!(template["spec"]["nodeClassRef"]["name"], NAME);
    assert_eq!(template["metadata"]["labels"][labels::TUNEPOD], "order-1-0");
    assert_eq!(template["metadata"]["labels"]["more"], "yes");
    assert_eq!(class["spec"]["tags"]["trustbridge-tunepod-uid"], "u1");
    // The answer was lost: asked again, nothing is made and nothing is written.
    assert_eq!(state(karpenter.ensure(&pool).await), "Creating");
    assert_eq!((world.one(POOLS), world.one(CLASSES)), (made, class));
    assert_eq!(state(karpenter.observe(&pool).await), "Creating");
    world.claim(&json!([{"type": "Launched", "status": "True"}, {"type": "Ready", "status": "Unknown"}]));
    assert_eq!(state(karpenter.observe(&pool).await), "Creating");
    let ready = |claim: &mut Value| claim["status"]["conditions"][1]["status"] = json!("True");
    world
        .server
        .edit(&key(CLAIMS, &format!("{NAME}-x1")), ready)
        .unwrap();
    assert_eq!(karpenter.observe(&pool).await, Ok(PoolView::Ready));
    let owned = karpenter.owned().await.unwrap();
    assert_eq!(
        owned,
        [OwnedPool {
            name: NAME.to_owned(),
            tunepod_uid: "u1".to_owned(),
            tunepod: "tb-acme/order-1-0".to_owned(),
            order: "order-1".to_owned(),
        }]
    );
    assert_eq!(
        karpenter.node_selector(NAME),
        BTreeMap::from([(POOL_LABEL.to_owned(), NAME.to_owned())])
    );
}

#[tokio::test]
async fn what_drifted_is_brought_back_and_what_leaves_is_left() {
    let world = World::new();
    world.karpenter.ensure(&intent()).await.unwrap();
    let drift = |pool: &mut Value| pool["spec"]["limits"]["nodes"] = json!("9");
    world.server.edit(&key(POOLS, NAME), drift).unwrap();
    world.karpenter.ensure(&intent()).await.unwrap();
    assert_eq!(world.one(POOLS)["spec"]["limits"]["nodes"], "1");
}

#[tokio::test]
async fn nothing_of_somebody_else_is_touched() {
    for owner in ["u2", ""] {
        for plural in [POOLS, CLASSES] {
            let world = World::new();
            world.karpenter.ensure(&intent()).await.unwrap();
            let change = |object: &mut Value| {
                object["metadata"]["annotations"]["trustbridge.io/tunepod-uid"] = json!(owner);
                object["spec"]["mark"] = json!("theirs");
            };
            world.server.edit(&key(plural, NAME), change).unwrap();
            let theirs = world.one(plural);
            let karpenter = &world.karpenter;
            for answer in [
                karpenter.observe(&intent()).await,
                karpenter.ensure(&intent()).await,
            ] {
                let error = answer.unwrap_err();
                assert_eq!(error.class, Reason::ForeignNodePool, "{plural} {owner}");
                assert!(error.message.contains("'u1'"), "{error}");
            }
            // Our own of the two may go; theirs stays as it is, and is never called absent.
            for _ in 0..3 {
                assert_ne!(karpenter.delete(&intent()).await, Ok(PoolView::Absent));
            }
            assert_eq!(world.one(plural), theirs, "{plural} {owner}");
        }
    }
}

#[tokio::test]
async fn it_is_absent_only_when_pool_claims_nodes_and_class_are_gone() {
    let world = World::new();
    let (karpenter, pool) = (&world.karpenter, intent());
    karpenter.ensure(&pool).await.unwrap();
    world.claim(&json!([{"type": "Ready", "status": "True"}]));
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {POOL_LABEL: NAME}}});
    world.server.seed("nodes", node).unwrap();
    // Karpenter lets the claim go once its machine is gone.
    let held = |claim: &mut Value| claim["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
    let claim = key(CLAIMS, &format!("{NAME}-x1"));
    world.server.edit(&claim, held).unwrap();
    assert_eq!(state(karpenter.delete(&pool).await), "Deleting");
    assert!(world.server.all(POOLS).is_empty());
    assert_eq!(state(karpenter.observe(&pool).await), "Deleting");
    assert_eq!(state(karpenter.delete(&pool).await), "Deleting");
    assert!(
        !world.server.all(CLASSES).is_empty(),
        "a class goes after its claims"
    );
    world.server.remove(&claim);
    assert_eq!(
        state(karpenter.observe(&pool).await),
        "Deleting",
        "the node is there"
    );
    world.take_away("nodes", "n1");
    assert!(
        matches!(karpenter.observe(&pool).await, Ok(PoolView::Broken(_))),
        "the class is there"
    );
    assert_eq!(state(karpenter.delete(&pool).await), "Deleting");
    assert_eq!(karpenter.observe(&pool).await, Ok(PoolView::Absent));
    assert_eq!(karpenter.delete(&pool).await, Ok(PoolView::Absent));
}

#[tokio::test]
async fn a_failed_launch_has_the_class_of_its_cause() {
    let quota = "creating instance failed: RESPONSE 409 ERROR CODE: OperationNotAllowed Operation could not be completed as it results in exceeding approved standardNCADSA100v4Family Cores quota";
    let table = [
        (quota, Reason::QuotaFamily),
        (
            "ERROR CODE: SkuNotAvailable the size is not available",
            Reason::SkuUnavailable,
        ),
        (
            "creating instance failed: Code=\"ZonalAllocationFailed\" Message=\"x\"",
            Reason::Zone,
        ),
        ("something else went wrong", Reason::Transient),
    ];
    for (message, class) in table {
        let world = World::new();
        world.karpenter.ensure(&intent()).await.unwrap();
        let failed = json!([{"type": "Launched", "status": "Unknown", "reason": "LaunchFailed",
            "message": message, "lastTransitionTime": Timestamp::from_second(BEGIN).unwrap().to_string()}]);
        world.claim(&failed);
        // Karpenter tries it again by itself.
        world.clock.advance(239);
        assert_eq!(state(world.karpenter.observe(&intent()).await), "Creating");
        world.clock.advance(1);
        let Ok(PoolView::Broken(error)) = world.karpenter.observe(&intent()).await else {
            panic!("{message} is not broken");
        };
        assert_eq!(error.class, class, "{message}");
        // Never at the pace of a passing failure: each attempt makes and deletes objects.
        assert!(
            error.delay(1).is_none_or(|pause| pause >= LOOK_AGAIN),
            "{message}"
        );
        let wanted = Wanted {
            vm_size: intent().vm_size,
            gpus: 1,
        };
        let is_told = matches!(world.karpenter.capacity(&wanted).await, CapacityView::Refused(_));
        assert_eq!(is_told, class != Reason::Transient, "{message}");
    }
}

#[tokio::test]
async fn no_machine_is_known_by_the_event_that_is_left_of_the_claim() {
    let world = World::new();
    world.karpenter.ensure(&intent()).await.unwrap();
    let own = format!("{NAME}-x9");
    let before = Timestamp::from_second(BEGIN - 60).unwrap().to_string();
    let after = Timestamp::from_second(BEGIN + 60).unwrap().to_string();
    world.event("of-another", "tbother-x1", "no capacity", &after);
    world.event("of-before", &own, "no capacity", &before);
    assert_eq!(state(world.karpenter.observe(&intent()).await), "Creating");
    world.event(
        "of-this",
        &own,
        "all requested instance types were unavailable during launch",
        &after,
    );
    let Ok(PoolView::Broken(error)) = world.karpenter.observe(&intent()).await else {
        panic!("not broken");
    };
    assert_eq!(error.class, Reason::Capacity);
    assert_eq!(error.delay(1), Some(Duration::from_mins(10)));
}

#[tokio::test]
async fn a_claim_that_has_its_machine_ends_what_was_said_before_it() {
    let world = World::new();
    world.karpenter.ensure(&intent()).await.unwrap();
    let at = |second: i64| Timestamp::from_second(BEGIN + second).unwrap().to_string();
    world.event("first", &format!("{NAME}-x0"), "no capacity", &at(30));
    world.server.set_time(Timestamp::from_second(BEGIN + 30).unwrap());
    world.claim(&json!([{"type": "Launched", "status": "Unknown", "reason": "AwaitingReconciliation"}]));
    let broken = |view: &Result<PoolView, PoolError>| matches!(view, Ok(PoolView::Broken(_)));
    let view = world.karpenter.observe(&intent()).await;
    assert!(broken(&view), "a claim alone is no machine: {view:?}");
    let launched = |claim: &mut Value| {
        claim["status"]["conditions"] = json!([{"type": "Launched", "status": "True"}]);
    };
    let claim = key(CLAIMS, &format!("{NAME}-x1"));
    world.server.edit(&claim, launched).unwrap();
    assert_eq!(state(world.karpenter.observe(&intent()).await), "Creating");
    world.event("second", &format!("{NAME}-x2"), "no capacity", &at(31));
    let view = world.karpenter.observe(&intent()).await;
    assert!(broken(&view), "said after it: {view:?}");
}

#[tokio::test]
async fn what_is_missing_of_karpenter_is_said() {
    let world = World::new();
    world.karpenter.ensure(&intent()).await.unwrap();
    world.clock.advance(301);
    assert!(state(world.karpenter.observe(&intent()).await).contains("StaticCapacity"));
    let unready = |class: &mut Value| {
        class["status"] =
            json!({"conditions": [{"type": "Ready", "status": "False", "message": "no subnet"}]});
    };
    world.server.edit(&key(CLASSES, NAME), unready).unwrap();
    assert!(state(world.karpenter.observe(&intent()).await).contains("AKSNodeClass to be ready: no subnet"));
    let dropped = |pool: &mut Value| {
        pool["spec"].as_object_mut().unwrap().remove("replicas");
    };
    world.server.edit(&key(POOLS, NAME), dropped).unwrap();
    let view = world.karpenter.observe(&intent()).await;
    assert!(
        matches!(&view, Ok(PoolView::Broken(error)) if error.code == "NoStaticCapacity"),
        "{view:?}"
    );
}

#[test]
fn a_refusal_of_the_api_server_says_whose_turn_it_is() {
    let class = |status| refused_with(status, "R", "words".to_owned()).class;
    assert_eq!(
        [class(403), class(404), class(422)],
        [Reason::Auth, Reason::Fatal, Reason::Fatal]
    );
    assert_eq!(
        [class(409), class(429), class(500)],
        [Reason::Busy, Reason::Throttle, Reason::Transient]
    );
}

/// The real API server is asked the same, by kinds as Karpenter documents them.
#[tokio::test]
async fn what_is_asked_for_is_what_the_api_server_was_shown() {
    let world = World::new();
    let wish = &world.karpenter.wish;
    let asked = json!([node_class(&intent(), wish).body, node_pool(&intent(), wish).body]);
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../e2e-kind/suite/tests/t1_api_server/karpenter/asked.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown, asked, "{path} should hold: {asked:#}");
}
