//! What a labelled pod is at its creation: the pod as it is injected passes, the same pod bent in one way is refused.

mod sentinel;

use super::{Ask, Gate, Who, core, field};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use trustbridge_e2e::install::NAMESPACE;

/// What is said of the sentinel's variables.
const ENVIRONMENT: &str = "`env` of 'tb-sentinel' must be as it is injected";

/// What is said of volumes that have a name of ours.
const INJECTED_VOLUMES: &str = "must start with 'tb-' only in the volumes that are injected";

/// A rule, and a way to break it.
pub struct Bend {
    pub name: &'static str,
    pub says: &'static str,
    change: fn(&mut Value),
    /// Asked for where the standard "restricted", or another policy, does not refuse it first.
    is_elsewhere: bool,
}

impl Bend {
    /// Asks for the pod as it is, and for the bent one.
    pub async fn check(&self, gate: &Gate) -> Result<()> {
        let _turn = gate.turn.read().await;
        let ask = |who, namespace: &str, mut body: Value| {
            body["metadata"]["namespace"] = namespace.into();
            Ask {
                who,
                method: "POST",
                path: core(namespace, "pods"),
                body,
            }
        };
        let mut pod = gate.guarded();
        if let Err(refusal) = gate.ask(&ask(Who::Operator, &gate.bare(), pod.clone())).await? {
            bail!("the guarded pod was refused: {}", refusal.message);
        }
        (self.change)(field(&mut pod, "")?);
        let bent = if self.is_elsewhere {
            ask(Who::Admin, NAMESPACE, pod)
        } else {
            ask(Who::Operator, &gate.bare(), pod)
        };
        let Err(refusal) = gate.ask(&bent).await? else {
            bail!("the bent pod passed")
        };
        ensure!(
            refusal
                .message
                .contains("ValidatingAdmissionPolicy 'trustbridge-guarded-pods'")
                && refusal.message.contains(self.says),
            "the refusal should say '{}' and says '{}'",
            self.says,
            refusal.message
        );
        Ok(())
    }
}

fn bend(name: &'static str, says: &'static str, change: fn(&mut Value)) -> Bend {
    Bend {
        name,
        says,
        change,
        is_elsewhere: false,
    }
}

/// The same in a namespace that is not restricted, and that the injector leaves out.
fn elsewhere(name: &'static str, says: &'static str, change: fn(&mut Value)) -> Bend {
    Bend {
        is_elsewhere: true,
        ..bend(name, says, change)
    }
}

fn push(pod: &mut Value, path: &str, item: Value) {
    let slot = pod.pointer_mut(path).unwrap();
    if slot.is_null() {
        *slot = json!([]);
    }
    slot.as_array_mut().unwrap().push(item);
}

fn runtime(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

fn guard(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["initContainers"][0]
}

fn volume<'a>(pod: &'a mut Value, name: &str) -> &'a mut Value {
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.iter_mut().find(|v| v["name"] == name).unwrap()
}

/// What is projected to the sentinel for the API server.
fn token(pod: &mut Value) -> &mut Value {
    &mut volume(pod, "tb-api")["projected"]["sources"][0]["serviceAccountToken"]
}

fn another(name: &str) -> Value {
    json!({"name": name, "image": "x", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}})
}

