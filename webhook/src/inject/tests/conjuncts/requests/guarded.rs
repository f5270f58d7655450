//! Requests to make a pod with the sentinel.

use super::super::super::policies::request;
use super::super::super::*;
use super::creation;

/// A pod in which everything stands that may stand there.
fn rich() -> Value {
    let context = json!({"privileged": false, "allowPrivilegeEscalation": false, "procMount": "Default", "runAsUser": 1000,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}});
    let container = |name: &str| {
        json!({"name": name, "image": "i", "securityContext": context,
            "env": [{"name": "A", "value": "b"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "mountPropagation": "None", "subPath": "x"}],
            "ports": [{"containerPort": 9000, "hostPort": 0}, {"containerPort": 9001}]})
    };
    let mut pod = pod();
    let spec = pod["spec"].as_object_mut().unwrap();
    for field in [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "shareProcessNamespace",
        "automountServiceAccountToken",
    ] {
        spec.insert(field.to_owned(), false.into());
    }
    spec.insert("restartPolicy".to_owned(), "Always".into());
    spec.insert(
        "containers".to_owned(),
        json!([container("runtime"), container("logs"), {"name": "bare", "image": "i"}]),
    );
    spec.insert("initContainers".to_owned(), json!([container("warm")]));
    spec.insert(
        "volumes".to_owned(),
        json!([{"name": "scratch", "emptyDir": {}}, {"name": "b", "configMap": {"name": "c"}}, {"name": "c", "secret": {}},
            {"name": "d", "projected": {"sources": [{"configMap": {}}]}}, {"name": "e", "downwardAPI": {}},
            {"name": "f", "persistentVolumeClaim": {}}, {"name": "g", "ephemeral": {}}, {"name": "h", "csi": {}},
            {"name": "i", "projected": {}}, {"name": "j", "secret": {"secretName": "mine"}},
            {"name": "k", "projected": {"sources": [{"secret": {"name": "mine"}}]}}]),
    );
    applied(&pod)
}

/// What is put in where nothing stands.
fn added(pod: &Value, pointer: &str, value: Value) -> Value {
    let mut pod = pod.clone();
    let (owner, key) = pointer.rsplit_once('/').unwrap();
    match pod.pointer_mut(owner).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        other => panic!("{pointer}: {other}"),
    }
    pod
}

