//! A log on a real server.

use super::Said;
use super::log::{Answers, Log, Step};
use super::memory::content_type;
use super::normal::Normal;
use anyhow::{Context, Result, ensure};
use futures::{AsyncBufReadExt, StreamExt};
use kube::Client;
use serde_json::Value;
use std::pin::pin;
use std::time::Duration;

/// Time for one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Plays a log in `namespace`; what was said to each step.
///
/// # Errors
/// A server that does not answer.
pub async fn play(client: &Client, log: &Log, namespace: &str) -> Result<Vec<Said>> {
    let (mut answers, mut normal) = (Answers::new(log, namespace), Normal::default());
    let mut said = Vec::new();
    for (number, step) in log.steps.iter().enumerate() {
        let (path, body) = answers.filled(step);
        let at = || format!("step {number}, {} {path}", step.method);
        if step.method == "WATCH" {
            let last = format!("end-{}", log.id);
            let watching = watch(client, &path, &last);
            let events = tokio::time::timeout(ANSWER, watching)
                .await
                .with_context(|| format!("{}: no event of '{last}' in time", at()))??;
            said.push(normal.watched(&events));
            answers.add(&Value::Null);
            continue;
        }
        let asking = ask(client, step, &path, body);
        let (code, answer) = tokio::time::timeout(ANSWER, asking)
            .await
            .with_context(at)?
            .with_context(at)?;
        ensure!(code < 500 && code != 403, "{}: {code} {answer}", at());
        said.push(normal.said(code, &answer, None));
        answers.add(&answer);
    }
    Ok(said)
}

async fn ask(client: &Client, step: &Step, path: &str, body: Vec<u8>) -> Result<(u16, Value)> {
    let request = http::Request::builder()
        .method(step.method.as_str())
        .uri(path)
        .header(http::header::CONTENT_TYPE, content_type(step))
        .header(http::header::ACCEPT, "application/json")
        .body(kube::client::Body::from(body))?;
    let answer = client.send(request).await?;
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await?;
    Ok((code, serde_json::from_slice(&bytes)?))
}

/// The events up to that of the object `last`.
async fn watch(client: &Client, path: &str, last: &str) -> Result<Vec<Value>> {
    let request = http::Request::get(path).body(Vec::new())?;
    let mut lines = pin!(client.request_stream(request).await?.lines());
    let mut events = Vec::new();
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?)?;
        let is_last = event.pointer("/object/metadata/name").and_then(Value::as_str) == Some(last);
        events.push(event);
        if is_last {
            return Ok(events);
        }
    }
    anyhow::bail!("the watch ended before the event of '{last}'; it told {events:?}")
}
