//! Running the program, and searching what it leaves for secrets.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::azurite::Azurite;

/// Variables that would give the program a credential of the machine that the test runs on.
const FOREIGN: [&str; 12] = [
    "TB_BLOB_SAS",
    "TB_BLOB_SAS_FILE",
    "TB_CA_PATH",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_CONNECTION_STRING_FILE",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "XDG_CONFIG_HOME",
];

/// One run of the program to come.
pub struct Run {
    command: Command,
    line: String,
}

/// The program with these words as its arguments, in the test's folder.
pub fn trustbridge(azurite: &Azurite, line: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustbridge"));
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
        .current_dir(azurite.folder.path())
        .env("HOME", azurite.folder.path())
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Run {
        command,
        line: line.to_owned(),
    }
}

impl Run {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it read this file as its standard input.
    pub fn reading(mut self, file: &Path) -> Self {
        self.command.stdin(fs::File::open(file).unwrap());
        self
    }

    pub fn spawn(mut self) -> Child {
        self.command.spawn().unwrap()
    }

    /// Runs it; it must be done without an error. Its JSON.
    pub fn json(mut self) -> Value {
        let output = self.command.arg("--json").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.line);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs it; it must end with this exit code. What it says.
    pub fn fails(mut self, code: i32) -> String {
        let output = self.command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{}: {said}", self.line);
        assert!(
            output.stdout.is_empty(),
            "{}: prints nothing on standard output",
            self.line
        );
        said
    }
}

/// `upload` of an asset with the account's key, into `models`.
pub fn upload(azurite: &Azurite, asset: &str, more: &str) -> Run {
    let url = azurite.container_url("models");
    let ca = azurite.pki.ca.display();
    trustbridge(
        azurite,
        &format!("upload --asset-dir {asset} --container-url {url} --ca-file {ca} {more}"),
    )
}

/// The flags of the account's key.
pub const BY_KEY: &str = "--account-key-file account.key";

/// Which of the secrets stand in a text.
pub fn found<'s>(text: &str, secrets: &[&'s str]) -> Vec<&'s str> {
    secrets
        .iter()
        .copied()
        .filter(|secret| text.contains(secret))
        .collect()
}

/// The arguments of a running process, as everybody on the machine sees them.
pub fn arguments(process: u32) -> String {
    let raw = fs::read(Path::new("/proc").join(process.to_string()).join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ")
}
