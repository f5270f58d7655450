//! Every refusal, and that it can be acted on.

use super::*;

type Change = fn(&mut Value);

/// Each way to break a pod, and the field that the refusal must name.
const BROKEN: &[(&str, Change)] = &[
    ("`spec.hostNetwork`", |p| p["spec"]["hostNetwork"] = true.into()),
    ("`spec.hostPID`", |p| p["spec"]["hostPID"] = true.into()),
    ("`spec.hostIPC`", |p| p["spec"]["hostIPC"] = true.into()),
    ("`spec.shareProcessNamespace`", |p| {
        p["spec"]["shareProcessNamespace"] = true.into();
    }),
    ("`spec.volumes[logs].hostPath`", |p| {
        p["spec"]["volumes"] = json!([{"name": "logs", "hostPath": {"path": "/var/log"}}]);
    }),
    ("`spec.containers[runtime].securityContext.privileged`", |p| {
        p["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    }),
    ("`spec.securityContext.runAsUser`", |p| {
        p["spec"]["securityContext"]["runAsUser"] = 0.into();
    }),
    ("`spec.containers[tb-x].name`", |p| {
        p["spec"]["containers"][1]["name"] = "tb-x".into();
    }),
    ("`spec.initContainers[tb-sentinel].name`", |p| {
        p["spec"]["initContainers"][0]["name"] = "tb-sentinel".into();
    }),
    ("`spec.volumes[tb-model].name`", |p| {
        p["spec"]["volumes"] = json!([{"name": "tb-model", "emptyDir": {}}]);
    }),
    ("`spec.containers[logs].volumeMounts[tb-model]`", |p| {
        p["spec"]["containers"][1]["volumeMounts"] = json!([{"name": "tb-model", "mountPath": "/m"}]);
    }),
    ("`spec.containers[runtime].volumeMounts[data].mountPath`", |p| {
        p["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": "data", "mountPath": "/var/lib/trustbridge/cipher"}]);
    }),
    ("`spec.containers[runtime].ports[].hostPort`", |p| {
        p["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    }),
    ("`spec.containers[logs].ports[].containerPort`", |p| {
        p["spec"]["containers"][1]["ports"] = json!([{"containerPort": 8001}]);
    }),
    ("`spec.containers[runtime].readinessProbe.httpGet`", |p| {
        p["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 8081, "path": "/health"}});
    }),
    ("azure.workload.identity/inject-proxy-sidecar", |p| {
        p["metadata"]["annotations"]["azure.workload.identity/inject-proxy-sidecar"] = "true".into();
    }),
    ("metadata.annotations[trustbridge.io/runtime-container]", |p| {
        p["metadata"]["annotations"]["trustbridge.io/runtime-container"] = "nope".into();
    }),
    ("metadata.annotations[trustbridge.io/tunepod]", |p| {
        p["metadata"]["annotations"]["trustbridge.io/tunepod"] = "no-slash".into();
    }),
    ("metadata.annotations[trustbridge.io/delivery]", |p| {
        p["metadata"]["annotations"]["trustbridge.io/delivery"] = "disk".into();
    }),
    ("metadata.annotations[trustbridge.io/model-asset]", |p| {
        p["metadata"]["annotations"]["trustbridge.io/model-asset"] = "another".into();
    }),
];

#[test]
fn every_refusal_names_field_rule_and_next_step() {
    for (field, change) in BROKEN {
        let Verdict::Denied(why) = decide(&with(change)) else {
            panic!("{field} was not refused")
        };
        assert!(why.contains(field), "{field}: {why}");
        assert!(
            why.contains(", but ") && why.contains("; "),
            "no rule or next step: {why}"
        );
    }
}
