//! A log on the server in memory.

use super::Said;
use super::log::{Answers, Log, Step};
use super::normal::{Normal, owner};
use anyhow::{Context, Result, bail};
use http::{Method, Uri};
use serde_json::Value;
use trustbridge_simkit::apiserver::{ApiServer, Key};

/// Plays a log on a server of its own that knows the kinds of `crds`; what was said to each step.
///
/// # Errors
/// A step that is no request of this server: then there is nothing to compare.
pub fn play(log: &Log, crds: &[Value]) -> Result<Vec<Said>> {
    let server = ApiServer::new();
    server.keep_history();
    for crd in crds {
        // Rules that are not kept here are in no log as a refusal; the comparison would tell.
        let _ = server.install(crd);
    }
    let (mut answers, mut normal) = (Answers::new(log, "replay"), Normal::default());
    let mut said = Vec::new();
    for (number, step) in log.steps.iter().enumerate() {
        let (path, body) = answers.filled(step);
        let at = || format!("step {number}, {} {path}", step.method);
        let uri: Uri = path.parse().with_context(at)?;
        if step.method == "WATCH" {
            let events = server
                .after(&uri)
                .map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
                .with_context(at)?;
            said.push(normal.watched(&events));
            answers.add(&Value::Null);
            continue;
        }
        let method: Method = step.method.parse().with_context(at)?;
        let answer = server.handle(&method, &uri, content_type(step), &body);
        if matches!(answer.code, 400 | 405 | 415) {
            bail!("{}: {}", at(), answer.body);
        }
        let owners = owners(&server, &uri, &answer.body);
        said.push(normal.said(answer.code, &answer.body, Some(owners)));
        answers.add(&answer.body);
    }
    Ok(said)
}

/// The content type of a step's body.
#[must_use]
pub fn content_type(step: &Step) -> &'static str {
    if step.method == "PATCH" {
        "application/apply-patch+yaml"
    } else {
        "application/json"
    }
}

/// Who owns fields of the object that was answered, as it is now.
fn owners(server: &ApiServer, uri: &Uri, answer: &Value) -> Vec<String> {
    let words: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let (group, rest) = match words.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Vec::new(),
    };
    let (["namespaces", namespace, plural, ..], Some(name)) = (
        rest,
        answer
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .filter(|_| answer.get("status") != Some(&Value::from("Success"))),
    ) else {
        return Vec::new();
    };
    let plural = if group.is_empty() {
        (*plural).to_owned()
    } else {
        format!("{plural}.{group}")
    };
    let key = Key {
        plural,
        namespace: Some((*namespace).to_owned()),
        name: name.to_owned(),
    };
    let owners = server.owners(&key);
    let mut all: Vec<String> = owners
        .iter()
        .map(|one| owner(&one.name, one.is_apply, one.is_status))
        .collect();
    all.sort();
    all
}
