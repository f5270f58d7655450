//! What is injected, and what is kept.

mod arguments;
mod broken;
mod conjuncts;
// T1 uses the rest of it.
#[expect(dead_code)]
mod generate;
mod policies;
mod probes;
mod properties;
mod refusals;

use super::*;
use serde_json::json;
use trustbridge_api::reference::{Mode, NameRef};
use trustbridge_api::{ModelAssetSpec, TunePodSpec};

const OPERATOR: &str = "system:serviceaccount:trustbridge-system:trustbridge-operator";

fn creators() -> Creators {
    Creators(vec![OPERATOR.to_owned()])
}

fn settings() -> SentinelSettings {
    serde_json::from_value(json!({
        "image": "sentinel:dev", "caConfigMap": "trustbridge-ca", "proxyAllow": ["/v1/demo"],
        "runtimeArgs": [{"image": "vllm/vllm-openai", "args": ["--enable-force-include-usage"]}],
        "extraEnv": [{"name": "TB_DOWNLOAD_CONCURRENCY", "value": "2"}, {"name": "TB_ASSET_ID", "value": "other"}],
    }))
    .unwrap()
}

fn tunepod() -> TunePodSpec {
    TunePodSpec {
        mode: Mode::ProtectedModel,
        contract_id: Some("contract-allow".into()),
        model_asset_ref: Some(NameRef::new("tb-asset-e2e-001")),
        ..TunePodSpec::default()
    }
}

fn asset() -> ModelAssetSpec {
    ModelAssetSpec {
        endpoint: "https://edc.example.com".into(),
        manifest_sha256: "ab".repeat(32),
        plaintext_bytes: 40_000_000,
        ..ModelAssetSpec::default()
    }
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "order-1-0", "labels": {"trustbridge.io/inject": "true"},
            "annotations": {
                "trustbridge.io/tunepod": "tb-acme/order-1-0",
                "trustbridge.io/model-asset": "tb-asset-e2e-001",
                "trustbridge.io/runtime-container": "runtime",
                "trustbridge.io/delivery": "fifo",
            },
        },
        "spec": {
            "securityContext": {"runAsUser": 65532, "runAsNonRoot": true},
            "initContainers": [{"name": "warm", "image": "i"}],
            "containers": [
                {"name": "runtime", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
                {"name": "logs", "image": "l"},
            ],
        },
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = pod();
    change(&mut pod);
    pod
}

fn decide(pod: &Value) -> Verdict {
    decide_with(pod, &settings())
}

fn decide_with(pod: &Value, settings: &SentinelSettings) -> Verdict {
    let text = pod.to_string();
    let view: Pod<'_> = serde_json::from_str(&text).unwrap();
    let again = was_guarded(&view);
    let examined = if again {
        examine_again(pod, OPERATOR, &creators(), settings)
    } else {
        examine(&view, OPERATOR, &creators(), settings)
    };
    let intent = match examined {
        Ok(intent) => intent,
        Err(verdict) => return verdict,
    };
    let asset = asset();
    let found = delivery::resolve(
        &intent,
        "tb-acme-protected",
        Some(&tunepod()),
        Some(("tb-asset-e2e-001", Some(&asset))),
    );
    match found {
        Ok(delivery) if again => admit_again(pod, &intent, &delivery, settings),
        Ok(delivery) => admit(&view, &intent, &delivery, settings),
        Err(found) => Verdict::Denied(describe(&found)),
    }
}

fn applied(pod: &Value) -> Value {
    applied_with(pod, &settings())
}

fn applied_with(pod: &Value, settings: &SentinelSettings) -> Value {
    let decided = decide_with(pod, settings);
    let Verdict::Patched(patch) = decided else {
        panic!("not patched: {decided:?}")
    };
    let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
    let mut result = pod.clone();
    json_patch::patch(&mut result, &patch).unwrap();
    result
}

fn env_of<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    container["env"].as_array()?.iter().find(|v| v["name"] == name)
}

fn intent_of(pod: &Value) -> Intent {
    let text = pod.to_string();
    let view: Pod<'_> = serde_json::from_str(&text).unwrap();
    examine(&view, OPERATOR, &creators(), &settings()).unwrap()
}

