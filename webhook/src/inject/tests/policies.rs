//! The chart's admission policies, evaluated without an API server by another implementation of CEL. T1 asks the real
//! one the same questions.

mod policy;

pub use policy::{Judged, Policy};

use super::*;
use policy::rule;
use serde::Deserialize;
use std::collections::BTreeMap;

const FILES: [&str; 4] = [
    include_str!("../../../../charts/trustbridge/templates/policy/guarded-pods.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/protected-pods.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/protected-namespaces.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/operator.yaml"),
];

#[derive(Deserialize)]
struct Document {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    match_conditions: Vec<Expression>,
    #[serde(default)]
    variables: Vec<Expression>,
    validations: Vec<Validation>,
}

#[derive(Deserialize)]
struct Expression {
    name: String,
    expression: String,
}

#[derive(Deserialize)]
struct Validation {
    expression: String,
    message: String,
}

/// The policies by name.
pub struct Policies(BTreeMap<String, Policy>);

/// What the chart makes of the settings of these tests.
fn words(image: &str) -> Value {
    json!([
        format!("image={image}"),
        "TB_LOG_LEVEL=info",
        "TB_RUNTIME_URL=http://127.0.0.1:8081",
        "TB_PROXY_ALLOW=/v1/demo",
        "TB_CA_PATH=/etc/trustbridge/ca/ca.crt",
        "TB_DOWNLOAD_CONCURRENCY=2",
    ])
}

fn literal(text: &str) -> String {
    let table = [
        ("celCreators", json!([OPERATOR])),
        ("celOperator", json!(OPERATOR)),
        (
            "celSentinels",
            json!([
                words("sentinel:dev"),
                [
                    "image=sentinel:before",
                    "TB_LOG_LEVEL=debug",
                    "TB_RUNTIME_URL=unix:/dev/shm/tb/rt.sock"
                ],
            ]),
        ),
        ("celSchedulers", json!(["system:kube-scheduler"])),
        ("celPodStatusWriters", json!([])),
    ];
    let condition =
        "{{ printf \"request.userInfo.username == %s\" (include \"trustbridge.celOperator\" .) | quote }}";
    let own = Value::from(format!("request.userInfo.username == {}", json!(OPERATOR))).to_string();
    let mut text = text.replace(condition, &own);
    for (name, value) in table {
        let quoted = Value::from(value.to_string()).to_string();
        text = text.replace(
            &format!("{{{{ include \"trustbridge.{name}\" . | quote }}}}"),
            &quoted,
        );
    }
    text
}

impl Policies {
    /// Those of the chart.
    pub fn of_chart() -> Self {
        let mut found = BTreeMap::new();
        for file in FILES {
            let names: Vec<&str> = file
                .split("\"name\" \"")
                .skip(1)
                .filter_map(|t| t.split('"').next())
                .collect();
            let text = literal(file);
            let documents = text.split("\n---\n").map(|document| {
                let plain = document
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("{{"));
                plain.collect::<Vec<_>>().join("\n")
            });
            let documents: Vec<String> = documents
                .filter(|d| d.contains("kind: ValidatingAdmissionPolicy\n"))
                .collect();
            assert_eq!(names.len(), documents.len());
            for (name, document) in names.into_iter().zip(documents) {
                // What is left under `metadata:` was template alone.
                let document: Document =
                    serde_saphyr::from_str(&document.replace("\nmetadata:\n", "\n")).unwrap();
                let all =
                    |list: Vec<Expression>| list.into_iter().map(|e| rule(e.name, e.expression)).collect();
                let validations = document.spec.validations.into_iter();
                let policy = Policy {
                    conditions: all(document.spec.match_conditions),
                    variables: all(document.spec.variables),
                    validations: validations.map(|v| rule(v.message, v.expression)).collect(),
                };
                assert!(found.insert(name.to_owned(), policy).is_none(), "{name} twice");
            }
        }
        Self(found)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Policy)> {
        self.0.iter().map(|(name, policy)| (name.as_str(), policy))
    }

    /// Messages of the validations of policy `name` that refuse `request`, which has the fields of an admission
    /// request with `object` and `oldObject` beside them.
    pub fn refusals(&self, name: &str, request: &Value) -> Vec<String> {
        self.0[name].refusals(request)
    }
}

/// The creation of `object` by `user` where it belongs.
pub fn request(object: &Value, user: &str) -> Value {
    json!({"object": object, "oldObject": null, "namespaceObject": {"metadata": {}}, "request": {
        "operation": "CREATE", "namespace": "tb-acme-protected", "subResource": "",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "userInfo": {"username": user, "groups": ["system:authenticated"]}}})
}

#[test]
fn the_policy_accepts_what_is_injected() {
    let policies = Policies::of_chart();
    assert_eq!(
        policies.refusals("trustbridge-guarded-pods", &request(&applied(&pod()), OPERATOR)),
        [""; 0]
    );
    assert_eq!(
        policies.refusals("trustbridge-protected-pods", &request(&applied(&pod()), OPERATOR)),
        [""; 0]
    );
    assert_eq!(policies.0.len(), 9);
}

#[test]
fn the_policy_refuses_what_the_injector_refuses() {
    // What says nothing of the pod, or nothing that weakens its guard: a probe that fails keeps the pod unready.
    let others = [
        Reason::ForeignSidecar,
        Reason::ProbeTarget,
        Reason::Delivery,
        Reason::WrongAsset,
        Reason::Windows,
        // The API server itself refuses debug containers at creation.
        Reason::EphemeralContainer,
    ];
    let policies = Policies::of_chart();
    let guarded = applied(&pod());
    for (reason, field, change) in refusals::BROKEN
        .iter()
        .filter(|(reason, ..)| !others.contains(reason))
    {
        // The name of a port opens nothing.
        if field.ends_with(".ports[].name`") {
            continue;
        }
        let mut bent = guarded.clone();
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_left(1);
        change(&mut bent);
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_right(1);
        let found = policies.refusals("trustbridge-guarded-pods", &request(&bent, OPERATOR));
        assert!(!found.is_empty(), "{reason:?} {field} was accepted");
        assert!(found.iter().all(|m| !m.contains("Error")), "{found:?}");
    }
}

#[test]
fn the_policy_refuses_a_pod_without_its_sentinel() {
    let policies = Policies::of_chart();
    assert!(
        policies
            .refusals("trustbridge-guarded-pods", &request(&pod(), OPERATOR))
            .len()
            > 2
    );
    let found = policies.refusals("trustbridge-guarded-pods", &request(&applied(&pod()), "jane"));
    assert!(
        found.len() == 1 && found[0].contains("must be made by the operator"),
        "{found:?}"
    );
    for (field, value) in [
        ("image", json!("evil")),
        ("command", json!(["/sh"])),
        ("args", json!(["sleep"])),
        ("restartPolicy", Value::Null),
        ("securityContext", json!({})),
        ("lifecycle", json!({"postStart": {"exec": {"command": ["/x"]}}})),
        ("envFrom", json!([{"secretRef": {"name": "s"}}])),
    ] {
        let mut bent = applied(&pod());
        let sentinel = bent["spec"]["initContainers"][0].as_object_mut().unwrap();
        if value.is_null() {
            sentinel.remove(field);
        } else {
            sentinel.insert(field.to_owned(), value);
        }
        let found = policies.refusals("trustbridge-guarded-pods", &request(&bent, OPERATOR));
        assert!(!found.is_empty(), "{field}");
    }
}
