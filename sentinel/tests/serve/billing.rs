//! What is used is written down, handed out, reported, and its refusal ends the service.

use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trustbridge_domain::metering::{Ledger, Meter, Now, Quantity};

use crate::world::{Asset, Runtime, World, eventually, http, post, weights};

fn usage(world: &World, query: &str) -> Value {
    let request = format!("GET /usage?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answer = http(world.admin, &request);
    serde_json::from_str(&answer.body).unwrap_or_else(|_| json!({"status": answer.status}))
}

fn tokens(page: &Value) -> u64 {
    let records = page["records"].as_array().unwrap();
    let made = |record: &Value| record["counters"]["completion_tokens"].as_u64();
    records.iter().filter_map(made).sum()
}

#[test]
fn usage_is_counted_kept_through_a_kill_and_handed_out_once() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let interval = [("TB_USAGE_INTERVAL_SECONDS", "1")];
    let mut sentinel = world.sentinel(&interval);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    let answer = post(world.public, "/v1/chat/completions", "{}");
    assert_eq!(answer.status, 200);
    // A client that leaves in the middle of a stream has used what it was told so far.
    assert_eq!(usage(&world, "after=0")["first"], 1);
    eventually("the interval", || tokens(&usage(&world, "after=0")) == 2);
    let page = usage(&world, "after=0");
    let counters = &page["records"][0]["counters"];
    assert_eq!(
        (&counters["requests"], &counters["request_bytes"]),
        (&1.into(), &2.into())
    );
    assert_eq!(counters["prompt_tokens"], 3);
    sentinel.signal(Signal::SIGKILL);
    sentinel.ended();
    drop(sentinel);
    runtime.die();

    let mut sentinel = world.sentinel(&interval);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    let again = usage(&world, "after=0");
    assert_eq!(
        (&again["records"], &again["outbox"]),
        (&page["records"], &page["outbox"])
    );
    assert_ne!(again["boot"], page["boot"]);
    post(world.public, "/v1/chat/completions", "{}");
    eventually("the second start's interval", || {
        tokens(&usage(&world, "after=0")) == 4
    });
    let last = usage(&world, "after=0")["last"].as_u64().unwrap();
    assert_eq!(usage(&world, &format!("after={last}&ack=00"))["status"], 409);
    let hash = usage(&world, "after=0")["records"][0]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = usage(&world, &format!("after=1&ack={hash}"));
    assert_eq!((rest["records"][0]["seq"].clone(), tokens(&rest)), (2.into(), 2));

    // What is in memory when it is told to end is on the disk when it has ended.
    post(world.public, "/v1/chat/completions", "{}");
    sentinel.signal(Signal::SIGTERM);
    assert!(sentinel.ended().success());
    let text = std::fs::read_to_string(world.disk.path().join("state/usage.jsonl")).unwrap();
    let made = text.lines().filter_map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["counters"]["completion_tokens"].as_u64()
    });
    assert_eq!(made.sum::<u64>(), 6);
}

#[test]
fn in_a_pod_the_neighbours_neither_drain_nor_acknowledge() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_POD_UID", "uid-1"), ("TB_USAGE_INTERVAL_SECONDS", "1")]);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        http(world.admin, &request).status
    };
    assert_eq!(get("/drain?wait=0"), 403);
    assert_eq!(get("/usage?after=0&ack=00"), 403);
    for open in ["/status", "/readyz", "/metrics", "/usage"] {
        assert_eq!(get(open), 200, "{open}");
    }
    assert_eq!(post(world.public, "/v1/chat/completions", "{}").status, 200);
    assert_eq!(usage(&world, "after=0")["pod"], "uid-1");
}

/// The books of an earlier start: an hour that is over and not reported.
fn an_hour_of_yesterday(world: &World) {
    let meter = Meter {
        resource: "/subscriptions/s/app".into(),
        dimension: "tokens".into(),
        plan: "gold".into(),
    };
    let hour_ago = |hours: i64| Now {
        wall_ms: jiff::Timestamp::now().as_millisecond() - hours * 3_600_000,
        elapsed_ms: 0,
    };
    let mut ledger = Ledger::default();
    ledger.take_in(1, &[(meter, Quantity::from(7))], hour_ago(3));
    ledger.advance(hour_ago(1));
    let state = world.disk.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let saved = json!({"outbox": "another", "ledger": ledger});
    std::fs::write(state.join("metering.json"), saved.to_string()).unwrap();
}

#[test]
fn a_machine_reports_by_itself_and_is_suspended_with_402() {
    let asset = Asset::single();
    let world = World::new(&asset);
    an_hour_of_yesterday(&world);
    let assertion = world.disk.path().join("assertion");
    std::fs::write(&assertion, "secret-assertion").unwrap();
    let url = format!("https://{}", world.servers.metering);
    let settings = [
        ("TB_METERING_URL", url.as_str()),
        ("TB_METERING_RESOURCE", "/subscriptions/s/app"),
        ("TB_METERING_PLAN", "gold"),
        ("TB_USAGE_INTERVAL_SECONDS", "1"),
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_FEDERATED_TOKEN_FILE", assertion.to_str().unwrap()),
    ];
    // The first answers are failures; the runtime comes up meanwhile.
    let shared = &world.servers.world;
    shared.metering_down.store(true, Ordering::SeqCst);
    let mut sentinel = world.sentinel(&settings);
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    assert_eq!(post(world.public, "/v1/chat/completions", "{}").status, 200);
    eventually("an attempt", || !shared.metered.lock().unwrap().is_empty());
    assert_eq!(usage(&world, "after=1&ack=00")["status"], 409);
    shared.metering_down.store(false, Ordering::SeqCst);
    let status = sentinel.wait_for("Suspended");
    assert_eq!(status["reason"], "metering_not_active");
    let refused = post(world.public, "/v1/chat/completions", "{}");
    assert_eq!(refused.status, 402);
    let error: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(
        (&error["error"]["type"], &error["error"]["code"]),
        (&"billing_error".into(), &"billing".into())
    );
    let report = std::fs::read_to_string(world.termination_log()).unwrap();
    assert!(report.contains("\"cause\":\"Billing\""), "{report}");
    // The same event, with the same quantity, every time.
    let sent = shared.metered.lock().unwrap().clone();
    assert!(sent.len() >= 2, "{sent:?}");
    assert!(
        sent.iter()
            .all(|event| event == &sent[0] && event["quantity"] == 7),
        "{sent:?}"
    );
    let log = sentinel.log();
    assert!(
        !log.contains("secret-assertion") && !log.contains("t0ken"),
        "a secret is in the log"
    );
}
