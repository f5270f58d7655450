//! An order from nothing to closed: what the seller and the buyer apply, and how time goes on.

mod changing;
pub(super) mod mishap;
mod rotation;
mod settling;
pub(super) mod workspace;

use super::arm::Azure;
use super::boundary::{Boundary, Late, Plan};
use super::cluster::{Node, client, deaf};
use super::end::{self, End};
use super::ports::Ports;
use super::record::Recorder;
use super::workspaces::Workspaces;
use crate::context::{Context, Error};
use crate::controllers::{buyer_org, change_order, invoice, offer, order, quote, seller_profile, tunepod};
use crate::sentinel_port;
use crate::settings::Settings;
use crate::settings::tests::settings;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_kit::apply::Writer;
use trustbridge_kit::clock::{Clock as _, ManualClock};
use trustbridge_kit::controller::Shared;
use trustbridge_kit::events::Events;
use trustbridge_kit::lease::Leader;
use trustbridge_kit::telemetry::{Health, Metrics};
use trustbridge_simkit::apiserver::{ApiServer, Key};

/// 2026-11-19T02:00:00Z: a day is long enough for all of the serving.
const BEGIN: i64 = 1_795_053_600;
/// When the pods of an order begin to run, and all of them at once: faults on the way cost seconds, and a comparison of
/// what is billed must not hang on them. By then every pool is there, whatever went wrong.
const RUNNING: i64 = BEGIN + 2 * 3_600;
/// Pauses, in seconds, while nothing changes; then the longest again and again.
const PAUSES: [i64; 6] = [5, 15, 60, 600, 3_600, 43_200];
/// Rounds in which each part of the story must be over.
const PATIENCE: usize = 250;
/// Rounds after the end in which nothing may be written.
const REST: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) end: End,
    /// Calls with an effect, in order.
    pub(super) calls: Vec<String>,
    /// Node pools that were ever made.
    pub(super) pools: usize,
    /// Calls after the end.
    pub(super) at_rest: Vec<String>,
    /// Which part did not end, and how it stood.
    pub(super) stuck: Option<String>,
    /// Whether the fault was met.
    pub(super) was_met: bool,
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// One instance of the sample, by the hour.
    Sample,
    /// Two instances of it, changed while they run.
    Two,
    /// One instance of the catalog's image studio, by the hour, with a minimum.
    Studio,
}

impl Story {
    pub(super) const ALL: [Self; 3] = [Self::Sample, Self::Two, Self::Studio];

    pub(super) const fn instances(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Sample | Self::Studio => 1,
        }
    }
}

/// Tells the story under `plan`.
pub(super) async fn tell(story: Story, plan: &Plan) -> Told {
    let mut world = World::new(plan).await;
    let stuck = Box::pin(world.live(story)).await;
    let before = world.boundary.calls().len();
    for _ in 0..REST {
        world.round().await;
        world.clock.advance(60);
    }
    let calls: Vec<String> = world
        .boundary
        .calls()
        .iter()
        .map(|call| end::mask(call))
        .collect();
    Told {
        end: end::of(&world.server),
        pools: world.azure.made(),
        at_rest: calls.get(before..).unwrap_or_default().to_vec(),
        calls,
        stuck,
        was_met: world.boundary.was_met(),
    }
}

/// What the operator asked of the API server in a story without a fault, as logs.
pub(super) async fn record(story: Story) -> Vec<Value> {
    let mut world = World::new(&Plan::none()).await;
    world.recorder.begin();
    assert_eq!(Box::pin(world.live(story)).await, None);
    world.recorder.logs(&format!("{story:?}").to_lowercase())
}

pub(super) struct World {
    pub(super) server: ApiServer,
    recorder: Recorder,
    pub(super) boundary: Boundary,
    pub(super) azure: Azure,
    node: Node,
    clock: Arc<ManualClock>,
    ctx: Arc<Context>,
    /// As in [`crate::settings::Settings`].
    second_look: Option<Duration>,
    workspaces: Arc<Workspaces>,
}

