//! A provider with a model, a token, and everything that it publishes to.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::azurite::Azurite;
use crate::double::Double;
use crate::packages;
use crate::registry::{Registry, storage};

pub const ID: &str = "tb-publish";
pub const TOKEN: &str = "provider-token";

pub struct Provider {
    pub azurite: Azurite,
    pub double: Double,
    pub registry: Registry,
    ca: PathBuf,
}

impl Provider {
    /// Azurite runs; control plane and registry have an address and are not there yet.
    pub fn new() -> Self {
        packages::require();
        let azurite = Azurite::start();
        let folder = azurite.folder.path().to_owned();
        let double = Double::absent(&folder);
        let ca = folder.join("both-ca.crt");
        let both = [&azurite.pki.ca, &double.pki.ca].map(|path| fs::read_to_string(path).unwrap());
        fs::write(&ca, both.concat()).unwrap();
        fs::write(folder.join("token"), TOKEN).unwrap();
        model(&folder.join("model"));
        Self {
            azurite,
            double,
            registry: Registry::absent(),
            ca,
        }
    }

    /// Everything runs.
    pub fn ready() -> Self {
        let mut provider = Self::new();
        provider.double.listen(Some(TOKEN), None);
        provider.registry.listen();
        provider
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.azurite.path(name)
    }

    /// The whole command; `more` replaces or adds flags.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = self.bare();
        let has = |flag: &str| more.contains(&flag);
        let usual = [
            ("--in", "model".to_owned()),
            ("--asset-id", ID.to_owned()),
            ("--out", "pub".to_owned()),
            ("--container-url", self.azurite.container_url("models")),
            ("--account-key-file", "account.key".to_owned()),
            ("--edc-endpoint", self.double.url()),
            ("--token-file", "token".to_owned()),
            ("--ca-file", self.ca.display().to_string()),
            ("--timeout", "60".to_owned()),
            ("--registry", self.registry.host()),
            ("--image-name", "tb/runtime".to_owned()),
            ("--tag", "1.0".to_owned()),
            ("--sentinel-binary", "/bin/true".to_owned()),
            ("--base", "scratch".to_owned()),
            ("--engine", "buildah".to_owned()),
        ];
        command.args(["publish", "--json", "--insecure-registry", "--create-container"]);
        for (flag, value) in usual.iter().filter(|(flag, _)| !has(flag)) {
            command.args([flag, value.as_str()]);
        }
        command.args(more);
        command
    }

    /// The program with nothing of the machine's own.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trustbridge"));
        for name in [
            "TB_BLOB_SAS",
            "TB_BLOB_SAS_FILE",
            "TB_PROVIDER_TOKEN_FILE",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(name);
        }
        command
            .current_dir(self.azurite.folder.path())
            .env("HOME", self.azurite.folder.path())
            .envs(storage(self.azurite.folder.path()))
            .stdin(Stdio::null());
        command
    }

    /// A run that is done.
    pub fn publishes(&self, more: &[&str]) -> Value {
        let output = self.command(more).output().unwrap();
        self.holds_no_secret(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A run that ends with this exit code; what it says.
    pub fn fails(&self, code: i32, more: &[&str]) -> String {
        let output = self.command(more).output().unwrap();
        self.holds_no_secret(&output);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }

    pub fn spawns(&self) -> Child {
        let mut command = self.command(&[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// `publish.json`, where it is there.
    pub fn state(&self) -> Value {
        let bytes = fs::read(self.path("pub/publish.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn holds_no_secret(&self, output: &Output) {
        let state = fs::read_to_string(self.path("pub/publish.json")).unwrap_or_default();
        let texts = [
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            state,
        ];
        let key = fs::read_to_string(self.path("pub/asset.key")).unwrap_or_default();
        for secret in [key.trim(), TOKEN, &self.azurite.key, "sig="] {
            let there = !secret.is_empty() && texts.iter().any(|text| text.contains(secret));
            assert!(!there, "a secret is printed or written down");
        }
    }
}

/// What became of each step.
pub fn outcomes(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| (text(&step["step"]), text(&step["outcome"])))
        .collect()
}

/// Two shards and a configuration.
fn model(folder: &std::path::Path) {
    fs::create_dir(folder).unwrap();
    for n in 1..=2_u8 {
        let bytes = 3_usize << 20;
        let name = format!("model.layers.{n}.mlp.up_proj.weight");
        let header =
            json!({name: {"dtype": "BF16", "shape": [bytes / 2], "data_offsets": [0, bytes]}}).to_string();
        let mut content = (header.len() as u64).to_le_bytes().to_vec();
        content.extend_from_slice(header.as_bytes());
        content.extend(std::iter::repeat_n(n, bytes));
        fs::write(
            folder.join(format!("model-0000{n}-of-00002.safetensors")),
            content,
        )
        .unwrap();
    }
    let config = json!({"model_type": "llama", "dtype": "bfloat16", "tie_word_embeddings": true});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}
