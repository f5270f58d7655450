//! What ARM refuses: for each class the condition that names it, how often it is asked again, and that the order gets on
//! once it is granted.
//!
//! Another size instead is nothing that this operator takes by itself: the size was sold, and the reason stands in the
//! condition until somebody decides. The pace is that of the size: several TunePods of one ask together.
//! What a process remembers of a size is lost after each round here; how exact it is while it lives, its own tests say.

use super::boundary::Plan;
use super::runtime;
use super::story::{Story, World};
use serde_json::json;
use trustbridge_api::condition::Reason;

/// Seconds of the time in which it is counted.
const HOUR: i64 = 3_600;
/// Seconds between two looks of the controller.
const LOOK: i64 = 15;

/// A refusal that does not end by itself.
struct Refusal {
    code: &'static str,
    status: u16,
    message: &'static str,
    /// In the answer, or in the operation that was accepted.
    place: &'static str,
    reason: Reason,
    /// PUTs in an hour at the most.
    puts: usize,
}

const fn refusal(
    code: &'static str,
    status: u16,
    message: &'static str,
    reason: Reason,
    puts: usize,
) -> Refusal {
    Refusal {
        code,
        status,
        message,
        place: "put",
        reason,
        puts,
    }
}

const QUOTA: &str = "Operation could not be completed as it results in exceeding approved standardNCADSA100v4Family Cores quota.";
const REGION: &str =
    "Operation could not be completed as it results in exceeding approved Total Regional Cores quota.";
const BUSY: &str = "Operation is not allowed because there's an in progress update managed cluster operation";

/// Quota, size, room and policy need a hand or time: they are asked for again seldom. The others pass.
const REFUSALS: [Refusal; 9] = [
    refusal("OperationNotAllowed", 409, QUOTA, Reason::QuotaFamily, 3),
    refusal("OperationNotAllowed", 409, REGION, Reason::QuotaRegion, 3),
    refusal("SkuNotAvailable", 409, "not here", Reason::SkuUnavailable, 3),
    Refusal {
        place: "operation",
        ..refusal(
            "ZonalAllocationFailed",
            409,
            "no room in zone 1",
            Reason::Zone,
            12,
        )
    },
    Refusal {
        place: "operation",
        ..refusal("AllocationFailed", 409, "no room", Reason::Capacity, 3)
    },
    refusal("TooManyRequests", 429, "slower", Reason::Throttle, 12),
    refusal("OperationNotAllowed", 409, BUSY, Reason::Busy, 60),
    refusal(
        "RequestDisallowedByPolicy",
        403,
        "a policy forbids it",
        Reason::Fatal,
        3,
    ),
    refusal("AuthorizationFailed", 403, "no right", Reason::Auth, 20),
];

/// An hour of that refusal, and what follows when it ends: the words of the condition, the PUTs of the hour.
async fn an_hour_of(refusal: &Refusal, story: Story) -> (Vec<String>, usize) {
    let mut world = World::new(&Plan::none()).await;
    let fault = json!({"code": refusal.code, "status": refusal.status, "message": refusal.message,
        "where": refusal.place, "times": 10_000});
    world.azure.refuses(&json!([fault])).await;
    let order = world.order(story);
    let mut words = Vec::new();
    for _ in 0..HOUR / LOOK {
        world.round().await;
        let reason = world.provisioned();
        if words.last() != Some(&reason) {
            words.push(reason);
        }
        world.passes(LOOK);
    }
    let puts = world.puts();
    world.azure.refuses(&json!([])).await;
    assert_eq!(world.until("Active", &order).await, None, "{}", refusal.code);
    (words, puts)
}

impl World {
    /// Reason of the condition `Provisioned` of the TunePod.
    fn provisioned(&self) -> String {
        let all = self.server.all("tunepods.trustbridge.io");
        let conditions = all.first().and_then(|one| one["status"]["conditions"].as_array());
        let condition = conditions
            .into_iter()
            .flatten()
            .find(|one| one["type"] == "Provisioned");
        let reason = condition.and_then(|one| one["reason"].as_str());
        reason.unwrap_or_default().to_owned()
    }

    fn puts(&self) -> usize {
        let calls = self.boundary.calls();
        calls.iter().filter(|call| call.starts_with("ARM PUT")).count()
    }
}

#[test]
fn every_refusal_is_named_and_asked_again_at_its_pace_and_passes() {
    for refusal in &REFUSALS {
        let (words, puts) = runtime().block_on(an_hour_of(refusal, Story::Sample));
        let said = refusal.reason.as_str();
        println!("{said}: {puts} PUTs in an hour, {words:?}");
        assert!(words.iter().any(|word| word == said), "{said}: {words:?}");
        assert!(
            (1..=refusal.puts).contains(&puts),
            "{said}: {puts} PUTs in an hour"
        );
    }
}

#[test]
fn two_of_one_size_ask_together_and_both_get_on() {
    let quota = &REFUSALS[0];
    let (words, puts) = runtime().block_on(an_hour_of(quota, Story::Two));
    println!("two TunePods: {puts} PUTs in an hour, {words:?}");
    // One more than that of one TunePod, for what two hundred new processes forgot; each for itself would ask twice as often.
    assert!(
        (1..=quota.puts + 1).contains(&puts),
        "{puts} PUTs of one size in an hour"
    );
}
