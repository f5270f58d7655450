//! A buyer's change of an order that runs: more disk and another tier, whatever fault stands in the way.

use super::World;
use serde_json::{Value, json};
use trustbridge_kit::clock::Clock as _;
use trustbridge_simkit::apiserver::Key;

const CHANGES: &str = "changeorders.trustbridge.io";
/// Seconds between two looks. All looks together are 288 s, which are 14 whole minor units at 1.75 an hour: what is billed
/// stays as far from the edge of rounding as it was without them.
const LOOK: i64 = 12;
/// Looks in which it must be over; as many in each run, because what is metered meanwhile is billed and compared.
const LOOKS: usize = 24;

impl World {
    /// What can be added, for next to nothing: a fault costs seconds, and amounts are compared.
    pub(super) fn add_ons(&self) {
        let key = |plural: &str, name: &str| Key {
            plural: format!("{plural}.trustbridge.io"),
            namespace: None,
            name: name.to_owned(),
        };
        let terms = json!({"name": "image_studio_sd", "family": "Sample", "addOns": [
            {"sku": "NVMe-AddOn", "priceMinor": 1, "nvmeGb": 500},
            {"sku": "Support-Premium", "priceMinor": 2, "supportTier": "premium"},
        ]});
        let sells = |seller: &mut Value| seller["spec"]["useCases"] = json!([terms]);
        self.server
            .edit(&key("sellerprofiles", "seller"), sells)
            .expect("the seller is there");
        let leaves_room = |offer: &mut Value| {
            offer["spec"]["useCases"] = json!(["image_studio_sd"]);
            offer["spec"]["resources"]["nvmeGb"] = json!(400);
        };
        self.server
            .edit(&key("offers", "sample-1gpu"), leaves_room)
            .expect("the offer is there");
    }

    /// Asks, accepts what it is priced at, and waits; otherwise how it stands.
    pub(super) async fn change(&mut self, order: &Key) -> Option<String> {
        let change = json!({
            "apiVersion": "trustbridge.io/v1alpha1", "kind": "ChangeOrder",
            "metadata": {"name": "more", "namespace": order.namespace},
            "spec": {"orderRef": {"name": order.name}, "request": {"add_nvme_gb": 500, "support_tier": "premium"}},
        });
        self.server.seed(CHANGES, change).expect("it is new");
        for _ in 0..LOOKS {
            self.round().await;
            self.accept(order);
            self.clock.advance(LOOK);
            self.server.set_time(self.clock.now());
        }
        let changes = self.server.all(CHANGES);
        let order = self.server.everything().get(order).cloned().unwrap_or_default();
        let entry = &order["status"]["changes"][0];
        let at = &changes[0]["status"]["appliedAt"];
        let disks: Vec<Value> = self
            .server
            .all("tunepods.trustbridge.io")
            .iter()
            .map(|tunepod| tunepod["spec"]["nvmeGb"].clone())
            .collect();
        let is_done = changes[0]["status"]["phase"] == "Applied"
            && at.is_string()
            && *at == entry["appliedAt"]
            && disks.iter().all(|disk| *disk == 900);
        (!is_done).then(|| format!("the change is not applied: {changes:?}, entry {entry}, disks {disks:?}"))
    }

    /// The buyer says yes to what is priced.
    fn accept(&self, order: &Key) {
        let changes = self.server.all(CHANGES);
        let status = &changes[0]["status"];
        if status["phase"] == "Quoted" {
            let decision = json!({"more": {"answer": "accept", "digest": status["digest"]}});
            let said = |order: &mut Value| order["spec"]["changeDecisions"] = decision;
            self.server.edit(order, said).expect("the order is there");
        }
    }
}
