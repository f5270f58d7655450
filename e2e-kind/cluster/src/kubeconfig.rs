//! Kubeconfigs: one for each client of the API server, self-contained.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::pki;

/// Writes a kubeconfig for the client whose certificate has the given file name.
pub fn write(path: &Path, pki_folder: &Path, client: &str, server: &str) -> Result<()> {
    use std::io::Write as _;
    let encoded = |file: &Path| -> Result<String> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(BASE64.encode(&bytes))
    };
    let authority = encoded(&pki::certificate(pki_folder, "ca"))?;
    let certificate = encoded(&pki::certificate(pki_folder, client))?;
    let key = encoded(&pki::key(pki_folder, client))?;
    let text = serde_json::to_string_pretty(&render(client, server, &authority, &certificate, &key))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// JSON is YAML, so every client reads it.
fn render(user: &str, server: &str, authority: &str, certificate: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "trustbridge", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": "trustbridge", "context": {"cluster": "trustbridge", "user": user}}],
        "current-context": "trustbridge",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_joins_cluster_and_user() {
        let config = render("admin", "https://127.0.0.1:1", "a", "b", "c");
        assert_eq!(config["contexts"][0]["context"]["user"], "admin");
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://127.0.0.1:1");
    }
}
