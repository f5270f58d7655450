//! Generated pods made fit for the sentinel: what the contract refuses is taken out, the rest stays.

use super::Dice;
use serde_json::{Map, Value, json};

/// Makes of a generated pod one that must get the sentinel: what the contract refuses is taken out, the rest stays.
pub fn tame(pod: &mut Value, dice: &mut Dice) {
    opt_in(object(pod, "metadata"));
    let spec = object(pod, "spec");
    for field in [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "shareProcessNamespace",
        "automountServiceAccountToken",
    ] {
        spec.remove(field);
    }
    for field in ["ephemeralContainers", "restartPolicy", "os"] {
        spec.remove(field);
    }
    let volumes = volumes(dice);
    let names: Vec<String> = volumes
        .iter()
        .map(|v| v["name"].as_str().unwrap().to_owned())
        .collect();
    if !volumes.is_empty() || dice.chance(50) {
        spec.insert("volumes".into(), volumes.into());
    } else {
        spec.remove("volumes");
    }
    harmless(spec);
    let mut containers: Vec<Value> = list(spec, "containers");
    containers.truncate(3);
    let at = dice.below(containers.len() + 1);
    containers.insert(at, model_server(dice));
    for (number, container) in containers.iter_mut().enumerate() {
        let name = if number == at {
            "runtime".to_owned()
        } else {
            format!("c{number}")
        };
        tame_container(container, &name, &names, dice);
    }
    probes(&mut containers[at], dice);
    spec.insert("containers".into(), containers.into());
    if spec.contains_key("initContainers") {
        let mut inits: Vec<Value> = list(spec, "initContainers");
        for (number, container) in inits.iter_mut().enumerate() {
            tame_container(container, &format!("i{number}"), &names, dice);
            // Init containers that end have neither probes nor hooks.
            let container = container.as_object_mut().unwrap();
            for field in [
                "startupProbe",
                "readinessProbe",
                "livenessProbe",
                "lifecycle",
                "restartPolicy",
            ] {
                container.remove(field);
            }
        }
        spec.insert("initContainers".into(), inits.into());
    }
}

/// One whose arguments are added to, or another one; with and without arguments and a command.
fn model_server(dice: &mut Dice) -> Value {
    let image = dice.pick(&["model-server", "registry.example/vllm/vllm-openai:v0.33.0"]);
    let mut container = json!({"image": image});
    for field in ["args", "command"] {
        if dice.chance(30) {
            container[field] = json!([
                "serve",
                dice.pick(&["--enable-force-include-usage", "--port=8081"])
            ]);
        }
    }
    container
}

fn opt_in(metadata: &mut Map<String, Value>) {
    metadata.remove("namespace");
    metadata.remove("managedFields");
    // The injector's own marks are the author's to claim only in other tests.
    for (field, marks) in [
        ("labels", json!({"trustbridge.io/inject": "true"})),
        (
            "annotations",
            json!({"trustbridge.io/tunepod": "tb-acme/order-1-0", "trustbridge.io/runtime-container": "runtime",
                "trustbridge.io/delivery": "fifo"}),
        ),
    ] {
        let Value::Object(marks) = marks else {
            unreachable!()
        };
        let slot = metadata.entry(field).or_insert_with(|| json!({}));
        if !slot.is_object() {
            *slot = json!({});
        }
        slot.as_object_mut().unwrap().extend(marks);
    }
}

/// What the standard "restricted" asks of every container, and of the pod.
pub fn restrict(pod: &mut Value) {
    let spec = object(pod, "spec");
    spec.insert(
        "securityContext".into(),
        json!({"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}),
    );
    // What the schema does not say: an image is needed, and which words of a toleration go together.
    spec.insert(
        "tolerations".into(),
        json!([{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}, {"operator": "Exists"}]),
    );
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if container["image"].is_null() {
                container["image"] = "registry.example/image".into();
            }
            container["securityContext"] =
                json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        }
    }
}

fn object<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !value[key].is_object() {
        value[key] = json!({});
    }
    value[key].as_object_mut().unwrap()
}

fn list(map: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    let items = map
        .get(key)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    items.into_iter().filter(Value::is_object).collect()
}

/// Drops what runs as root or as more from a security context.
fn harmless(owner: &mut Map<String, Value>) {
    if let Some(context) = owner.get_mut("securityContext").and_then(Value::as_object_mut) {
        for field in [
            "privileged",
            "allowPrivilegeEscalation",
            "procMount",
            "capabilities",
            "windowsOptions",
        ] {
            context.remove(field);
        }
        if context.get("runAsUser") == Some(&0.into()) {
            context.remove("runAsUser");
        }
    }
}

fn volumes(dice: &mut Dice) -> Vec<Value> {
    let kinds = [
        json!({"emptyDir": {}}),
        json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        json!({"configMap": {"name": "c", "optional": true}}),
        json!({"secret": {"secretName": "s", "defaultMode": 256}}),
        json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
        json!({"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}),
        json!({"persistentVolumeClaim": {"claimName": "p", "readOnly": true}}),
        json!({"csi": {"driver": "d.example.com"}}),
        json!({"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}}}),
    ];
    (0..dice.below(4))
        .map(|number| {
            let mut volume = kinds[dice.below(kinds.len())].clone();
            volume["name"] = format!("v{number}").into();
            volume
        })
        .collect()
}

fn tame_container(container: &mut Value, name: &str, volumes: &[String], dice: &mut Dice) {
    container["name"] = name.into();
    let fields = container.as_object_mut().unwrap();
    for field in [
        "envFrom",
        "volumeDevices",
        "volumeMounts",
        "ports",
        "resizePolicy",
    ] {
        fields.remove(field);
    }
    harmless(fields);
    if let Some(env) = fields.get_mut("env").and_then(Value::as_array_mut) {
        for (number, variable) in env.iter_mut().enumerate() {
            variable["name"] = format!("V{number}").into();
        }
    }
    if !volumes.is_empty() && dice.chance(60) {
        let mounts = volumes
            .iter()
            .map(|v| json!({"name": v, "mountPath": format!("/mnt/{v}"), "subPath": "x"}));
        fields.insert("volumeMounts".into(), mounts.collect());
    }
    if dice.chance(40) {
        let protocol = dice.pick(&["TCP", "UDP", "SCTP"]);
        fields.insert(
            "ports".into(),
            json!([{"name": "web", "containerPort": 9000, "protocol": protocol}]),
        );
    }
}

/// Probes as they may be: by number, by name, by connection, by command; and hooks.
fn probes(runtime: &mut Value, dice: &mut Dice) {
    let fields = runtime.as_object_mut().unwrap();
    for field in ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"] {
        fields.remove(field);
        let probe = match dice.below(6) {
            0 => {
                json!({"httpGet": {"path": "/health?x=1", "port": 8081, "scheme": "HTTP"}, "periodSeconds": 7})
            }
            1 => json!({"httpGet": {"port": "model"}}),
            2 => json!({"tcpSocket": {"port": 8081}, "timeoutSeconds": 2}),
            3 => json!({"exec": {"command": ["/ok", "a b"]}}),
            _ => continue,
        };
        if field == "lifecycle" {
            let hook = json!({"postStart": {"exec": {"command": ["/in"]}}});
            let both = json!({"preStop": {"exec": {"command": ["/out"]}}});
            fields.insert(field.into(), if dice.chance(50) { hook } else { both });
        } else {
            if probe["httpGet"]["port"] == "model" {
                fields.insert("ports".into(), json!([{"name": "model", "containerPort": 8081}]));
            }
            fields.insert(field.into(), probe);
        }
    }
}
