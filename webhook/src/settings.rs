//! What the chart decides about injection: the sentinel's image, size and surroundings.

use serde::Deserialize;
use std::num::NonZeroU64;

/// Settings of the injected sentinel; a JSON file that the chart renders. Unknown fields are refused, so that
/// a misspelt value never passes silently.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SentinelSettings {
    /// Image of the sentinel.
    pub(crate) image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    #[serde(default = "SentinelSettings::default_pull_policy")]
    pub(crate) image_pull_policy: String,
    /// Log level of the sentinel (`TB_LOG_LEVEL`).
    #[serde(default = "SentinelSettings::default_log_level")]
    pub(crate) log_level: String,
    /// Where the model server listens (`TB_RUNTIME_URL`).
    #[serde(default = "SentinelSettings::default_runtime_url")]
    pub(crate) runtime_url: String,
    /// Client paths allowed on top of the built-in list (`TB_PROXY_ALLOW`).
    #[serde(default)]
    pub(crate) proxy_allow: Vec<String>,
    /// ConfigMap with `ca.crt` in the pod's namespace; unset where public certificate authorities are enough.
    #[serde(default)]
    pub(crate) ca_config_map: Option<String>,
    /// Requested CPU in thousandths of a core. There is no limit: throttling a decryptor wastes GPU hours.
    #[serde(default = "SentinelSettings::default_cpu_milli")]
    pub(crate) cpu_milli: u64,
    /// Memory in MiB, requested and limit, before what lies in the memory volume.
    #[serde(default = "SentinelSettings::default_memory_mi")]
    pub(crate) memory_mi: u64,
    /// Least bytes a second at which ciphertext is expected to land; every start-up is given the time that follows.
    #[serde(default = "SentinelSettings::default_least_bandwidth")]
    pub(crate) least_bandwidth: NonZeroU64,
    /// Arguments that model servers need in order to be metered, by image.
    #[serde(default)]
    pub(crate) runtime_args: Vec<RuntimeArgs>,
    /// More environment variables; they cannot replace those that the webhook sets.
    #[serde(default)]
    pub(crate) extra_env: Vec<EnvVar>,
}

/// Arguments of a model server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuntimeArgs {
    /// Last parts of the image's name, without tag and digest: `vllm/vllm-openai`.
    pub(crate) image: String,
    /// What is put behind the arguments that the pod has.
    pub(crate) args: Vec<String>,
}

/// An environment variable with a plain value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvVar {
    /// Its name.
    pub(crate) name: String,
    /// Its value; never a secret, because every reader of the pod sees it.
    pub(crate) value: String,
}

impl SentinelSettings {
    /// Port of the model server; none where it listens on a Unix socket.
    pub(crate) fn runtime_port(&self) -> Option<i64> {
        let address = self.runtime_url.strip_prefix("http://")?;
        let (_, port) = address.trim_end_matches('/').rsplit_once(':')?;
        port.parse().ok()
    }

    /// Seconds that a transfer of `bytes` takes at most, rounded up.
    pub(crate) const fn transfer_seconds(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.least_bandwidth.get())
    }

    fn default_pull_policy() -> String {
        "IfNotPresent".to_owned()
    }
    fn default_log_level() -> String {
        "info".to_owned()
    }
    fn default_runtime_url() -> String {
        "http://127.0.0.1:8081".to_owned()
    }
    const fn default_cpu_milli() -> u64 {
        250
    }
    const fn default_memory_mi() -> u64 {
        512
    }
    const fn default_least_bandwidth() -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(19_999_999)
    }
}

/// Who may create pods where the sentinel guards them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Creators(pub(crate) Vec<String>);

impl Creators {
    /// Whether `username` is one of them.
    pub(crate) fn include(&self, username: &str) -> bool {
        self.0.iter().any(|allowed| allowed == username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_file_is_the_image_alone() {
        let settings: SentinelSettings = serde_json::from_str(r#"{"image":"sentinel:1"}"#).unwrap();
        assert_eq!(settings.runtime_url, "http://127.0.0.1:8081");
        assert_eq!(settings.memory_mi, 512);
        assert_eq!(settings.transfer_seconds(400_000_000_001), 20_001);
        assert_eq!(settings.runtime_port(), Some(8081));
    }

    #[test]
    fn a_unix_socket_has_no_port() {
        let settings: SentinelSettings =
            serde_json::from_str(r#"{"image":"s","runtimeUrl":"unix:/dev/shm/tb/runtime.sock"}"#).unwrap();
        assert_eq!(settings.runtime_port(), None);
    }

    #[test]
    fn nothing_lands_at_no_bytes_a_second() {
        let read = serde_json::from_str::<SentinelSettings>(r#"{"image":"a","leastBandwidth":0}"#);
        assert!(read.unwrap_err().to_string().contains("nonzero"));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let read = serde_json::from_str::<SentinelSettings>(r#"{"image":"a","proxyAlow":[]}"#);
        assert!(read.unwrap_err().to_string().contains("proxyAlow"));
    }
}
