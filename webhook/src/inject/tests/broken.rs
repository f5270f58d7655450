//! Each reason of the injector, and ways to break a pod by it.

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
        Reason::ProbeTarget,
        "`spec.containers[runtime].livenessProbe.httpGet.httpHeaders` is 'X-Key, X-Other'",
        |p| {
            p["spec"]["containers"][0]["livenessProbe"] = json!({"httpGet": {"port": 8081,
                "httpHeaders": [{"name": "X-Key", "value": "v"}, {"name": "X-Other", "value": "v"}]}});
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].readinessProbe.httpGet.scheme` is 'HTTPS'",
        |p| {
            p["spec"]["containers"][0]["readinessProbe"] =
                json!({"httpGet": {"port": 8081, "scheme": "HTTPS"}});
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].startupProbe.httpGet.host` is 'example.com'",
        |p| {
            p["spec"]["containers"][0]["startupProbe"] =
                json!({"httpGet": {"port": 8081, "host": "example.com"}});
        },
    ),
    (
        Reason::ProbeTarget,
        "`spec.containers[runtime].startupProbe.tcpSocket.host` is '10.0.0.1'",
        |p| {
            p["spec"]["containers"][0]["startupProbe"] =
                json!({"tcpSocket": {"port": 8081, "host": "10.0.0.1"}});
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
