//! An order by workspace: its lines are met one after another, one is lost and comes back, and it ends as any other.

use super::*;
use trustbridge_api::{Invoice, Probe, TunePod};
use trustbridge_domain::phase::TunePodPhase as Phase;

/// Rounds in which a TunePod must come to what it comes to.
const ENOUGH: usize = 40;

/// What became of it.
#[derive(Debug)]
pub(in super::super) struct Lived {
    /// The phase while each further line held, from none to all.
    pub(in super::super) phases: Vec<Phase>,
    /// What `Ready` said meanwhile.
    pub(in super::super) words: Vec<String>,
    /// The phase with one line lost, and with that line again.
    pub(in super::super) lost_and_found: [Phase; 2],
    /// Writes while it waited for a line that nobody met.
    pub(in super::super) at_rest: Vec<String>,
    /// Pods that were ever there.
    pub(in super::super) pods: usize,
    pub(in super::super) metered_ms: i64,
    pub(in super::super) billed_ms: i64,
    pub(in super::super) evidence: usize,
}

/// Lives with these lines.
pub(in super::super) async fn lived(lines: &[(&str, Probe)]) -> Lived {
    let mut world = World::new(&Plan::none()).await;
    let order = world.workspace(lines);
    world.settle_down().await;
    let (mut phases, mut words) = (Vec::new(), Vec::new());
    let calls = world.boundary.calls().len();
    world.settle_down().await;
    // A process that has just begun asks ARM how the pool is; that is no write.
    let all = world.boundary.calls();
    let since = all.get(calls..).unwrap_or_default().iter();
    let at_rest = since
        .filter(|call| !call.starts_with("ARM GET "))
        .cloned()
        .collect();
    for (_, probe) in lines {
        phases.push(world.phase());
        words.push(world.words());
        world.workspaces.set(*probe, true);
        world.settle_down().await;
    }
    phases.push(world.phase());
    let last = lines.last().expect("a line").1;
    let mut lost_and_found = [Phase::Pending; 2];
    for (found, phase) in [false, true].into_iter().zip(&mut lost_and_found) {
        world.workspaces.set(last, found);
        world.settle_down().await;
        *phase = world.phase();
    }
    let pods = world.server.all("pods").len();
    let ended = world.server.edit(&order, |order| {
        order["spec"]["termination"] = json!({"reason": "done", "dataExportConfirmed": true});
    });
    ended.expect("the order is there");
    assert_eq!(world.until("Terminated", &order).await, None);
    let last = world.one::<TunePod>("tunepods").status.unwrap_or_default();
    let all = world.server.all("invoices.trustbridge.io").into_iter();
    let invoices = all.map(|one| serde_json::from_value::<Invoice>(one).expect("an invoice"));
    let bases = invoices.filter_map(|invoice| invoice.spec.basis);
    let billed = bases
        .flat_map(|basis| basis.instances)
        .flat_map(|one| one.intervals);
    let metered = last.intervals.iter();
    Lived {
        phases,
        words,
        lost_and_found,
        at_rest,
        pods,
        metered_ms: metered
            .filter_map(|one| Some(one.to.as_ref()?.0.as_millisecond() - one.from.0.as_millisecond()))
            .sum(),
        billed_ms: billed.filter_map(|one| Some(one.to_ms? - one.from_ms)).sum(),
        evidence: world.server.all("wipeevidences.trustbridge.io").len(),
    }
}

impl World {
    /// The buyer's order of a workspace, and the offer with these lines.
    fn workspace(&self, lines: &[(&str, Probe)]) -> Key {
        let order = self.order(Story::Sample);
        let offer = Key {
            plural: "offers.trustbridge.io".to_owned(),
            namespace: None,
            name: "sample-1gpu".to_owned(),
        };
        let line = |(index, (text, probe)): (usize, &(&str, Probe))| json!({"id": format!("line-{index}"), "text": text, "probe": probe});
        let agreed: Vec<Value> = lines.iter().enumerate().map(line).collect();
        let sold = self.server.edit(&offer, |offer| {
            offer["spec"]["modes"] = json!(["byoWorkspace"]);
            offer["spec"]["readiness"] = json!(agreed);
        });
        sold.expect("the offer is there");
        let asked = self.server.edit(&order, |order| {
            order["spec"]["mode"] = json!("byoWorkspace");
            if let Some(spec) = order["spec"].as_object_mut() {
                spec.remove("modelAssetRef");
                spec.remove("contractId");
            }
        });
        asked.expect("the order is there");
        order
    }

    /// Rounds, a quarter of a minute apart.
    async fn settle_down(&mut self) {
        for _ in 0..ENOUGH {
            self.round().await;
            self.clock.advance(15);
            self.server.set_time(self.clock.now());
        }
    }

    fn one<K: DeserializeOwned>(&self, plural: &str) -> K {
        let mut all = self.server.all(&format!("{plural}.trustbridge.io"));
        assert_eq!(all.len(), 1, "{all:#?}");
        serde_json::from_value(all.remove(0)).expect("an object of its kind")
    }

    fn phase(&self) -> Phase {
        self.one::<TunePod>("tunepods").status.unwrap_or_default().phase
    }

    fn words(&self) -> String {
        let status = self.one::<TunePod>("tunepods").status.unwrap_or_default();
        let ready = status.conditions.iter().find(|one| one.type_ == "Ready");
        ready
            .map(|one| format!("{}: {}", one.reason, one.message))
            .unwrap_or_default()
    }
}
