//! A mutation that comes after ours: Kubernetes' own `MutatingAdmissionPolicy`, which is asked again once the sentinel
//! is there. What it bends is put right when the injector is asked again, or refused at last.

use super::gate::{Ask, Gate, Who};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const KIND: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolic";
const MARK: &str = "example.com/bent";
/// How long the API server may take to go by a new policy.
const TRIES: usize = 100;

/// Each way to bend: its name, and what is put into the sentinel.
const BENDS: [(&str, &str); 4] = [
    (
        "a library",
        r#"JSONPatch{op: "add", path: "/spec/initContainers/0/env/-", value: {"name": "LD_PRELOAD", "value": "/x.so"}}"#,
    ),
    (
        "a control plane",
        r#"JSONPatch{op: "add", path: "/spec/initContainers/0/env/-", value: {"name": "TB_EDC_ENDPOINT", "value": "https://evil.example"}}"#,
    ),
    (
        "an image",
        r#"JSONPatch{op: "replace", path: "/spec/initContainers/0/image", value: "evil"}"#,
    ),
    (
        "a command",
        r#"JSONPatch{op: "add", path: "/spec/initContainers/0/command", value: ["/sh"]}"#,
    ),
];

pub async fn bends(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.read().await;
    let as_injected = gate.guarded()["spec"]["initContainers"][0].clone();
    for (number, (what, patch)) in BENDS.into_iter().enumerate() {
        let name = format!("t1-bender-{}-{number}", std::process::id());
        let (policy, binding) = (format!("{KIND}ies"), format!("{KIND}ybindings"));
        gate.made(&policy, &bender(&name, &gate.protected(), patch))
            .await?;
        let bound = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name}});
        gate.made(&binding, &bound).await?;
        let outcome = outcome(&gate, &name, &as_injected).await;
        gate.gone(&format!("{binding}/{name}")).await?;
        gate.gone(&format!("{policy}/{name}")).await?;
        println!("bent by {what}: {}", outcome.with_context(|| what.to_owned())?);
    }
    Ok(())
}

/// Bends pods that ask for it by a label, once they have their sentinel, and says that it did.
fn bender(name: &str, namespace: &str, patch: &str) -> Value {
    let expression = format!(
        r#"has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == 'tb-sentinel')
        ? [{patch}, JSONPatch{{op: "add", path: "/metadata/annotations/example.com~1bent", value: "yes"}}] : []"#
    );
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
    "spec": {
        "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "objectSelector": {"matchLabels": {"example.com/bend": name}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        },
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }})
}

/// Asks until the bender has had its turn; then the pod is refused by us, or its sentinel is as it is injected.
async fn outcome(gate: &Gate, name: &str, as_injected: &Value) -> Result<&'static str> {
    let mut body = Gate::pod(&gate.protected(), "bent");
    body["metadata"]["labels"]["example.com/bend"] = name.into();
    let ask = Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body,
    };
    for _ in 0..TRIES {
        match gate.ask(&ask).await? {
            Err(refusal) => {
                let by_us = [
                    "ValidatingAdmissionPolicy 'trustbridge-",
                    "trustbridge.io\" denied",
                ];
                ensure!(
                    by_us.iter().any(|words| refusal.message.contains(words)),
                    "{}",
                    refusal.message
                );
                return Ok("refused");
            }
            // The positive control: it was bent, for the bender says so.
            Ok(pod) if pod["metadata"]["annotations"][MARK] == "yes" => {
                let guard = &pod["spec"]["initContainers"][0];
                ensure!(guard == as_injected, "the bent sentinel was let through: {guard}");
                return Ok("put right");
            }
            Ok(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
    anyhow::bail!("the API server did not go by the mutation in {TRIES} tries")
}
