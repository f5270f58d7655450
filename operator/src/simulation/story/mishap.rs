//! What happens to an order besides faults of calls: told once each.

use super::*;
use crate::nodepool::sweep::sweep;
use trustbridge_api::{Invoice, TunePod, WipeEvidence};
use trustbridge_domain::wipe::WipeMethod;

/// Rounds in which something must happen.
const SOON: usize = 60;

/// What a request that landed late left behind.
#[derive(Debug)]
pub(in super::super) struct Late {
    /// Pools that were there when the order was closed.
    pub(in super::super) left: Vec<String>,
    /// What the evidence says.
    pub(in super::super) methods: Vec<WipeMethod>,
    /// Pools that the sweep deleted.
    pub(in super::super) swept: Vec<String>,
    /// Pools that were there when it was done.
    pub(in super::super) left_after_sweep: Vec<String>,
}

/// The order ends while the PUT of its pool, given up as unanswered, is still on its way.
pub(in super::super) async fn put_lands_late(second_look: Option<Duration>) -> Late {
    let mut world = World::new(&Plan::none()).await;
    world.second_look = second_look;
    world.azure.put_lands_late().await;
    let order = world.order(Story::Sample);
    world
        .rounds_until(15, |world| {
            world.tunepod()["status"]["nodePool"]["lastError"]
                .to_string()
                .contains("Gateway")
        })
        .await;
    world.end(&order);
    // No time passes until the end is under way: it is not asked for again before.
    world
        .rounds_until(0, |world| world.tunepod()["spec"].get("termination").is_some())
        .await;
    // Five minutes on its way.
    for _ in 0..20 {
        world.round().await;
        world.clock.advance(15);
        world.server.set_time(world.clock.now());
    }
    world.azure.late_put_lands().await;
    assert_eq!(world.until("Terminated", &order).await, None);
    let left = world.azure.pools().await;
    let evidence: Vec<WipeEvidence> = world.all("wipeevidences");
    let mut swept = Vec::new();
    for _ in 0..5 {
        let ctx = world.process();
        for name in sweep(&ctx).await.deleted {
            if !swept.contains(&name) {
                swept.push(name);
            }
        }
    }
    Late {
        left,
        methods: evidence.iter().map(|one| one.spec.record.method).collect(),
        swept,
        left_after_sweep: world.azure.pools().await,
    }
}

/// What became of the hours of a TunePod that somebody deleted.
#[derive(Debug)]
pub(in super::super) struct ByHand {
    /// UIDs that served.
    pub(in super::super) uids: Vec<String>,
    /// Numbers of the intervals of the last one.
    pub(in super::super) intervals: Vec<i64>,
    /// Milliseconds of all intervals.
    pub(in super::super) metered_ms: i64,
    /// Milliseconds of those on invoices.
    pub(in super::super) billed_ms: i64,
    /// What invoices doubt.
    pub(in super::super) doubts: Vec<String>,
}

/// The TunePod of a living order is deleted; the order goes on, and ends later.
pub(in super::super) async fn deleted_by_hand() -> ByHand {
    let mut world = World::new(&Plan::none()).await;
    let order = world.order(Story::Sample);
    assert_eq!(world.until("Active", &order).await, None);
    let mut uids = vec![world.uid()];
    world.serve(3).await;
    let key = Key {
        plural: "tunepods.trustbridge.io".to_owned(),
        ..order.clone()
    };
    let name = world.tunepod()["metadata"]["name"].as_str().map(str::to_owned);
    let key = Key {
        name: name.expect("a name"),
        ..key
    };
    let now = world.clock.now().to_string();
    let deleted = world
        .server
        .edit(&key, |pod| pod["metadata"]["deletionTimestamp"] = json!(now));
    deleted.expect("it is there");
    let first = uids[0].clone();
    world
        .rounds_until(600, |world| world.uid() != first && !world.uid().is_empty())
        .await;
    uids.push(world.uid());
    world
        .rounds_until(60, |world| world.tunepod()["status"]["phase"] == "Ready")
        .await;
    world.serve(3).await;
    world.end(&order);
    assert_eq!(world.until("Terminated", &order).await, None);
    let tunepods: Vec<TunePod> = world.all("tunepods");
    let last = tunepods[0].status.clone().unwrap_or_default().intervals;
    let invoices: Vec<Invoice> = world.all("invoices");
    let bases = || invoices.iter().filter_map(|invoice| invoice.spec.basis.as_ref());
    let billed = bases()
        .flat_map(|basis| &basis.instances)
        .flat_map(|one| &one.intervals);
    ByHand {
        uids,
        intervals: last.iter().map(|one| one.seq).collect(),
        metered_ms: last
            .iter()
            .filter_map(|one| Some(one.to.as_ref()?.0.as_millisecond() - one.from.0.as_millisecond()))
            .sum(),
        billed_ms: billed.filter_map(|one| Some(one.to_ms? - one.from_ms)).sum(),
        doubts: bases().flat_map(|basis| basis.doubts.clone()).collect(),
    }
}

impl World {
    /// The buyer ends the order.
    fn end(&self, order: &Key) {
        let ended = self.server.edit(order, |order| {
            order["spec"]["termination"] = json!({"reason": "done"});
        });
        ended.expect("the order is there");
    }

    async fn serve(&mut self, minutes: usize) {
        for _ in 0..minutes {
            self.clock.advance(60);
            self.server.set_time(self.clock.now());
            self.node.count(self.clock.now(), 1);
            self.round().await;
        }
    }

    /// Rounds, so many seconds apart, until `is_so`.
    async fn rounds_until(&mut self, seconds: i64, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..SOON {
            if is_so(self) {
                return;
            }
            self.round().await;
            self.clock.advance(seconds);
            self.server.set_time(self.clock.now());
        }
        panic!("it does not come to that: {:#?}", self.tunepod());
    }

    fn tunepod(&self) -> Value {
        self.server
            .all("tunepods.trustbridge.io")
            .first()
            .cloned()
            .unwrap_or_default()
    }

    fn uid(&self) -> String {
        self.tunepod()["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn all<K: DeserializeOwned>(&self, plural: &str) -> Vec<K> {
        let all = self.server.all(&format!("{plural}.trustbridge.io")).into_iter();
        all.map(|object| serde_json::from_value(object).expect("an object of its kind"))
            .collect()
    }
}
