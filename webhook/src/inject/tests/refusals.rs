//! Every refusal, and that it can be acted on.

use super::*;

pub(super) type Change = fn(&mut Value);

/// Each reason of the injector, a way to break a pod by it, and the field that the refusal must name.
pub(super) const BROKEN: &[(Reason, &str, Change)] = &[
    (Reason::HostNetwork, "`spec.hostNetwork`", |p| {
        p["spec"]["hostNetwork"] = true.into();
    }),
    (Reason::HostPid, "`spec.hostPID`", |p| {
        p["spec"]["hostPID"] = true.into();
    }),
    (Reason::HostIpc, "`spec.hostIPC`", |p| {
        p["spec"]["hostIPC"] = true.into();
    }),
    (Reason::SharedProcesses, "`spec.shareProcessNamespace`", |p| {
        p["spec"]["shareProcessNamespace"] = true.into();
    }),
    (Reason::HostPath, "`spec.volumes[logs].hostPath`", |p| {
        p["spec"]["volumes"] = json!([{"name": "logs", "hostPath": {"path": "/var/log"}}]);
    }),
    (Reason::VolumeKind, "`spec.volumes[share].nfs`", |p| {
        p["spec"]["volumes"] = json!([{"name": "share", "nfs": {"server": "s", "path": "/"}}]);
    }),
    (Reason::VolumeKind, "`spec.volumes[new].sourceOfTomorrow`", |p| {
        p["spec"]["volumes"] = json!([{"name": "new", "sourceOfTomorrow": {}}]);
    }),
    (
        Reason::ServiceAccountToken,
        "`spec.automountServiceAccountToken`",
        |p| {
            p["spec"]["automountServiceAccountToken"] = true.into();
        },
    ),
    (
        Reason::ServiceAccountToken,
        "`spec.volumes[kube-api-access-x].projected",
        |p| {
            p["spec"]["volumes"] = json!([{"name": "kube-api-access-x",
            "projected": {"sources": [{"configMap": {}}, {"serviceAccountToken": {"path": "token"}}]}}]);
        },
    ),
    (
        Reason::Privileged,
        "`spec.containers[runtime].securityContext.privileged`",
        |p| {
            p["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
        },
    ),
    (
        Reason::PrivilegeEscalation,
        "`spec.initContainers[warm].securityContext.allowPrivilegeEscalation`",
        |p| {
            p["spec"]["initContainers"][0]["securityContext"] = json!({"allowPrivilegeEscalation": true});
        },
    ),
    (
        Reason::ProcMount,
        "`spec.containers[logs].securityContext.procMount`",
        |p| {
            p["spec"]["containers"][1]["securityContext"] = json!({"procMount": "Unmasked"});
        },
    ),
    (
        Reason::Capabilities,
        "`spec.containers[logs].securityContext.capabilities.add`",
        |p| {
            p["spec"]["containers"][1]["securityContext"] =
                json!({"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_PTRACE"]}});
        },
    ),
    (Reason::RootUser, "`spec.securityContext.runAsUser`", |p| {
        p["spec"]["securityContext"]["runAsUser"] = 0.into();
    }),
    (
        Reason::RootUser,
        "`spec.containers[logs].securityContext.runAsUser`",
        |p| {
            p["spec"]["containers"][1]["securityContext"] = json!({"runAsUser": 0});
        },
    ),
    (Reason::Windows, "`spec.os.name`", |p| {
        p["spec"]["os"] = json!({"name": "windows"});
    }),
    (Reason::Windows, "`spec.securityContext.windowsOptions`", |p| {
        p["spec"]["securityContext"]["windowsOptions"] = json!({"hostProcess": true});
    }),
    (Reason::RestartPolicy, "`spec.restartPolicy`", |p| {
        p["spec"]["restartPolicy"] = "Never".into();
    }),
    (Reason::EphemeralContainer, "`spec.ephemeralContainers`", |p| {
        p["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "d"}]);
    }),
    (Reason::ReservedName, "`spec.containers[tb-x].name`", |p| {
        p["spec"]["containers"][1]["name"] = "tb-x".into();
    }),
    (
        Reason::ReservedName,
        "`spec.initContainers[tb-sentinel].name`",
        |p| {
            p["spec"]["initContainers"][0]["name"] = "tb-sentinel".into();
        },
    ),
    (Reason::ReservedName, "`spec.volumes[tb-model].name`", |p| {
        p["spec"]["volumes"] = json!([{"name": "tb-model", "emptyDir": {}}]);
    }),
    (
        Reason::ReservedName,
        "`spec.containers[logs].ports[].name`",
        |p| {
            p["spec"]["containers"][1]["ports"] = json!([{"name": "tb-public", "containerPort": 9000}]);
        },
    ),
    (
        Reason::ReservedEnv,
        "`spec.containers[runtime].env[TB_MODEL_DIR].name`",
        |p| {
            p["spec"]["containers"][0]["env"] = json!([{"name": "TB_MODEL_DIR", "value": "/x"}]);
        },
    ),
    (
        Reason::ReservedEnv,
        "`spec.initContainers[warm].env[TB_KEY].name`",
        |p| {
            p["spec"]["initContainers"][0]["env"] =
                json!([{"name": "TB_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
        },
    ),
    (Reason::EnvFrom, "`spec.containers[logs].envFrom`", |p| {
        p["spec"]["containers"][1]["envFrom"] = json!([{"secretRef": {"name": "s"}}]);
    }),
    (
        Reason::ReservedMount,
        "`spec.containers[logs].volumeMounts[tb-model]`",
        |p| {
            p["spec"]["containers"][1]["volumeMounts"] =
                json!([{"name": "tb-model", "mountPath": "/m", "subPath": "model"}]);
        },
    ),
    (
        Reason::ReservedPath,
        "`spec.containers[runtime].volumeMounts[data].mountPath`",
        |p| {
            p["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/var/lib/trustbridge/cipher", "subPathExpr": "$(POD)"}]);
        },
    ),
    (
        Reason::BlockDevice,
        "`spec.containers[runtime].volumeDevices[disk]`",
        |p| {
            p["spec"]["containers"][0]["volumeDevices"] = json!([{"name": "disk", "devicePath": "/dev/x"}]);
        },
    ),
    (
        Reason::MountPropagation,
        "`spec.containers[logs].volumeMounts[data].mountPropagation`",
        |p| {
            p["spec"]["containers"][1]["volumeMounts"] =
                json!([{"name": "data", "mountPath": "/data", "mountPropagation": "Bidirectional"}]);
        },
    ),
    (
        Reason::HostPort,
        "`spec.containers[runtime].ports[].hostPort`",
        |p| {
            p["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
        },
    ),
    (
        Reason::ReservedPort,
        "`spec.containers[logs].ports[].containerPort`",
        |p| {
            p["spec"]["containers"][1]["ports"] = json!([{"containerPort": 8001}]);
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].readinessProbe.httpGet`",
        |p| {
            p["spec"]["containers"][0]["readinessProbe"] =
                json!({"httpGet": {"port": 9999, "path": "/health"}});
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].livenessProbe.tcpSocket`",
        |p| {
            p["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": "http"}});
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].startupProbe.grpc`",
        |p| {
            p["spec"]["containers"][0]["startupProbe"] = json!({"grpc": {"port": 8081}});
        },
    ),
    (
        Reason::ForeignSidecar,
        "azure.workload.identity/inject-proxy-sidecar",
        |p| {
            p["metadata"]["annotations"]["azure.workload.identity/inject-proxy-sidecar"] = "true".into();
        },
    ),
    (
        Reason::RuntimeContainer,
        "metadata.annotations[trustbridge.io/runtime-container]",
        |p| {
            p["metadata"]["annotations"]["trustbridge.io/runtime-container"] = "nope".into();
        },
    ),
    (
        Reason::TunePodReference,
        "metadata.annotations[trustbridge.io/tunepod]",
        |p| {
            p["metadata"]["annotations"]["trustbridge.io/tunepod"] = "no-slash".into();
        },
    ),
    (
        Reason::Delivery,
        "metadata.annotations[trustbridge.io/delivery]",
        |p| {
            p["metadata"]["annotations"]["trustbridge.io/delivery"] = "disk".into();
        },
    ),
    (
        Reason::WrongAsset,
        "metadata.annotations[trustbridge.io/model-asset]",
        |p| {
            p["metadata"]["annotations"]["trustbridge.io/model-asset"] = "another".into();
        },
    ),
    (Reason::WrongNamespace, "`metadata.namespace`", |p| {
        p["metadata"]["annotations"]["trustbridge.io/tunepod"] = "tb-other/order-1-0".into();
    }),
];

/// Reasons that come from elsewhere than the pod itself, each with the test that shows it.
const ELSEWHERE: &[(Reason, &str)] = &[
    (Reason::Creator, "all_that_is_wrong_is_said_at_once"),
    (Reason::UnknownTunePod, "unknown_objects_are_named"),
    (Reason::UnknownAsset, "unknown_objects_are_named"),
    (Reason::NotProtected, "unknown_objects_are_named"),
    (Reason::Unreadable, "what_cannot_be_read_is_refused"),
    (Reason::LiveOrder, "live_orders_stay"),
    (
        Reason::NotLabelled,
        "only_guarded_pods_of_the_operator_enter_a_protected_namespace",
    ),
    (
        Reason::NotFirst,
        "only_guarded_pods_of_the_operator_enter_a_protected_namespace",
    ),
    (Reason::NoEntry, "nobody_enters_a_protected_pod"),
];

#[test]
fn every_refusal_names_reason_field_rule_and_next_step() {
    for (reason, field, change) in BROKEN {
        let Verdict::Denied(why) = decide(&with(change)) else {
            panic!("{reason:?} {field} was not refused")
        };
        assert!(
            why.starts_with(&format!("{}: ", reason.as_str())),
            "{reason:?}: {why}"
        );
        assert!(why.contains(field), "{field}: {why}");
        assert!(
            why.contains(", but ") && why.contains("; "),
            "no rule or next step: {why}"
        );
    }
}

#[test]
fn a_pod_that_was_guarded_before_is_judged_by_the_same_rules() {
    let guarded = applied(&pod());
    for (reason, field, change) in BROKEN {
        // What carries our names is put right in such a pod instead of refused.
        if *field == "`spec.initContainers[tb-sentinel].name`" || *field == "`spec.volumes[tb-model].name`" {
            continue;
        }
        let mut bent = guarded.clone();
        // The sentinel stands first now; the changes mean the user's own first one.
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_left(1);
        change(&mut bent);
        let Verdict::Denied(why) = decide(&bent) else {
            panic!("{reason:?} {field} was not refused")
        };
        assert!(
            why.contains(&format!("{}: ", reason.as_str())),
            "{reason:?}: {why}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut bad = applied(&pod());
    bad["spec"]["hostNetwork"] = "yes".into();
    let refused = examine_again(&bad, OPERATOR, &creators(), &settings()).unwrap_err();
    assert!(matches!(refused, Verdict::Denied(why) if why.starts_with("Unreadable: ")));
}

#[test]
fn every_reason_has_a_test_and_a_row_in_the_documentation() {
    let table = include_str!("../../../../docs/reference/admission.md");
    let sources = [
        include_str!("refusals.rs"),
        include_str!("../tests.rs"),
        include_str!("../../validate/tests.rs"),
    ];
    for reason in Reason::ALL {
        let word = reason.as_str();
        let here = BROKEN.iter().any(|(r, ..)| r == reason);
        let there = ELSEWHERE.iter().find(|(r, _)| r == reason);
        assert!(here || there.is_some(), "no test of {word}");
        assert!(
            table.contains(&format!("| `{word}` |")),
            "docs/reference/admission.md has no row for {word}"
        );
        if let Some((_, test)) = there {
            assert!(
                sources.iter().any(|s| s.contains(&format!("fn {test}()"))),
                "no test {test}"
            );
            assert!(
                table.contains(test),
                "docs/reference/admission.md does not name {test}"
            );
        }
    }
}
