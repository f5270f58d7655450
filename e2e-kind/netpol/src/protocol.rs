//! What the CNI plug-in and the agent say to each other: one JSON line there, one JSON line back.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// The longest line that either side reads.
pub const MAX_LINE: u64 = 16 * 1024;

/// One question of the CNI plug-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "camelCase")]
pub enum Request {
    /// A sandbox got these addresses. Answered only when rules that name them are loaded.
    Add(Sandbox),
    /// Are rules that name these addresses loaded now? Answered at once.
    Check(Sandbox),
    /// The sandbox is going away. Answered at once.
    Del(Sandbox),
    /// Is the agent at work?
    Ping,
}

/// A pod's sandbox as the CNI plug-in knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// The container runtime's id of the sandbox: tells a pod's new sandbox from its old one.
    pub container_id: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's UID, where the runtime passes it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The IPv4 addresses that the plug-ins before this one gave it; empty on DEL.
    #[serde(default)]
    pub addresses: Vec<Ipv4Addr>,
}

/// The agent's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
pub enum Reply {
    /// Done: for [`Request::Add`] and [`Request::Check`], the rules are loaded.
    Ok,
    /// Not done, and why.
    Failed {
        /// For a person: what is missing.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stable() {
        let add = Request::Add(Sandbox {
            container_id: "c1".into(),
            namespace: "shop".into(),
            name: "web".into(),
            uid: None,
            addresses: vec![Ipv4Addr::new(10, 244, 0, 5)],
        });
        let line = serde_json::to_string(&add).unwrap();
        assert_eq!(
            line,
            r#"{"verb":"add","containerId":"c1","namespace":"shop","name":"web","addresses":["10.244.0.5"]}"#
        );
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), add);
        assert_eq!(
            serde_json::to_string(&Request::Ping).unwrap(),
            r#"{"verb":"ping"}"#
        );
        assert_eq!(serde_json::to_string(&Reply::Ok).unwrap(), r#"{"answer":"ok"}"#);
    }
}
