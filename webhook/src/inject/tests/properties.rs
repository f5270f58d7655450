//! Properties over pods that are generated from the `OpenAPI` schema.
//!
//! `TB_PODS` says how many, `TB_SEED` with which seed; both are printed. Where `TB_PODS` says nothing there are 10,000,
//! and 1,000 in a debug build, in which the interpreter of the policies is slow.

use super::generate::{Dice, Schema, tame};
use super::policies::Policies;
use super::*;

const PODS: u64 = if cfg!(debug_assertions) { 1000 } else { 10_000 };

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What the contract writes anew: the grace period, where the model server's probes ask, and how often its first one may
/// fail.
fn is_ours_to_set(path: &str) -> bool {
    path.ends_with("/spec/terminationGracePeriodSeconds")
        || path == "/spec/containers[\"runtime\"]/startupProbe/failureThreshold"
        || ["startupProbe", "readinessProbe", "livenessProbe"]
            .iter()
            .any(|probe| {
                let of = format!("/spec/containers[\"runtime\"]/{probe}");
                path.starts_with(&format!("{of}/httpGet")) || path.starts_with(&format!("{of}/tcpSocket"))
            })
}

/// Whether each item has a name of its own, by which it is found again.
fn has_own_names(items: &[Value]) -> bool {
    let names: std::collections::BTreeSet<&str> = items.iter().filter_map(|v| v["name"].as_str()).collect();
    !items.is_empty() && names.len() == items.len()
}

/// Every leaf of `before` that is not ours to set stands unchanged in `after`.
fn lost(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    if is_ours_to_set(path) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                lost(
                    value,
                    new.get(key).unwrap_or(&Value::Null),
                    &format!("{path}/{key}"),
                    found,
                );
            }
        }
        (Value::Array(old), Value::Array(new)) if has_own_names(old) => {
            for value in old {
                let same = new
                    .iter()
                    .find(|n| n["name"] == value["name"])
                    .unwrap_or(&Value::Null);
                lost(value, same, &format!("{path}[{}]", value["name"]), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if new.len() >= old.len() => {
            for (at, value) in old.iter().enumerate() {
                lost(value, &new[at], &format!("{path}[{at}]"), found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("{path}: {before} became {after}")),
    }
}

#[test]
fn generated_pods_are_guarded_once_lose_nothing_and_pass_the_policy() {
    let (count, seed) = (setting("TB_PODS", PODS), setting("TB_SEED", 20_261_121));
    let (schema, policies) = (Schema::of_pod(), Policies::of_chart());
    let mut fields = std::collections::BTreeSet::new();
    for number in 0..count {
        let mut dice = Dice::new(seed.wrapping_add(number));
        let mut pod = schema.wild(&mut dice);
        tame(&mut pod, &mut dice);
        let say = |what: &str| format!("TB_SEED={} {what}: {pod}", seed.wrapping_add(number));
        let once = match decide(&pod) {
            Verdict::Patched(_) => applied(&pod),
            other => panic!("{}", say(&format!("{other:?}"))),
        };
        assert_eq!(decide(&once), Verdict::Allowed, "{}", say("not idempotent"));
        let mut found = Vec::new();
        lost(&pod, &once, "", &mut found);
        assert!(found.is_empty(), "{}", say(&found.join("; ")));
        assert_eq!(once, rebuilt(&pod), "{}", say("the two ways differ"));
        let refused = policies.refusals("trustbridge-guarded-pods", &policies::request(&once, OPERATOR));
        assert!(refused.is_empty(), "{}", say(&format!("{refused:?}")));
        for object in ["metadata", "spec"] {
            fields.extend(
                pod[object]
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(|k| format!("{object}.{k}")),
            );
        }
    }
    println!("{count} generated pods, seed {seed}: each guarded once, nothing lost, accepted by the policy");
    println!("fields of metadata and spec seen: {}", fields.len());
    assert!(fields.len() > 40, "{fields:?}");
}

/// The guarded form by the longer way: another algorithm, and the oracle of the shorter one.
fn rebuilt(pod: &Value) -> Value {
    let intent = intent_of(pod);
    let asset = asset();
    let known = Some(("tb-asset-e2e-001", Some(&asset)));
    let delivery = delivery::resolve(&intent, "tb-acme-protected", Some(&tunepod()), known).unwrap();
    rebuild::guarded(pod, &intent.runtime, &delivery, &settings()).unwrap()
}

#[test]
fn whatever_the_schema_allows_is_guarded_or_refused_with_a_reason() {
    let (count, seed) = (setting("TB_PODS", PODS), setting("TB_SEED", 20_261_121));
    let (schema, policies) = (Schema::of_pod(), Policies::of_chart());
    let (mut guarded, mut refused, mut reasons) = (0, 0, std::collections::BTreeSet::new());
    for number in 0..count {
        let mut dice = Dice::new(seed.wrapping_add(number) ^ 0x5eed);
        let mut pod = schema.wild(&mut dice);
        // Half of them have what is hard to hit by chance; then one thing of the wild pod decides.
        if number % 2 == 0 {
            let wild = pod["spec"].clone();
            tame(&mut pod, &mut dice);
            let spec = pod["spec"].as_object_mut().unwrap();
            let keys: Vec<&String> = wild
                .as_object()
                .unwrap()
                .keys()
                .filter(|k| !k.ends_with("ontainers"))
                .collect();
            if !keys.is_empty() {
                let key = keys[usize::try_from(number / 2).unwrap() % keys.len()];
                spec.insert(key.clone(), wild[key].clone());
            }
        } else {
            pod["metadata"]["labels"] = json!({"trustbridge.io/inject": "true"});
        }
        match decide(&pod) {
            Verdict::Patched(_) => {
                guarded += 1;
                let once = applied(&pod);
                let found =
                    policies.refusals("trustbridge-guarded-pods", &policies::request(&once, OPERATOR));
                assert!(found.is_empty(), "injector and policy differ: {found:?} {once}");
            }
            Verdict::Denied(why) => {
                refused += 1;
                let word = why.split(": ").next().unwrap();
                assert!(Reason::ALL.iter().any(|r| r.as_str() == word), "{why}");
                reasons.insert(word.to_owned());
            }
            other => panic!("{other:?} {pod}"),
        }
    }
    println!("{count} wild pods, seed {seed}: {guarded} guarded, {refused} refused for {reasons:?}");
    assert!(guarded > 0 && refused > 0 && reasons.len() > 5);
}