impl World {
    pub(super) async fn new(plan: &Plan) -> Self {
        let (server, boundary) = (ApiServer::new(), Boundary::new(plan));
        let azure = Azure::start(&boundary).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(BEGIN).expect("a time")));
        let second_look = settings().second_look;
        let recorder = Recorder::default();
        let workspaces = Arc::new(Workspaces::default());
        let parts = (&server, &boundary, &recorder);
        let ctx = process(parts, &azure, &clock, second_look, &workspaces);
        server.set_time(clock.now());
        let world = Self {
            server,
            recorder,
            boundary,
            azure,
            node: Node::new(Timestamp::from_second(RUNNING).expect("a time")),
            clock,
            ctx,
            second_look,
            workspaces,
        };
        world.seller_and_provider();
        world
    }

    /// What is there before a buyer comes.
    fn seller_and_provider(&self) {
        self.apply(
            "sellerprofiles",
            include_str!("../../../samples/sellerprofile.yaml"),
        );
        self.apply("buyerorgs", include_str!("../../../samples/buyerorg.yaml"));
        self.apply("offers", include_str!("../../../samples/offer.yaml"));
        let asset = self.apply("modelassets", include_str!("../../../samples/modelasset.yaml"));
        // Whether the control plane holds it is another story: there is none here.
        let known = json!({
            "observedGeneration": 1, "phase": "Ready",
            "conditions": [{"type": "Ready", "status": "True", "reason": "AsSpecified", "message": "",
                "lastTransitionTime": self.clock.now().to_string()}],
        });
        self.server
            .edit(&asset, |asset| asset["status"] = known)
            .expect("the asset is there");
    }

    fn apply(&self, plural: &str, yaml: &str) -> Key {
        let object: Value = serde_saphyr::from_str(yaml).expect("a sample");
        let plural = format!("{plural}.trustbridge.io");
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let key = Key {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").expect("a name"),
            plural: plural.clone(),
        };
        self.server.seed(&plural, object).expect("it is new");
        key
    }

    /// The part that did not end.
    async fn live(&mut self, story: Story) -> Option<String> {
        let order = self.order(story);
        let stuck = self.until("Active", &order).await;
        if let Some(stuck) = stuck.or_else(|| self.began_apart()) {
            return Some(stuck);
        }
        for requests in [10, 0, 32] {
            self.clock.advance(60);
            self.node.count(self.clock.now(), requests);
            self.round().await;
        }
        if story == Story::Two
            && let Some(stuck) = self.change(&order).await
        {
            return Some(stuck);
        }
        if let Some(stuck) = self.rotate(&order).await {
            return Some(stuck);
        }
        let ended = self.server.edit(&order, |order| {
            order["spec"]["termination"] = json!({"reason": "done"});
        });
        ended.expect("the order is there");
        if let Some(stuck) = self.until("Terminated", &order).await {
            return Some(stuck);
        }
        self.settle(&order).await
    }

    /// The buyer's order, with the sample asset.
    pub(super) fn order(&self, story: Story) -> Key {
        let key = self.apply("orders", include_str!("../../../samples/order.yaml"));
        if story == Story::Studio {
            // As the chart's catalog sells it, on the sample's machine.
            let offer = Key {
                plural: "offers.trustbridge.io".to_owned(),
                namespace: None,
                name: "sample-1gpu".to_owned(),
            };
            let studio = |offer: &mut Value| {
                offer["spec"]["sku"] = json!("StudioGen-1GPU");
                offer["spec"]["useCases"] = json!(["image_studio_sd"]);
                offer["spec"]["billing"]["models"] =
                    json!([{"model": "hourly", "priceMinor": 175, "minHours": 2}]);
            };
            self.server.edit(&offer, studio).expect("the offer is there");
        }
        if story == Story::Two {
            self.add_ons();
        }
        let change = |order: &mut Value| {
            order["spec"]["offerRef"]["name"] = json!("sample-1gpu");
            order["spec"]["modelAssetRef"]["name"] = json!("sample-asset");
            order["spec"]["instances"] = json!(story.instances());
        };
        self.server.edit(&key, change).expect("the order is there");
        key
    }

    /// Rounds until the order is in `phase` and nothing changes any more; otherwise how it stands.
    pub(super) async fn until(&mut self, phase: &str, order: &Key) -> Option<String> {
        let mut quiet = 0;
        let mut failures = Vec::new();
        for _ in 0..PATIENCE {
            let before = self.server.everything();
            failures = self.round().await;
            let is_quiet = self.server.everything() == before && failures.is_empty();
            quiet = if is_quiet { quiet + 1 } else { 0 };
            let object = before.get(order);
            let is = object
                .and_then(|order| order.pointer("/status/phase"))
                .and_then(Value::as_str);
            if is == Some(phase) && (phase == "Active" || quiet > PAUSES.len() * 2) {
                return None;
            }
            self.clock.advance(self.pause(phase, quiet));
            self.server.set_time(self.clock.now());
        }
        let told = |plural: &str| {
            let all = self.server.all(plural).into_iter();
            all.map(|object| object["status"]["conditions"].to_string())
                .collect::<Vec<_>>()
        };
        let (order, instances) = (told("orders.trustbridge.io"), told("tunepods.trustbridge.io"));
        Some(format!(
            "the order is not {phase}: {order:?}, its instances {instances:?}, failures {failures:?}"
        ))
    }

    /// So many seconds pass.
    pub(super) fn passes(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.server.set_time(self.clock.now());
    }

    /// Seconds until the next round. The moment at which pods begin to run is not passed over, and the clock stands
    /// there until nothing changes any more: what becomes Ready, does so at that moment.
    fn pause(&self, phase: &str, quiet: usize) -> i64 {
        let left = RUNNING - self.clock.now().as_second();
        let pause = match quiet.checked_sub(1) {
            Some(again) => PAUSES[again.min(PAUSES.len() - 1)],
            None if phase == "Active" && left == 0 => 0,
            None => 1,
        };
        if left > 0 { pause.min(left) } else { pause }
    }

    /// Which instance did not begin to be metered at the moment at which pods begin to run.
    fn began_apart(&self) -> Option<String> {
        let moment = Timestamp::from_second(RUNNING).expect("a time").to_string();
        let tunepods = self.server.all("tunepods.trustbridge.io");
        let begun = |tunepod: &Value| tunepod["status"]["intervals"][0]["from"].to_string();
        let late = tunepods.iter().find(|one| !begun(one).contains(&moment));
        late.map(|one| format!("metered from {} instead of {moment}", begun(one)))
    }

    /// Every object is looked at once; the refusals. What a process keeps in memory is gone after each round, because
    /// its pauses are of the machine's clock: nothing may hang on it.
    pub(super) async fn round(&mut self) -> Vec<String> {
        self.ctx = self.process();
        let mut failures = Vec::new();
        self.each("sellerprofiles", seller_profile::reconcile, &mut failures)
            .await;
        self.each("buyerorgs", buyer_org::reconcile, &mut failures).await;
        self.each("offers", offer::reconcile, &mut failures).await;
        self.each("quotes", quote::reconcile, &mut failures).await;
        self.each("orders", order::reconcile, &mut failures).await;
        self.each("changeorders", change_order::reconcile, &mut failures)
            .await;
        self.each("tunepods", tunepod::reconcile, &mut failures).await;
        self.each("orders", invoice::write_down, &mut failures).await;
        self.each("invoices", invoice::bill, &mut failures).await;
        self.node.step(&self.server, self.clock.now()).await;
        match self.boundary.wakes() {
            Some(Late::Api(method, uri, kind, body)) => {
                self.server.handle(&method, &uri, &kind, &body);
            }
            Some(Late::Arm(request)) => self.azure.land(request).await,
            None => {}
        }
        failures
    }

    /// A process that has just begun.
    fn process(&self) -> Arc<Context> {
        process(
            (&self.server, &self.boundary, &self.recorder),
            &self.azure,
            &self.clock,
            self.second_look,
            &self.workspaces,
        )
    }

    async fn each<K, F, R>(&mut self, plural: &str, reconcile: F, failures: &mut Vec<String>)
    where
        K: DeserializeOwned,
        F: Fn(Arc<K>, Arc<Context>) -> R,
        R: Future<Output = Result<Action, Error>>,
    {
        for object in self.server.all(&format!("{plural}.trustbridge.io")) {
            let object: K = serde_json::from_value(object).expect("an object of its kind");
            // Boxed: a reconcile's state is large, and eight of them stand in a round.
            if let Err(error) = Box::pin(reconcile(Arc::new(object), Arc::clone(&self.ctx))).await {
                failures.push(format!("{plural}: {error}"));
            }
            if self.boundary.restart() {
                failures.push("the process died".to_owned());
                self.ctx = self.process();
            }
        }
    }
}

/// A process that has just begun.
fn process(
    (server, boundary, recorder): (&ApiServer, &Boundary, &Recorder),
    azure: &Azure,
    clock: &Arc<ManualClock>,
    second_look: Option<Duration>,
    workspaces: &Arc<Workspaces>,
) -> Arc<Context> {
    let client = client(server, boundary, recorder);
    let metrics = Arc::new(Metrics::default());
    let shared = Shared {
        metrics: Arc::clone(&metrics),
        health: Arc::new(Health::default()),
        events: Events::new(deaf(), "trustbridge-operator", "simulation"),
    };
    Arc::new(Context {
        writer: Writer::new(client.clone(), Leader::alone(), metrics),
        pools: Arc::new(azure.provider()),
        https: azure.http(),
        sentinels: sentinel_port::client().expect("a client"),
        ports: Arc::new(Ports::new(server)),
        workspaces: Arc::clone(workspaces) as Arc<dyn crate::workspace_probe::Prober>,
        settings: Settings {
            second_look,
            ..settings()
        },
        clock: Arc::clone(clock) as Arc<dyn trustbridge_kit::clock::Clock>,
        client,
        shared,
    })
}
