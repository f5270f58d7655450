//! The rules of the Container Network Interface that the plug-in follows: what it is given, what it says.
//! Only the standard library and `serde_json`, so that the plug-in stays small.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::protocol::{Request, Sandbox};

/// Versions of the specification that the plug-in speaks.
pub const VERSIONS: [&str; 5] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3.0"];

/// The version of answers to a configuration that names none.
const DEFAULT_VERSION: &str = "1.0.0";

/// A CNI error: printed on standard output, with exit status 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A code of the specification.
    pub code: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl Failure {
    const INCOMPATIBLE: u32 = 1;
    const ENVIRONMENT: u32 = 4;
    const DECODE: u32 = 6;
    const CONFIG: u32 = 7;
    const TRY_AGAIN: u32 = 11;
    const NOT_AVAILABLE: u32 = 50;
    const CHECK: u32 = 100;

    fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The agent did not confirm the pod's rules in time: the runtime shall try again.
    #[must_use]
    pub fn not_loaded(reason: &str) -> Self {
        Self::new(
            Self::TRY_AGAIN,
            format!("the pod's network policy is not in force yet: {reason}"),
        )
    }

    /// CHECK found no rules.
    #[must_use]
    pub fn check(reason: &str) -> Self {
        Self::new(
            Self::CHECK,
            format!("the pod's network policy is not in force: {reason}"),
        )
    }

    /// STATUS found no agent.
    #[must_use]
    pub fn unavailable(reason: &str) -> Self {
        Self::new(Self::NOT_AVAILABLE, format!("no pod can be added: {reason}"))
    }

    /// The answer on standard output.
    #[must_use]
    pub fn to_json(&self, version: &str) -> String {
        json!({ "cniVersion": version, "code": self.code, "msg": self.message }).to_string()
    }
}

/// What the runtime asks of the plug-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A pod is being added: `result` is the answer once the rules are loaded.
    Add(Call, String),
    /// A pod is going away.
    Del(Call),
    /// Is the pod still as it was added?
    Check(Call),
    /// Can pods be added?
    Status(PathBuf),
    /// Nothing to do, this is the answer.
    Answer(String),
}

/// A question for the agent and where to put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The agent's socket.
    pub socket: PathBuf,
    /// The question.
    pub request: Request,
}

/// The runtime's environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_ARGS`.
    pub args: String,
}

/// The version in which to answer, also about a configuration that is wrong in other ways.
#[must_use]
pub fn version(config: &str) -> String {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    text(&config, "cniVersion").unwrap_or(DEFAULT_VERSION).to_owned()
}

/// Reads the configuration and the environment.
pub fn parse(config: &str, environment: &Environment) -> Result<Command, Failure> {
    if environment.command == "VERSION" {
        let answer = json!({ "cniVersion": version(config), "supportedVersions": VERSIONS });
        return Ok(Command::Answer(answer.to_string()));
    }
    let config: Value = serde_json::from_str(config).map_err(|error| {
        Failure::new(
            Failure::DECODE,
            format!("the configuration on standard input is no JSON: {error}"),
        )
    })?;
    let version = text(&config, "cniVersion").unwrap_or(DEFAULT_VERSION);
    if !VERSIONS.contains(&version) {
        let message = format!("cniVersion '{version}' must be one of {}", VERSIONS.join(", "));
        return Err(Failure::new(Failure::INCOMPATIBLE, message));
    }
    let socket = text(&config, "socket").map(PathBuf::from).ok_or_else(|| {
        Failure::new(
            Failure::CONFIG,
            "the configuration must give `socket`, the path of the agent's socket",
        )
    })?;
    let call = |request: fn(Sandbox) -> Request, sandbox| Call {
        socket: socket.clone(),
        request: request(sandbox),
    };
    match environment.command.as_str() {
        "ADD" => {
            let result = previous(&config)?;
            let call = call(Request::Add, sandbox(environment, addresses(&config)?)?);
            Ok(Command::Add(call, result))
        }
        "CHECK" => Ok(Command::Check(call(
            Request::Check,
            sandbox(environment, addresses(&config)?)?,
        ))),
        // The runtime must be able to clean up whatever it has: what cannot be read is nobody's sandbox.
        "DEL" => Ok(sandbox(environment, Vec::new()).map_or_else(
            |_| Command::Answer(String::new()),
            |gone| Command::Del(call(Request::Del, gone)),
        )),
        "STATUS" => Ok(Command::Status(socket)),
        "GC" => Ok(Command::Answer(String::new())),
        other => {
            let rule = "must be ADD, DEL, CHECK, GC, STATUS or VERSION";
            Err(Failure::new(
                Failure::ENVIRONMENT,
                format!("CNI_COMMAND '{other}' {rule}"),
            ))
        }
    }
}

/// The result of the plug-ins before this one, which is also ours.
fn previous(config: &Value) -> Result<String, Failure> {
    config.get("prevResult").filter(|result| result.is_object()).map(Value::to_string).ok_or_else(|| {
        Failure::new(
            Failure::CONFIG,
            "`prevResult` is missing: tb-cni-gate must come after the plug-in that gives the pod its address",
        )
    })
}

/// The pod's IPv4 addresses in `prevResult.ips[]`.
fn addresses(config: &Value) -> Result<Vec<Ipv4Addr>, Failure> {
    let ips = config.pointer("/prevResult/ips").and_then(Value::as_array);
    let found: Vec<_> = ips
        .into_iter()
        .flatten()
        .filter_map(|ip| text(ip, "address"))
        .filter_map(interface_address)
        .collect();
    if found.is_empty() {
        return Err(Failure::new(
            Failure::CONFIG,
            "`prevResult.ips` must hold an IPv4 address",
        ));
    }
    Ok(found)
}

/// `10.244.0.5/24` as an address.
fn interface_address(text: &str) -> Option<Ipv4Addr> {
    match text.split('/').next()?.parse() {
        Ok(IpAddr::V4(address)) => Some(address),
        Ok(IpAddr::V6(_)) | Err(_) => None,
    }
}

fn sandbox(environment: &Environment, addresses: Vec<Ipv4Addr>) -> Result<Sandbox, Failure> {
    let argument = |name: &str| {
        let pairs = environment
            .args
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value.to_owned())
            .next()
    };
    let needed = |name: &str| {
        argument(name).ok_or_else(|| {
            Failure::new(
                Failure::ENVIRONMENT,
                format!("CNI_ARGS must give {name}: is the caller a kubelet's runtime?"),
            )
        })
    };
    Ok(Sandbox {
        container_id: environment.container_id.clone(),
        namespace: needed("K8S_POD_NAMESPACE")?,
        name: needed("K8S_POD_NAME")?,
        uid: argument("K8S_POD_UID"),
        addresses,
    })
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
