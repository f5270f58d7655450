//! The sentinel itself, bent by somebody who comes after the injector: its variables, its mounts, its probes.

use super::{Bend, ENVIRONMENT, bend, guard, push};
use serde_json::{Value, json};

const MOUNTS: &str = "`volumeMounts` of 'tb-sentinel' must be as they are injected";
const PROBES: &str = "the probes of 'tb-sentinel' must ask it as they are injected";

fn variable(pod: &mut Value, name: &str) -> usize {
    let list = guard(pod)["env"].as_array().unwrap();
    list.iter().position(|v| v["name"] == name).unwrap()
}

fn tell(pod: &mut Value, name: &str, value: &str) {
    push(
        pod,
        "/spec/initContainers/0/env",
        json!({"name": name, "value": value}),
    );
}

fn mount(pod: &mut Value, mount: Value) {
    push(pod, "/spec/volumes", json!({"name": "mine", "emptyDir": {}}));
    push(pod, "/spec/initContainers/0/volumeMounts", mount);
}

/// Every rule.
pub fn all() -> Vec<Bend> {
    let mut all = environment();
    all.extend(mounts_and_probes());
    all
}

fn environment() -> Vec<Bend> {
    vec![
        bend("load_nothing_into_the_sentinel", ENVIRONMENT, |p| {
            tell(p, "LD_PRELOAD", "/x.so");
        }),
        bend("name_one_control_plane", ENVIRONMENT, |p| {
            tell(p, "TB_EDC_ENDPOINT", "https://evil.example");
        }),
        bend("ask_for_the_licence_by_tls", ENVIRONMENT, |p| {
            let at = variable(p, "TB_EDC_ENDPOINT");
            guard(p)["env"][at]["value"] = "http://evil.example".into();
        }),
        bend("trust_no_authority_of_the_user", ENVIRONMENT, |p| {
            tell(p, "TB_CA_PATH", "/mine/ca.crt");
        }),
        bend("keep_the_runtime_on_loopback", ENVIRONMENT, |p| {
            let at = variable(p, "TB_RUNTIME_URL");
            guard(p)["env"][at]["value"] = "http://10.0.0.1:8081".into();
        }),
        bend("keep_the_sign_of_life_their_own", ENVIRONMENT, |p| {
            let at = variable(p, "TB_LEASE");
            guard(p)["env"][at]["value"] = "tb-other-protected/tp-other-heartbeat".into();
        }),
        bend("keep_the_anchor_of_every_check", ENVIRONMENT, |p| {
            let at = variable(p, "TB_MANIFEST_SHA256");
            guard(p)["env"].as_array_mut().unwrap().remove(at);
        }),
        bend(
            "deliver_what_was_asked_for",
            "must be what the pod's annotations ask for",
            |p| {
                let at = variable(p, "TB_DELIVERY");
                guard(p)["env"][at]["value"] = "ramfile".into();
            },
        ),
    ]
}

fn mounts_and_probes() -> Vec<Bend> {
    vec![
        bend("mount_nothing_of_the_user_in_the_sentinel", MOUNTS, |p| {
            mount(p, json!({"name": "mine", "mountPath": "/etc/ssl/certs"}));
        }),
        bend("keep_the_sentinels_volumes_where_they_are", MOUNTS, |p| {
            guard(p)["volumeMounts"][0]["mountPath"] = "/elsewhere".into();
        }),
        bend("keep_the_sentinels_volumes_whole", MOUNTS, |p| {
            guard(p)["volumeMounts"][0]["subPath"] = "x".into();
        }),
        bend("give_the_sentinel_its_token", MOUNTS, |p| {
            let mounts = guard(p)["volumeMounts"].as_array_mut().unwrap();
            mounts.retain(|m| m["name"] != "tb-api");
        }),
        bend("are_ready_when_the_sentinel_says_so", PROBES, |p| {
            guard(p)["readinessProbe"]["httpGet"]["path"] = "/livez".into();
        }),
        // Another host is refused by pod security before this rule is asked.
        bend("ask_no_other_port_whether_they_are_ready", PROBES, |p| {
            guard(p)["readinessProbe"]["httpGet"]["port"] = 8000.into();
        }),
        bend("run_no_command_as_a_probe", PROBES, |p| {
            let probe = guard(p)["livenessProbe"].as_object_mut().unwrap();
            probe.remove("httpGet");
            probe.insert("exec".into(), json!({"command": ["/x"]}));
        }),
    ]
}
