//! Running programs with a deadline; what they said is in the error when they fail.

use anyhow::{Context, Result, bail};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use trustbridge_cluster::command::last_lines;

/// What a program that ran to its end said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether its exit status was 0.
    pub success: bool,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
}

/// Runs it to its end, within the limit, and answers its stdout. A failure is an error with what it said.
pub async fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let shown = display(command);
    let said = said(command, None, limit).await?;
    if said.success {
        return Ok(said.stdout);
    }
    bail!(
        "{shown}\nfailed: {}",
        last_lines(&format!("{}{}", said.stdout, said.stderr))
    )
}

/// Like [`output`], with a text as its stdin.
pub async fn output_with_input(command: &mut Command, input: &str, limit: Duration) -> Result<String> {
    let shown = display(command);
    let said = said(command, Some(input), limit).await?;
    if said.success {
        return Ok(said.stdout);
    }
    bail!(
        "{shown}\nfailed: {}",
        last_lines(&format!("{}{}", said.stdout, said.stderr))
    )
}

/// Runs it to its end, within the limit; failing is an answer too.
pub async fn said(command: &mut Command, input: Option<&str>, limit: Duration) -> Result<Said> {
    let shown = display(command);
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start: {shown}"))?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        // A program that ends early closes its stdin; its own error says why.
        let _ = pipe.write_all(text.as_bytes()).await;
    }
    let Ok(done) = tokio::time::timeout(limit, child.wait_with_output()).await else {
        bail!("{shown}\nnot finished within {} s", limit.as_secs());
    };
    let done = done.with_context(|| shown.clone())?;
    Ok(Said {
        success: done.status.success(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

fn display(command: &Command) -> String {
    let command = command.as_std();
    let name = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(name.to_string_lossy().into_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_failure_shows_what_the_program_said() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"]), SOON)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("reason"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up() {
        let error = output(Command::new("sleep").arg("60"), Duration::from_millis(50))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("not finished"), "{error}");
    }

    #[tokio::test]
    async fn input_reaches_the_program() {
        assert_eq!(
            output_with_input(&mut Command::new("cat"), "text", SOON)
                .await
                .unwrap(),
            "text"
        );
    }
}