/// Every rule.
pub fn all() -> Vec<Bend> {
    let mut all = shape();
    all.extend(sentinel::all());
    all.extend(surroundings());
    all.extend(containers());
    all
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each rule")]
fn shape() -> Vec<Bend> {
    vec![
        bend(
            "have_the_sentinel_first",
            "must be 'tb-sentinel' with restartPolicy 'Always' after every mutation",
            |p| {
                p["spec"]["initContainers"]
                    .as_array_mut()
                    .unwrap()
                    .insert(0, another("mesh"));
            },
        ),
        bend(
            "have_the_sentinel_as_a_sidecar",
            "must be 'tb-sentinel' with restartPolicy 'Always' after every mutation",
            |p| {
                for field in ["restartPolicy", "startupProbe", "readinessProbe", "livenessProbe"] {
                    guard(p).as_object_mut().unwrap().remove(field);
                }
            },
        ),
        bend(
            "have_one_container_of_ours",
            "must start with 'tb-' once, in 'tb-sentinel'",
            |p| {
                push(p, "/spec/containers", another("tb-helper"));
            },
        ),
        bend(
            "have_the_charts_sentinel",
            "the image of 'tb-sentinel' must be the one that the chart names",
            |p| {
                guard(p)["image"] = "evil".into();
            },
        ),
        bend("have_the_sentinel_unbent", "must run as it is injected", |p| {
            guard(p)["command"] = json!(["/sh"]);
        }),
        bend("have_no_secret_in_the_sentinel", ENVIRONMENT, |p| {
            let variable = json!({"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
            guard(p)["env"].as_array_mut().unwrap().push(variable);
        }),
        bend(
            "have_the_sentinel_confined",
            "`securityContext` of 'tb-sentinel' must be as it is injected",
            |p| {
                guard(p)["securityContext"]["readOnlyRootFilesystem"] = false.into();
            },
        ),
        bend("restart", "`spec.restartPolicy` must be 'Always'", |p| {
            p["spec"]["restartPolicy"] = "Never".into();
        }),
        bend(
            "name_their_model_server",
            "must name the container of `spec.containers` that serves the model",
            |p| {
                runtime(p)["name"] = "another".into();
                // Its mount and variables are the model server's alone, which is another rule.
                for field in ["volumeMounts", "env"] {
                    runtime(p).as_object_mut().unwrap().remove(field);
                }
            },
        ),
        bend(
            "have_time_to_drain",
            "`spec.terminationGracePeriodSeconds` must be at least 60",
            |p| {
                p["spec"]["terminationGracePeriodSeconds"] = 30.into();
            },
        ),
        bend(
            "belong_to_their_namespace",
            "must be in the protected namespace of the organisation of its TunePod",
            |p| {
                // The same TunePod's name, so that its Secrets' names are right and the organisation alone is wrong.
                let tunepod = &mut p["metadata"]["annotations"]["trustbridge.io/tunepod"];
                let name = tunepod
                    .as_str()
                    .and_then(|t| t.split_once('/'))
                    .map(|(_, name)| name);
                *tunepod = format!("tb-other/{}", name.unwrap_or_default()).into();
            },
        ),
        elsewhere(
            "are_made_by_the_operator",
            "made by the operator, because whoever writes the pod chooses the program",
            |_| {},
        ),
    ]
}

fn surroundings() -> Vec<Bend> {
    vec![
        bend(
            "share_no_processes",
            "must not share namespaces with the node or between its containers",
            |p| {
                p["spec"]["shareProcessNamespace"] = true.into();
            },
        ),
        bend(
            "give_nobody_the_key_of_the_port",
            "must be given to 'tb-sentinel' alone",
            |p| {
                let volume = json!({"name": "mine", "secret": {"secretName": "tp-x-tls"}});
                push(p, "/spec/volumes", volume);
            },
        ),
        bend(
            "have_plaintext_in_memory",
            "must be an emptyDir in memory, and no volume a hostPath",
            |p| {
                volume(p, "tb-model")["emptyDir"] = json!({});
            },
        ),
        bend("have_no_other_volume_of_our_name", INJECTED_VOLUMES, |p| {
            push(p, "/spec/volumes", json!({"name": "tb-more", "emptyDir": {}}));
        }),
        bend("get_no_token", "must get a token of the cluster", |p| {
            let token = json!({"serviceAccountToken": {"path": "token"}});
            push(
                p,
                "/spec/volumes",
                json!({"name": "kube", "projected": {"sources": [token]}}),
            );
        }),
        bend("name_their_token_for_nobody_else", INJECTED_VOLUMES, |p| {
            token(p)["audience"] = "https://vault.example".into();
        }),
        bend("have_a_token_for_an_hour", INJECTED_VOLUMES, |p| {
            token(p)["expirationSeconds"] = 86_400.into();
        }),
        bend("believe_the_clusters_own_authority", INJECTED_VOLUMES, |p| {
            volume(p, "tb-api")["projected"]["sources"][1]["configMap"]["name"] = "mine".into();
        }),
        elsewhere("use_no_root", "`securityContext.runAsUser` must not be 0", |p| {
            p["spec"]["securityContext"]["runAsUser"] = 0.into();
        }),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each rule")]
fn containers() -> Vec<Bend> {
    vec![
        bend(
            "keep_ciphertext_to_the_sentinel",
            "must be mounted by 'tb-sentinel' alone",
            |p| {
                push(
                    p,
                    "/spec/containers/0/volumeMounts",
                    json!({"name": "tb-cipher", "mountPath": "/c"}),
                );
            },
        ),
        bend(
            "keep_the_token_to_the_sentinel",
            "must be mounted by 'tb-sentinel' alone",
            |p| {
                let mut other = another("other");
                other["volumeMounts"] = json!([{"name": "tb-api", "mountPath": "/a", "readOnly": true}]);
                push(p, "/spec/containers", other);
            },
        ),
        bend(
            "mount_the_model_in_the_model_server_alone",
            "read-only and whole at '/dev/shm/tb', by the model server",
            |p| {
                let mut other = another("other");
                other["volumeMounts"] = json!([{"name": "tb-model", "mountPath": "/m", "readOnly": true}]);
                push(p, "/spec/containers", other);
            },
        ),
        bend(
            "mount_the_model_read_only",
            "read-only and whole at '/dev/shm/tb', by the model server",
            |p| {
                runtime(p)["volumeMounts"][0]["readOnly"] = false.into();
            },
        ),
        bend(
            "leave_the_sentinels_paths_alone",
            "must not lie in the sentinel's paths",
            |p| {
                push(p, "/spec/volumes", json!({"name": "mine", "emptyDir": {}}));
                push(
                    p,
                    "/spec/containers/0/volumeMounts",
                    json!({"name": "mine", "mountPath": "/var/log/trustbridge/x"}),
                );
            },
        ),
        bend(
            "keep_their_mounts_to_themselves",
            "no raw devices and no mounts that leave their container",
            |p| {
                push(p, "/spec/volumes", json!({"name": "mine", "emptyDir": {}}));
                let mount = json!({"name": "mine", "mountPath": "/x", "mountPropagation": "HostToContainer"});
                push(p, "/spec/containers/0/volumeMounts", mount);
            },
        ),
        bend(
            "leave_the_sentinels_ports_alone",
            "must name no port of the node and not the sentinel's",
            |p| {
                runtime(p)["ports"] = json!([{"containerPort": 8001, "name": "x"}]);
            },
        ),
        bend(
            "have_no_variables_of_ours",
            "variables that start with 'TB_' must be set by the injector alone",
            |p| {
                let mut other = another("other");
                other["env"] = json!([{"name": "TB_MODEL_DIR", "value": "/x"}]);
                push(p, "/spec/containers", other);
            },
        ),
        bend(
            "list_their_variables",
            "variables that start with 'TB_' must be set by the injector alone",
            |p| {
                runtime(p)["envFrom"] = json!([{"configMapRef": {"name": "x"}}]);
            },
        ),
        elsewhere(
            "gain_no_rights",
            "no container of a protected pod must be privileged, gain rights",
            |p| {
                runtime(p)["securityContext"]["allowPrivilegeEscalation"] = true.into();
            },
        ),
        elsewhere(
            "use_known_volumes",
            "must be of a kind that the Pod Security Standard 'restricted' knows",
            |p| {
                push(
                    p,
                    "/spec/volumes",
                    json!({"name": "share", "nfs": {"server": "s", "path": "/"}}),
                );
            },
        ),
    ]
}
