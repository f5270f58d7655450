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
        json!({"httpGet": {"path": "/app/runtime/startupz", "port": 8001, "scheme": "HTTP"}, "failureThreshold": 30})
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