pub(super) fn requests() -> (Vec<Value>, Vec<Value>) {
    let plain = applied(&pod());
    let mut unnamed = pod();
    // The annotations that have a default, and a pod without a security context of its own.
    for annotation in ["model-asset", "runtime-container", "delivery"] {
        let annotations = unnamed["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove(&format!("trustbridge.io/{annotation}"));
    }
    unnamed["spec"].as_object_mut().unwrap().remove("securityContext");
    let ram = applied(&with(|p| {
        p["metadata"]["annotations"]["trustbridge.io/delivery"] = "ramfile".into();
    }));
    let guard = "/spec/initContainers/0";
    let api = plain["spec"]["volumes"].as_array().unwrap().len() - 1;
    let mut more: Vec<Value> = in_the_guard()
        .into_iter()
        .chain(beside_it())
        .chain(for_the_api_server())
        .map(|(pointer, value)| (pointer.replace("GUARD", guard), value))
        .map(|(pointer, value)| {
            added(
                &plain,
                &pointer.replace("API", &format!("/spec/volumes/{api}/projected")),
                value,
            )
        })
        .collect();
    for (_, _, change) in refusals::BROKEN {
        let mut bent = plain.clone();
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_left(1);
        change(&mut bent);
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_right(1);
        more.push(bent);
    }
    more.extend([rich(), applied(&unnamed), ram]);
    let mut requests: Vec<Value> = more.iter().map(creation).collect();
    requests.push(request(&plain, "jane"));
    // A namespace that is nobody's, and another organisation's.
    for namespace in ["tb-acme", "acme-protected", "tb-other-protected"] {
        let mut elsewhere = creation(&plain);
        elsewhere["request"]["namespace"] = namespace.into();
        requests.push(elsewhere);
    }
    let mut nobodys = creation(&plain);
    nobodys["request"]["namespace"] = "acme-protected".into();
    nobodys["object"]["metadata"]["annotations"]["trustbridge.io/tunepod"] = "acme/order-1-0".into();
    requests.push(nobodys);
    (vec![creation(&plain)], requests)
}

/// One thing too much in the sentinel.
fn in_the_guard() -> Vec<(&'static str, Value)> {
    let preload = json!({"name": "LD_PRELOAD", "value": "/x.so"});
    let endpoint = json!({"name": "TB_EDC_ENDPOINT", "value": "https://evil.example"});
    let secret = json!({"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let user_volume = json!({"name": "mine", "mountPath": "/etc/ssl/certs"});
    let over = json!({"name": "tb-model", "mountPath": "/dev/shm/tb", "subPath": "model"});
    let over_expr = json!({"name": "tb-model", "mountPath": "/dev/shm/tb", "subPathExpr": "$(A)"});
    vec![
        ("GUARD/env/-", preload),
        ("GUARD/env/-", endpoint),
        ("GUARD/env/-", secret),
        (
            "GUARD/env/-",
            json!({"name": "TB_CA_PATH", "value": "/mine/ca.crt"}),
        ),
        ("GUARD/volumeMounts/-", user_volume),
        ("GUARD/volumeMounts/-", over),
        ("GUARD/volumeMounts/-", over_expr),
        ("GUARD/command", json!(["/sh"])),
        ("GUARD/envFrom", json!([{"secretRef": {"name": "s"}}])),
        (
            "GUARD/lifecycle",
            json!({"postStart": {"exec": {"command": ["/x"]}}}),
        ),
        (
            "GUARD/volumeDevices",
            json!([{"name": "d", "devicePath": "/dev/x"}]),
        ),
        ("GUARD/workingDir", json!("/x")),
        ("GUARD/image", json!("sentinel:before")),
        ("GUARD/startupProbe/httpGet/host", json!("example.com")),
        ("GUARD/readinessProbe/httpGet/host", json!("example.com")),
        ("GUARD/livenessProbe/httpGet/host", json!("example.com")),
        ("GUARD/name", json!("tb-other")),
    ]
}

/// One thing else in what is projected for the API server.
fn for_the_api_server() -> Vec<(&'static str, Value)> {
    let authority =
        json!({"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}});
    vec![
        ("API/sources/0/serviceAccountToken/audience", json!("vault")),
        ("API/sources", json!([authority, authority])),
        ("API/sources/-", authority),
        (
            "/spec/containers/1/volumeMounts",
            json!([{"name": "tb-api", "mountPath": "/x"}]),
        ),
    ]
}

/// One thing too much beside it.
#[expect(clippy::too_many_lines, reason = "a table, one row for each request")]
fn beside_it() -> Vec<(&'static str, Value)> {
    let secret = json!({"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let part = json!({"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true, "subPath": "model"});
    vec![
        (
            "/spec/containers/-",
            json!({"name": "tb-sentinel", "image": "sentinel:dev"}),
        ),
        (
            "/spec/initContainers/-",
            json!({"name": "tb-helper", "image": "x"}),
        ),
        ("/spec/hostNetwork", json!(true)),
        ("/spec/volumes/-", json!({"name": "tb-more", "emptyDir": {}})),
        ("/spec/volumes/-", json!({"name": "nothing"})),
        (
            "/spec/containers/0/volumeMounts/-",
            json!({"name": "tb-audit", "mountPath": "/x"}),
        ),
        (
            "/spec/containers/0/volumeMounts/-",
            json!({"name": "tb-tls", "mountPath": "/x"}),
        ),
        (
            "/spec/volumes/-",
            json!({"name": "tb-more", "secret": {"secretName": "tp-order-1-0-tls"}}),
        ),
        (
            "/spec/volumes/-",
            json!({"name": "tb-more", "secret": {"secretName": "tp-order-1-0-token-sums", "items": [{"key": "tokens", "path": "tokens"}]}}),
        ),
        (
            "/spec/volumes/-",
            json!({"name": "mine", "secret": {"secretName": "tp-order-1-0-tls"}}),
        ),
        (
            "/spec/volumes/-",
            json!({"name": "mine", "projected": {"sources": [{"secret": {"name": "tp-order-1-0-tls"}}]}}),
        ),
        (
            "/spec/containers/1/env",
            json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "tp-order-1-0-tls", "key": "tls.key"}}}]),
        ),
        (
            "/spec/containers/1/volumeMounts",
            json!([{"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true}]),
        ),
        ("/spec/containers/0/volumeMounts", json!([part])),
        (
            "/spec/containers/0/volumeMounts",
            json!([{"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true, "subPathExpr": "$(A)"}]),
        ),
        (
            "/spec/initContainers/1/volumeMounts",
            json!([{"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true}]),
        ),
        (
            "/spec/containers/0/env/-",
            json!({"name": "TB_MODEL_DIR", "value": "/x"}),
        ),
        (
            "/spec/containers/0/env/-",
            json!({"name": "TB_MODEL_DIR", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}),
        ),
        (
            "/spec/containers/1/env",
            json!([{"name": "TB_MODEL_DIR", "value": "/dev/shm/tb/model"}]),
        ),
        ("/spec/containers/1/env", json!([secret])),
        (
            "/spec/volumes/-",
            json!({"name": "logs", "hostPath": {"path": "/var/log"}}),
        ),
        ("/spec/terminationGracePeriodSeconds", json!(59)),
    ]
}
