//! The chart's admission policies, evaluated without an API server by another implementation of CEL. T1 asks the real
//! one the same questions.

mod policy;

pub use policy::{Judged, Policy};

use super::conjuncts::requests::{NAMESPACE_CONTROLLER, deletion};
use super::*;
use policy::rule;
use serde::Deserialize;
use std::collections::BTreeMap;

const FILES: [&str; 5] = [
    include_str!("../../../../charts/trustbridge/templates/policy/guarded-pods.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/protected-pods.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/protected-namespaces.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/operator.yaml"),
    include_str!("../../../../charts/trustbridge/templates/policy/kept-records.yaml"),
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

const NAMES: &str = include_str!("../../../../charts/trustbridge/templates/_names.tpl");

/// What is the same in every sentinel, as the chart says it.
fn fixed() -> Vec<&'static str> {
    let list = NAMES.split("define \"trustbridge.fixedWords\"").nth(1).unwrap();
    let list = list.split("toRawJson").next().unwrap();
    let words: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(
        words.len() > 5 && words.iter().all(|word| word.starts_with("TB_")),
        "{words:?}"
    );
    words
}

/// What the chart makes of the settings of these tests.
fn words(image: &str) -> Vec<String> {
    let settings = [
        &format!("image={image}"),
        "TB_LOG_LEVEL=info",
        "TB_RUNTIME_URL=http://127.0.0.1:8081",
        "TB_PROXY_ALLOW=/v1/demo",
        "TB_CA_PATH=/etc/trustbridge/ca/ca.crt",
        "TB_DOWNLOAD_CONCURRENCY=2",
    ];
    fixed().into_iter().chain(settings).map(str::to_owned).collect()
}

/// What a chart of before made of its settings: other ones, and of those that are the same in every sentinel some less
/// and one at another place.
fn words_before() -> Vec<String> {
    let settings = [
        "image=sentinel:before",
        "TB_LOG_LEVEL=debug",
        "TB_RUNTIME_URL=unix:/dev/shm/tb/rt.sock",
    ];
    let added = ["TB_POD_UID", "TB_LEASE", "TB_API_TOKEN_PATH", "TB_API_CA_PATH"];
    let fixed = fixed()
        .into_iter()
        .filter(|word| !added.iter().any(|name| word.starts_with(name)));
    let fixed = fixed.map(|word| word.replace("/audit.jsonl", "/audit.log"));
    fixed.chain(settings.map(str::to_owned)).collect()
}

/// A pod whose sentinel has exactly these variables beside its licence.
fn with_words(words: &[String]) -> Value {
    let mut pod = applied(&pod());
    let guard = &mut pod["spec"]["initContainers"][0];
    let licensed = [
        "TB_CONTRACT_ID",
        "TB_ASSET_ID",
        "TB_EDC_ENDPOINT",
        "TB_MANIFEST_SHA256",
        "TB_DELIVERY",
    ];
    let environment = guard["env"].as_array_mut().unwrap();
    environment.retain(|variable| licensed.contains(&variable["name"].as_str().unwrap()));
    for word in words {
        if let Some(image) = word.strip_prefix("image=") {
            guard["image"] = image.into();
            continue;
        }
        let variable = if let Some((name, field)) = word.split_once("<-") {
            json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})
        } else {
            let (name, value) = word.split_once('=').unwrap();
            json!({"name": name, "value": value})
        };
        guard["env"].as_array_mut().unwrap().push(variable);
    }
    pod
}

fn literal(text: &str) -> String {
    let table = [
        ("celCreators", json!([OPERATOR])),
        ("celOperator", json!(OPERATOR)),
        ("celSentinels", json!([words("sentinel:dev"), words_before()])),
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
    assert_eq!(policies.0.len(), 10);
}

/// A webhook that is not replaced yet injects what the chart of before said, the variables that never differ included.
#[test]
fn a_sentinel_of_before_passes_whole_and_not_in_part() {
    let policies = Policies::of_chart();
    let refusals = |words: &[String]| {
        policies.refusals("trustbridge-guarded-pods", &request(&with_words(words), OPERATOR))
    };
    let (now, before) = (words("sentinel:dev"), words_before());
    assert_eq!(refusals(&now), [""; 0]);
    assert_eq!(refusals(&before), [""; 0]);
    // The webhook of before knows no volume for the API server; today's sentinel must have what it is told of.
    let without_volume = |words: &[String]| {
        let mut pod = with_words(words);
        let spec = &mut pod["spec"];
        for list in ["/volumes", "/initContainers/0/volumeMounts"] {
            let items = spec.pointer_mut(list).unwrap().as_array_mut().unwrap();
            items.retain(|item| item["name"] != "tb-api");
        }
        policies.refusals("trustbridge-guarded-pods", &request(&pod, OPERATOR))
    };
    assert_eq!(without_volume(&before), [""; 0]);
    assert_eq!(without_volume(&now).len(), 1);
    let without = |words: &[String], start: &str| -> Vec<String> {
        let kept = words.iter().filter(|word| !word.starts_with(start));
        kept.cloned().collect()
    };
    // One of today's without what the chart of before did not know, and a mixture of both.
    assert_eq!(refusals(&without(&now, "TB_POD_UID")).len(), 1);
    let mixed: Vec<String> = without(&before, "TB_AUDIT_PATH")
        .into_iter()
        .chain(now.into_iter().filter(|word| word.starts_with("TB_AUDIT_PATH")))
        .collect();
    assert_eq!(refusals(&mixed).len(), 1);
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

#[test]
fn nobody_deletes_what_is_owed_but_the_controllers_that_empty_its_namespace() {
    let policies = Policies::of_chart();
    let refused = |request: &Value| policies.refusals("trustbridge-kept-records", request);
    let garbage = "system:serviceaccount:kube-system:generic-garbage-collector";
    for kind in ["usagerecords", "invoices", "wipeevidences"] {
        for user in [NAMESPACE_CONTROLLER, garbage, "system:kube-controller-manager"] {
            assert_eq!(refused(&deletion(kind, user, true)), [""; 0], "{user}");
            assert_eq!(refused(&deletion(kind, user, false)).len(), 1, "{user}");
        }
        for user in [OPERATOR, "jane", "system:admin"] {
            assert_eq!(refused(&deletion(kind, user, true)).len(), 1, "{user}");
            let said = refused(&deletion(kind, user, false));
            assert!(said[0].contains("must not be deleted"), "{said:?}");
        }
    }
    let mut elsewhere = deletion("invoices", "jane", false);
    elsewhere["request"]["namespace"] = "t1-lab".into();
    assert_eq!(refused(&elsewhere), [""; 0], "a namespace of no organisation");
}
