//! A client inside the cluster, for pods without a shell.

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::{Method, Request};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpStream;
use trustbridge_azure::http::{Client, Deadline};

/// What to try. Each prints one line of JSON. Exit code 0: as expected; 1: otherwise.
#[derive(Subcommand, Clone, Debug)]
pub enum Probe {
    /// Sends one request and prints status and body.
    Http(HttpProbe),
    /// Connects and prints open, refused, timeout or unreachable.
    Tcp(TcpProbe),
    /// Stays up until SIGTERM.
    Sleep,
}

/// One HTTP request.
#[derive(Args, Clone, Debug)]
pub struct HttpProbe {
    method: Method,
    url: String,
    /// Body; the content type is JSON unless a header says otherwise.
    #[arg(long)]
    data: Option<String>,
    /// `name:value`
    #[arg(long = "header")]
    headers: Vec<String>,
    /// File with a bearer token: what stands on a command line is seen by everybody on the node.
    #[arg(long)]
    bearer_file: Option<PathBuf>,
    /// PEM file with further certificate authorities.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Deadline.
    #[arg(long, default_value_t = 10)]
    timeout_seconds: u64,
    /// Status that makes the exit code 0; any when absent.
    #[arg(long)]
    expect_status: Option<u16>,
}

/// One TCP connection.
#[derive(Args, Clone, Debug)]
pub struct TcpProbe {
    /// `host:port`
    target: String,
    /// Deadline.
    #[arg(long, default_value_t = 5)]
    timeout_seconds: u64,
    /// Result that makes the exit code 0; any when absent.
    #[arg(long)]
    expect: Option<TcpResult>,
}

/// How a connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TcpResult {
    /// Accepted.
    Open,
    /// Answered with a reset.
    Refused,
    /// No answer: dropped on the way.
    Timeout,
    /// No route, no such host, or forbidden on the way.
    Unreachable,
}

/// Runs one probe.
pub async fn run(probe: Probe) -> anyhow::Result<ExitCode> {
    let (line, good) = match probe {
        Probe::Http(probe) => http(&probe).await?,
        Probe::Tcp(probe) => tcp(&probe).await,
        Probe::Sleep => {
            crate::serve::stop_signal().await?;
            (json!({"slept": true}), true)
        }
    };
    print(&line)?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(line: &Value) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

async fn http(probe: &HttpProbe) -> anyhow::Result<(Value, bool)> {
    let mut builder = Client::builder().allow_plain_http();
    if let Some(ca) = &probe.ca {
        builder = builder.ca_file(ca);
    }
    let mut request = Request::builder().method(&probe.method).uri(&probe.url);
    for header in &probe.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| anyhow!("--header {header}: give it as name:value"))?;
        request = request.header(name.trim(), value.trim());
    }
    if let Some(file) = &probe.bearer_file {
        let token = tokio::fs::read_to_string(file).await;
        let token = token.with_context(|| format!("--bearer-file {}", file.display()))?;
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", token.trim()));
    }
    let mut request = request.body(Bytes::from(probe.data.clone().unwrap_or_default()))?;
    if probe.data.is_some() {
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().entry("content-type").or_insert(json);
    }
    let deadline = Deadline::after(Duration::from_secs(probe.timeout_seconds));
    match builder.build()?.send(request, deadline).await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let good = probe.expect_status.is_none_or(|expected| expected == status);
            Ok((json!({"status": status, "body": body}), good))
        }
        Err(error) => Ok((json!({"error": error.to_string()}), false)),
    }
}

async fn tcp(probe: &TcpProbe) -> (Value, bool) {
    let timeout = Duration::from_secs(probe.timeout_seconds);
    let (result, detail) = match tokio::time::timeout(timeout, TcpStream::connect(&probe.target)).await {
        Err(_) => (TcpResult::Timeout, None),
        Ok(Ok(_)) => (TcpResult::Open, None),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => (TcpResult::Refused, None),
        Ok(Err(error)) if error.kind() == ErrorKind::TimedOut => (TcpResult::Timeout, None),
        Ok(Err(error)) => (TcpResult::Unreachable, Some(error.to_string())),
    };
    let word = match result {
        TcpResult::Open => "open",
        TcpResult::Refused => "refused",
        TcpResult::Timeout => "timeout",
        TcpResult::Unreachable => "unreachable",
    };
    let good = probe.expect.is_none_or(|expected| expected == result);
    (
        json!({"target": probe.target, "result": word, "detail": detail}),
        good,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(target: String, expect: TcpResult) -> TcpProbe {
        TcpProbe {
            target,
            timeout_seconds: 5,
            expect: Some(expect),
        }
    }

    #[tokio::test]
    async fn open_and_refused_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        assert!(tcp(&probe(target.clone(), TcpResult::Open)).await.1);
        drop(listener);
        let (line, good) = tcp(&probe(target, TcpResult::Refused)).await;
        assert!(good, "{line}");
    }
}
