//! Ways into a protected pod.

use super::super::gate::Who;
use super::Case;
use super::asks::{ask, connect, debug, resize, through_node};
use serde_json::Value;

/// The pods' own doors.
pub fn pods() -> Vec<Case> {
    let door = |name, passes, refused| Case {
        policy: "protected_access",
        name,
        says: "because they hold decrypted weights; call the model through its Service",
        passes,
        refused,
    };
    vec![
        door(
            "no_exec",
            |g| connect(&g.own(), "exec?command=id&container=runtime&stdout=true"),
            |g| connect(&g.bare(), "exec?command=id&container=runtime&stdout=true"),
        ),
        door(
            "no_attach",
            |g| connect(&g.own(), "attach?container=runtime&stdout=true"),
            |g| connect(&g.bare(), "attach?container=runtime&stdout=true"),
        ),
        door(
            "no_port_forward",
            |g| connect(&g.own(), "portforward?ports=8081"),
            |g| connect(&g.bare(), "portforward?ports=8081"),
        ),
        door(
            "no_proxy_to_a_pod",
            |g| connect(&g.own(), "proxy/"),
            |g| connect(&g.bare(), "proxy/"),
        ),
        door(
            "no_proxy_to_a_service",
            |g| {
                ask(
                    Who::Admin,
                    "POST",
                    format!("/api/v1/namespaces/{}/services/x/proxy/", g.own()),
                    Value::Null,
                )
            },
            |g| {
                ask(
                    Who::Admin,
                    "POST",
                    format!("/api/v1/namespaces/{}/services/x/proxy/", g.bare()),
                    Value::Null,
                )
            },
        ),
        door(
            "no_debug_container",
            |g| debug(&g.own(), "plain"),
            |g| debug(&g.bare(), "victim"),
        ),
        door(
            "no_resize",
            |g| resize(&g.own(), "plain"),
            |g| resize(&g.bare(), "victim"),
        ),
    ]
}

/// The kubelet's own doors, through the API server. The node does not exist: what passes admission is not found.
pub fn nodes() -> Vec<Case> {
    let door = |name, refused| Case {
        policy: "node_proxy",
        name,
        says: "the kubelet enters any pod unseen, and protected pods hold decrypted weights",
        passes: |_| through_node("metrics/cadvisor"),
        refused,
    };
    vec![
        door("no_exec", |g| {
            through_node(&format!("exec/{}/victim/runtime?command=id&output=1", g.bare()))
        }),
        door("no_command", |g| {
            through_node(&format!("run/{}/victim/runtime?cmd=id", g.bare()))
        }),
        door("no_port_forward", |g| {
            through_node(&format!("portForward/{}/victim", g.bare()))
        }),
        door("no_logs", |_| through_node("logs/pods")),
        door("no_list_of_pods", |_| through_node("pods")),
    ]
}