#[test]
fn the_sentinel_comes_first_and_the_runtime_gets_the_model() {
    let result = applied(&pod());
    let spec = &result["spec"];
    assert_eq!(spec["initContainers"][0]["name"], "tb-sentinel");
    assert_eq!(spec["initContainers"][0]["restartPolicy"], "Always");
    assert_eq!(spec["initContainers"][1]["name"], "warm");
    assert_eq!(spec["terminationGracePeriodSeconds"], 60);
    let runtime = &spec["containers"][0];
    assert_eq!(
        env_of(runtime, "TB_MODEL_DIR").unwrap()["value"],
        "/dev/shm/tb/model"
    );
    assert_eq!(
        runtime["volumeMounts"],
        json!([{"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true}])
    );
    assert_eq!(runtime["lifecycle"]["preStop"]["httpGet"]["path"], "/drain");
    assert_eq!(spec["containers"][1], pod()["spec"]["containers"][1]);
    let volumes: Vec<_> = spec["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].clone())
        .collect();
    assert_eq!(
        volumes,
        [
            "tb-model",
            "tb-cipher",
            "tb-audit",
            "tb-tls",
            "tb-tokens",
            "tb-ca",
            "tb-api"
        ]
    );
    assert_eq!(
        spec["volumes"][3]["secret"]["secretName"], "tp-order-1-0-tls",
        "of the pod's own TunePod"
    );
    assert_eq!(
        spec["volumes"][4]["secret"]["items"],
        json!([{"key": "tokens", "path": "tokens"}])
    );
    assert_eq!(spec["volumes"][0]["emptyDir"]["medium"], "Memory");
}

#[test]
fn the_environment_comes_from_tunepod_and_asset() {
    let result = applied(&pod());
    let sentinel = &result["spec"]["initContainers"][0];
    for (name, value) in [
        ("TB_CONTRACT_ID", "contract-allow"),
        ("TB_ASSET_ID", "tb-asset-e2e-001"),
        ("TB_EDC_ENDPOINT", "https://edc.example.com"),
        ("TB_PROXY_ALLOW", "/v1/demo"),
        ("TB_CA_PATH", "/etc/trustbridge/ca/ca.crt"),
        ("TB_TLS_CERT_PATH", "/etc/trustbridge/tls/tls.crt"),
        ("TB_TLS_KEY_PATH", "/etc/trustbridge/tls/tls.key"),
        ("TB_TOKENS_PATH", "/etc/trustbridge/tokens/tokens"),
        ("TB_DOWNLOAD_CONCURRENCY", "2"),
    ] {
        assert_eq!(env_of(sentinel, name).unwrap()["value"], value, "{name}");
    }
    assert_eq!(
        env_of(sentinel, "TB_NODE_NAME").unwrap()["valueFrom"]["fieldRef"]["fieldPath"],
        "spec.nodeName"
    );
    let names: Vec<_> = sentinel["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].to_string())
        .collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "a variable is set twice: {names:?}");
}

#[test]
fn what_the_pod_sets_itself_is_kept() {
    let result = applied(&with(|p| {
        p["spec"]["terminationGracePeriodSeconds"] = 300.into();
        p["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["/stop"]}}});
        p["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "b"}]);
        p["spec"]["futureField"] = json!({"deep": [1, 2, null]});
    }));
    assert_eq!(result["spec"]["terminationGracePeriodSeconds"], 300);
    let runtime = &result["spec"]["containers"][0];
    assert!(runtime["lifecycle"]["preStop"]["exec"].is_object());
    assert_eq!(env_of(runtime, "A").unwrap()["value"], "b");
    assert_eq!(
        env_of(runtime, "TB_MODEL_DIR").unwrap()["value"],
        "/dev/shm/tb/model"
    );
    assert_eq!(result["spec"]["futureField"], json!({"deep": [1, 2, null]}));
}

#[test]
fn one_user_for_both_sides_of_the_fifo() {
    let result = applied(&with(|p| {
        p["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 1000});
    }));
    assert_eq!(
        result["spec"]["initContainers"][0]["securityContext"]["runAsUser"],
        1000
    );
    let result = applied(&with(|p| {
        p["spec"].as_object_mut().unwrap().remove("securityContext");
    }));
    assert_eq!(
        result["spec"]["containers"][0]["securityContext"]["runAsUser"],
        65532
    );
    assert_eq!(decide(&result), Verdict::Allowed);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let bad = with(|p| {
        p["spec"]["hostNetwork"] = true.into();
        p["spec"]["hostPID"] = true.into();
        p["metadata"]["annotations"] = json!({});
    });
    let text = bad.to_string();
    let view: Pod<'_> = serde_json::from_str(&text).unwrap();
    let Err(Verdict::Denied(why)) = examine(&view, "jane", &creators(), &settings()) else {
        panic!("not refused")
    };
    for part in ["hostNetwork", "hostPID", "trustbridge.io/tunepod", "jane"] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn a_pod_that_claims_to_be_injected_is_made_so() {
    let claims = with(|p| {
        p["metadata"]["annotations"]["trustbridge.io/injected-spec-sha256"] = "ab".repeat(32).into();
        p["spec"]["initContainers"][0] = json!({"name": "tb-sentinel", "image": "evil", "command": ["/sh"]});
        p["spec"]["volumes"] = json!([{"name": "tb-model", "hostPath": {"path": "/tmp"}}]);
    });
    let result = applied(&claims);
    assert_eq!(result["spec"]["initContainers"][0]["image"], "sentinel:dev");
    assert!(result["spec"]["initContainers"][0].get("command").is_none());
    assert!(result["spec"]["volumes"][0].get("hostPath").is_none());
}

#[test]
fn a_later_webhook_that_bends_the_sentinel_is_undone() {
    let mut bent = applied(&pod());
    bent["spec"]["initContainers"][0]["restartPolicy"] = Value::Null;
    let added = json!({"name": "mesh", "image": "m"});
    bent["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .insert(0, added.clone());
    let result = applied(&bent);
    assert_eq!(result["spec"]["initContainers"][0]["restartPolicy"], "Always");
    assert_eq!(result["spec"]["initContainers"][1], added);
    assert_eq!(decide(&result), Verdict::Allowed);
}

#[test]
fn mounts_that_another_webhook_adds_are_refused() {
    let mut bent = applied(&pod());
    bent["spec"]["containers"][1]["volumeMounts"] = json!([{"name": "tb-cipher", "mountPath": "/c"}]);
    let Verdict::Denied(why) = decide(&bent) else {
        panic!("not refused")
    };
    assert!(
        why.contains("spec.containers[logs].volumeMounts[tb-cipher]"),
        "{why}"
    );
}

#[test]
fn the_namespace_is_the_organisations_own() {
    let intent = intent_of(&pod());
    for namespace in [
        "tb-acme",
        "default",
        "tb-other-protected",
        "tb-acme-protected-protected",
    ] {
        let found = delivery::resolve(&intent, namespace, Some(&tunepod()), None).unwrap_err();
        assert!(describe(&found).contains("`metadata.namespace`"), "{namespace}");
    }
}

#[test]
fn unknown_objects_are_named() {
    let intent = intent_of(&pod());
    let missing = delivery::resolve(&intent, "tb-acme-protected", None, None).unwrap_err();
    assert!(describe(&missing).contains("no such TunePod"));
    let missing = delivery::resolve(
        &intent,
        "tb-acme-protected",
        Some(&tunepod()),
        Some(("tb-asset-e2e-001", None)),
    );
    assert!(describe(&missing.unwrap_err()).contains("no such ModelAsset"));
    let workspace = TunePodSpec {
        mode: Mode::ByoWorkspace,
        ..tunepod()
    };
    let found = delivery::resolve(&intent, "tb-acme-protected", Some(&workspace), None).unwrap_err();
    assert!(describe(&found).contains("byoWorkspace"));
}

#[test]
fn a_model_file_in_memory_is_the_sentinels_memory() {
    let ram = with(|p| p["metadata"]["annotations"]["trustbridge.io/delivery"] = "ramfile".into());
    let fifo = applied(&pod());
    let ram = applied(&ram);
    let limit = |p: &Value| p["spec"]["initContainers"][0]["resources"]["limits"]["memory"].clone();
    assert_eq!(limit(&fifo), "512Mi");
    assert_eq!(limit(&ram), "551Mi");
    assert_eq!(ram["spec"]["volumes"][0]["emptyDir"]["sizeLimit"], "55Mi");
}
