//! Properties over generated pods.

use super::*;
use proptest::prelude::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z~/ \"]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z~/]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_pod()(
        extra in prop::collection::btree_map("x[a-z~/]{1,5}", any_json(), 0..4),
        containers in prop::collection::btree_set("c[a-z]{1,4}", 0..3),
        volumes in prop::collection::btree_set("v[a-z]{1,4}", 0..3),
        env in prop::collection::btree_map("[A-Z]{1,4}", "[a-z]{0,4}", 0..4),
        at in 0usize..3, uid in prop::option::of(1i64..70000), grace in prop::option::of(0i64..200), bare in any::<bool>(),
    ) -> Value {
        let mut pod = pod();
        let spec = pod["spec"].as_object_mut().unwrap();
        spec.extend(extra.clone());
        if bare { spec.remove("initContainers"); spec.remove("securityContext"); }
        let mut runtime = json!({"name": "runtime", "env": env.iter().map(|(n, v)| json!({"name": n, "value": v})).collect::<Vec<_>>()});
        runtime.as_object_mut().unwrap().extend(extra);
        if let Some(uid) = uid { runtime["securityContext"] = json!({"runAsUser": uid}); }
        let mut list: Vec<Value> = containers.into_iter().map(|name| json!({"name": name})).collect();
        list.insert(at.min(list.len()), runtime);
        spec.insert("containers".into(), list.into());
        if !volumes.is_empty() {
            spec.insert("volumes".into(), volumes.into_iter().map(|n| json!({"name": n, "emptyDir": {}})).collect());
        }
        if let Some(grace) = grace { spec.insert("terminationGracePeriodSeconds".into(), grace.into()); }
        pod
    }
}

/// Every leaf of `before` that is not ours to set stands unchanged in `after`.
fn kept(before: &Value, after: &Value, path: &str) -> Result<(), TestCaseError> {
    if path.ends_with("/terminationGracePeriodSeconds") {
        return Ok(());
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                kept(
                    value,
                    new.get(key).unwrap_or(&Value::Null),
                    &format!("{path}/{key}"),
                )?;
            }
            Ok(())
        }
        (Value::Array(old), Value::Array(new)) if old.iter().all(|v| v.get("name").is_some()) => {
            for value in old {
                let same = new
                    .iter()
                    .find(|n| n["name"] == value["name"])
                    .unwrap_or(&Value::Null);
                kept(value, same, &format!("{path}[{}]", value["name"]))?;
            }
            Ok(())
        }
        _ => {
            prop_assert_eq!(before, after, "{}", path);
            Ok(())
        }
    }
}

proptest! {
    #[test]
    fn patching_twice_is_patching_once_and_nothing_is_lost(pod in any_pod()) {
        let once = applied(&pod);
        prop_assert_eq!(decide(&once), Verdict::Allowed);
        kept(&pod, &once, "")?;
    }
}
