//! The question: a pod of the operator's kind with what the API server adds to it, 8.5 KB.

use serde_json::{Value, json};

/// Bytes of the question.
const BYTES: usize = 8500;

/// The review as JSON text.
pub fn review() -> String {
    let mut fields = 0;
    let mut text = with(fields);
    // Managed fields fill it up: they are what makes real reviews long.
    while text.len() < BYTES {
        fields += 1;
        text = with(fields);
    }
    text
}

fn with(fields: usize) -> String {
    let managed: serde_json::Map<String, Value> = (0..fields)
        .map(|n| {
            (
                format!("k:{{\"name\":\"field-{n}\"}}"),
                json!({".": {}, "f:image": {}, "f:value": {}}),
            )
        })
        .collect();
    let env: Vec<Value> = (0..12)
        .map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("value {n}")}))
        .collect();
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "0b9f6f0e-2f0c-4a8e-9a64-6b0f3c1f1a11", "operation": "CREATE", "namespace": "tb-acme-protected", "name": "order-1-0",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"}, "dryRun": false, "oldObject": null,
        "userInfo": {"username": "system:serviceaccount:trustbridge-system:trustbridge-operator",
            "groups": ["system:serviceaccounts", "system:authenticated"]},
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        "object": {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "order-1-0", "namespace": "tb-acme-protected", "creationTimestamp": null,
                "labels": {"trustbridge.io/inject": "true", "app.kubernetes.io/managed-by": "trustbridge-operator"},
                "annotations": {"trustbridge.io/tunepod": "tb-acme/order-1-0", "trustbridge.io/delivery": "fifo"},
                "managedFields": [{"manager": "trustbridge-operator", "operation": "Apply", "apiVersion": "v1",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": managed}}]},
            "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
                "enableServiceLinks": false, "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 30,
                "serviceAccountName": "tunepod", "serviceAccount": "tunepod", "preemptionPolicy": "PreemptLowerPriority",
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "tolerations": [{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
                "containers": [{"name": "runtime", "image": "vllm/vllm-openai:v0.33.0", "args": ["serve"], "env": env,
                    "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File", "resources": {"limits": {"memory": "64Gi", "nvidia.com/gpu": "1"}},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}}})
    .to_string()
}
