//! Probes of the model server are asked by the sentinel.

use super::*;

fn probed(change: impl FnOnce(&mut Value)) -> Value {
    let pod = with(|p| change(&mut p["spec"]["containers"][0]));
    applied(&pod)["spec"]["containers"][0].take()
}

#[test]
fn what_the_kubelet_cannot_reach_the_sentinel_asks() {
    let runtime = probed(|c| {
        c["ports"] = json!([{"name": "http", "containerPort": 8081}]);
        c["startupProbe"] = json!({"tcpSocket": {"port": 8081}, "failureThreshold": 30});
        c["readinessProbe"] = json!({"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 3});
        c["livenessProbe"] = json!({"exec": {"command": ["/ok"]}});
    });
    assert_eq!(
        runtime["startupProbe"],
        json!({"httpGet": {"path": "/app/runtime/startupz", "port": 8001, "scheme": "HTTP"},
            // 40 MB at 20 MB/s are two seconds: one probe more.
            "failureThreshold": 31, "periodSeconds": 10})
    );
    assert_eq!(
        runtime["readinessProbe"],
        json!({"httpGet": {"path": "/app/runtime/readyz?path=/health", "port": 8001, "scheme": "HTTP"}, "periodSeconds": 3})
    );
    assert_eq!(runtime["livenessProbe"], json!({"exec": {"command": ["/ok"]}}));
}

#[test]
fn a_rewritten_probe_comes_back_as_it_is() {
    let once = applied(&with(|p| {
        p["spec"]["containers"][0]["livenessProbe"] = json!({"httpGet": {"path": "/health", "port": 8081}});
    }));
    assert_eq!(decide(&once), Verdict::Allowed);
}

#[test]
fn a_rewritten_probe_that_somebody_bends_is_refused() {
    let once = applied(&with(|p| {
        p["spec"]["containers"][0]["livenessProbe"] = json!({"httpGet": {"path": "/health", "port": 8081}});
    }));
    for (field, value) in [
        ("host", json!("example.com")),
        ("scheme", json!("HTTPS")),
        ("httpHeaders", json!([{"name": "Host", "value": "x"}])),
    ] {
        let mut bent = once.clone();
        bent["spec"]["containers"][0]["livenessProbe"]["httpGet"][field] = value;
        let Verdict::Denied(why) = decide(&bent) else {
            panic!("{field} was let through")
        };
        assert!(why.starts_with("ProbeTarget: ") && why.contains(field), "{why}");
    }
}

#[test]
fn probes_of_other_containers_stay() {
    let pod = with(|p| p["spec"]["containers"][1]["readinessProbe"] = json!({"httpGet": {"port": 9000}}));
    assert_eq!(
        applied(&pod)["spec"]["containers"][1]["readinessProbe"],
        json!({"httpGet": {"port": 9000}})
    );
}

/// `startupProbe` and the mark that tells what it was, of a pod that is given so much time.
fn started(pod: &Value, settings: &SentinelSettings) -> (Value, Value) {
    let once = applied_with(pod, settings);
    assert_eq!(
        decide_with(&once, settings),
        Verdict::Allowed,
        "not idempotent: {once}"
    );
    (
        once["spec"]["containers"][0]["startupProbe"].clone(),
        once["metadata"]["annotations"][startup::MARK].clone(),
    )
}

#[test]
fn a_transfer_does_not_count_against_the_model_servers_start() {
    let mut settings = settings();
    // The asset's 40 MB take 400 s.
    settings.least_bandwidth = std::num::NonZeroU64::new(100_000).unwrap();
    let command = json!({"exec": {"command": ["/ok", "a b"], "of": "tomorrow"}, "periodSeconds": 7, "initialDelaySeconds": 5});
    let own = |field: &str, probe: &Value| {
        let (field, probe) = (field.to_owned(), probe.clone());
        with(|p| p["spec"]["containers"][0][field] = probe)
    };
    let (probe, mark) = started(&own("startupProbe", &command), &settings);
    assert_eq!((&probe["failureThreshold"], &mark), (&json!(3 + 58), &json!("3")));
    assert_eq!(probe["exec"], command["exec"]);
    // A liveness probe alone would end the model server while it waits.
    let (probe, mark) = started(&own("livenessProbe", &command), &settings);
    let mut wanted = command.clone();
    wanted["failureThreshold"] = (3 + 58).into();
    assert_eq!((probe, mark), (wanted, json!("liveness")));
    let asked = json!({"httpGet": {"path": "/health", "port": 8081}, "failureThreshold": 2});
    let (probe, _) = started(&own("livenessProbe", &asked), &settings);
    assert_eq!(
        probe["httpGet"]["path"], "/app/runtime/livez?path=/health",
        "the sentinel is asked in its place too"
    );
    assert_eq!(
        (&probe["failureThreshold"], &probe["periodSeconds"]),
        (&json!(42), &json!(10))
    );
    // Without a probe, or with one that ends nothing, nothing is added.
    for pod in [pod(), own("readinessProbe", &asked)] {
        assert_eq!(started(&pod, &settings), (Value::Null, Value::Null));
    }
}

#[test]
fn time_that_a_later_webhook_takes_away_is_given_back() {
    let once = applied(&with(|p| {
        p["spec"]["containers"][0]["startupProbe"] = json!({"exec": {"command": ["/ok"]}});
    }));
    let mut bent = once.clone();
    bent["spec"]["containers"][0]["startupProbe"]["failureThreshold"] = 1.into();
    assert_eq!(applied(&bent), once);
}
