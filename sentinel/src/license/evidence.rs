//! Attestation evidence for the control plane, from where `TB_ATTESTATION` says.

use std::process::Stdio;
use std::time::Duration;

use crate::config::Attestation;

/// Longest evidence that is sent.
const EVIDENCE_BYTES: usize = 64 << 10;
const EXEC_TIME: Duration = Duration::from_secs(10);

/// The evidence as text; nothing where none is configured.
pub(super) async fn gather(source: &Attestation) -> Result<Option<String>, String> {
    let bytes = match source {
        Attestation::None => return Ok(None),
        Attestation::File(path) => tokio::fs::read(path)
            .await
            .map_err(|error| format!("TB_ATTESTATION: {}: {error}", path.display()))?,
        Attestation::Exec(command) => exec(command).await?,
    };
    if bytes.len() > EVIDENCE_BYTES {
        return Err(format!(
            "TB_ATTESTATION: the evidence is larger than {EVIDENCE_BYTES} bytes"
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| "TB_ATTESTATION: the evidence is not UTF-8; encode it as Base64")?;
    Ok(Some(text.trim().to_owned()))
}

async fn exec(command: &[String]) -> Result<Vec<u8>, String> {
    let (program, arguments) = command
        .split_first()
        .ok_or("TB_ATTESTATION: exec: names no program")?;
    let running = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(EXEC_TIME, running).await {
        Err(_) => Err(format!(
            "TB_ATTESTATION: {program} ran longer than {} s",
            EXEC_TIME.as_secs()
        )),
        Ok(Err(error)) => Err(format!("TB_ATTESTATION: {program}: {error}")),
        Ok(Ok(output)) if output.status.success() => Ok(output.stdout),
        Ok(Ok(output)) => Err(format!("TB_ATTESTATION: {program} ended with {}", output.status)),
    }
}
