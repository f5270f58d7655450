//! Reading one variable at a time, with a problem instead of a value where a rule is broken.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::{AllowedPath, Attestation, CertPair, DeliveryMode, Problem, RuntimeTarget, known};

pub(super) const UNSET: &str = "(not set)";

/// Takes variables out of the environment; what is left in the end is unknown.
pub(super) struct Reader {
    vars: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Keeps `TB_*`, what Azure's own libraries read, and where the API server is. An empty value counts as not set, as
    /// charts write them.
    pub(super) fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let others = || known::AZURE.iter().chain(known::CLUSTER);
        let ours = |(name, _): &(String, String)| name.starts_with("TB_") || others().any(|one| one == name);
        Self {
            vars: vars.into_iter().filter(ours).collect(),
            problems: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Result<Vec<String>, Vec<Problem>> {
        if self.problems.is_empty() {
            let unknown = self.vars.into_keys();
            Ok(unknown.filter(|name| name.starts_with("TB_")).collect())
        } else {
            Err(self.problems)
        }
    }

    pub(super) fn problem(&mut self, field: &'static str, value: &str, rule: &str, next: &str) {
        let shown: String = trustbridge_azure::http::redact(value).chars().take(120).collect();
        self.problems.push(Problem {
            field,
            value: if value == UNSET {
                UNSET.to_owned()
            } else {
                format!("{shown:?}")
            },
            rule: rule.to_owned(),
            next: next.to_owned(),
        });
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        self.vars.remove(name).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.vars.get(name).is_some_and(|value| !value.is_empty())
    }

    pub(super) fn required(&mut self, name: &'static str, what: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(name, UNSET, "is required", &format!("set it to {what}"));
            String::new()
        })
    }

    pub(super) fn asset_id(&mut self, name: &'static str) -> String {
        let id = self.required(name, "the id of the ModelAsset");
        if !id.is_empty()
            && let Err(rule) = trustbridge_tbenc::manifest::check_asset_id(&id)
        {
            self.problem(name, &id, rule, "use the id under which the model was registered");
        }
        id
    }

    /// The URL without a slash at its end.
    pub(super) fn https_url(&mut self, name: &'static str) -> String {
        let text = self.required(name, "the control plane's URL, https://HOST[:PORT]");
        self.https(name, &text)
            .map(|url| url.as_str().trim_end_matches('/').to_owned())
            .unwrap_or_default()
    }

    pub(super) fn https(&mut self, name: &'static str, text: &str) -> Option<Url> {
        if text.is_empty() {
            return None;
        }
        let next = "give a URL such as https://control.example";
        match Url::parse(text) {
            Ok(url) if url.scheme() != "https" => self.problem(name, text, "must be https", next),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.problem(name, text, "must hold no user or password", next);
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                self.problem(name, text, "must have no query and no fragment", next);
            }
            Ok(url) => return Some(url),
            Err(error) => self.problem(name, text, &format!("must be a URL ({error})"), next),
        }
        None
    }

    pub(super) fn path(&mut self, name: &'static str, default: &str) -> PathBuf {
        self.path_or(name, || PathBuf::from(default))
    }

    pub(super) fn path_or(&mut self, name: &'static str, default: impl FnOnce() -> PathBuf) -> PathBuf {
        self.optional_path(name).unwrap_or_else(default)
    }

    pub(super) fn optional_path(&mut self, name: &'static str) -> Option<PathBuf> {
        let text = self.optional(name)?;
        let path = PathBuf::from(&text);
        let plain = path.components().all(|part| {
            !matches!(
                part,
                std::path::Component::ParentDir | std::path::Component::CurDir
            )
        });
        if !path.is_absolute() || !plain {
            self.problem(
                name,
                &text,
                "must be an absolute path without '..'",
                "give the whole path",
            );
        }
        Some(path)
    }

    pub(super) fn pair(&mut self, cert: &'static str, key: &'static str) -> Option<CertPair> {
        match (self.optional_path(cert), self.optional_path(key)) {
            (Some(cert), Some(key)) => Some(CertPair { cert, key }),
            (Some(_), None) => {
                self.problem(
                    key,
                    UNSET,
                    "is required beside the certificate",
                    "set both, or none",
                );
                None
            }
            (None, Some(_)) => {
                self.problem(cert, UNSET, "is required beside the key", "set both, or none");
                None
            }
            (None, None) => None,
        }
    }

    pub(super) fn address(&mut self, name: &'static str, default: &str) -> SocketAddr {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        text.parse().unwrap_or_else(|_| {
            self.problem(
                name,
                &text,
                "must be IP:PORT",
                &format!("give one such as {default}"),
            );
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        })
    }

    pub(super) fn number(&mut self, name: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.optional(name) else {
            return default;
        };
        match text.parse() {
            Ok(value) if range.contains(&value) => value,
            _ => {
                let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
                self.problem(name, &text, &rule, &format!("leave it out for {default}"));
                default
            }
        }
    }

    pub(super) fn sha256(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional(name)?;
        let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex {
            let next = "copy ModelAsset.spec.manifestSha256";
            self.problem(name, &text, "must be 64 hexadecimal characters", next);
        }
        Some(text.to_ascii_lowercase())
    }

    pub(super) fn delivery(&mut self, name: &'static str) -> DeliveryMode {
        match self.optional(name).as_deref() {
            None | Some("fifo") => DeliveryMode::Fifo,
            Some("ramfile") => DeliveryMode::RamFile,
            Some(other) => {
                self.problem(name, other, "must be fifo or ramfile", "leave it out for fifo");
                DeliveryMode::Fifo
            }
        }
    }

    pub(super) fn runtime(&mut self, name: &'static str, default: &str) -> RuntimeTarget {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        if let Some(path) = text.strip_prefix("unix:")
            && Path::new(path).is_absolute()
        {
            return RuntimeTarget::Unix(PathBuf::from(path));
        }
        if let Some(address) = loopback(&text) {
            return RuntimeTarget::Tcp(address);
        }
        let rule = "must be http to a loopback address without a path, or unix:/PATH";
        self.problem(
            name,
            &text,
            rule,
            "let the runtime listen on 127.0.0.1 or on a Unix socket",
        );
        RuntimeTarget::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    pub(super) fn attestation(&mut self, name: &'static str) -> Attestation {
        let text = self.optional(name).unwrap_or_else(|| "none".to_owned());
        if text == "none" {
            return Attestation::None;
        }
        if let Some(path) = text.strip_prefix("file:").filter(|path| path.starts_with('/')) {
            return Attestation::File(PathBuf::from(path));
        }
        if let Some(command) = text
            .strip_prefix("exec:")
            .filter(|command| command.starts_with('/'))
        {
            return Attestation::Exec(command.split_ascii_whitespace().map(str::to_owned).collect());
        }
        let rule = "must be none, file:/PATH or exec:/PROGRAM ARG...";
        self.problem(name, &text, rule, "leave it out for none");
        Attestation::None
    }

    pub(super) fn allow_list(&mut self, name: &'static str) -> Vec<AllowedPath> {
        let text = self.optional(name).unwrap_or_default();
        let mut allowed = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if let Some(path) = allowed_path(entry) {
                allowed.push(path);
                continue;
            }
            let rule = "must be /PATH or METHOD /PATH, without '..', '//', '%', '?' or '*'";
            self.problem(name, entry, rule, "separate several entries by commas");
        }
        allowed
    }

    pub(super) fn log_level(&mut self, name: &'static str) -> String {
        let text = self
            .optional(name)
            .unwrap_or_else(|| "info".to_owned())
            .to_ascii_lowercase();
        if !["trace", "debug", "info", "warn", "error"].contains(&text.as_str()) {
            self.problem(
                name,
                &text,
                "must be trace, debug, info, warn or error",
                "leave it out for info",
            );
        }
        text
    }

    /// Judges and takes what other modes read, so that it does not count as unknown.
    pub(super) fn not_used_by_serve(&mut self) {
        for name in known::ELSEWHERE {
            self.vars.remove(*name);
        }
        for name in known::HTTPS {
            if let Some(text) = self.optional(name) {
                self.https(name, &text);
            }
        }
        for name in known::NUMBERS {
            self.number(name, 1, 1..=1_000_000);
        }
        match self.optional("TB_FINETUNE_ENABLED").as_deref() {
            None | Some("false") => {}
            Some("true") => self.problem(
                "TB_FINETUNE_ENABLED",
                "true",
                "mode serve of this version does not fine-tune",
                "set it to false",
            ),
            Some(other) => {
                self.problem(
                    "TB_FINETUNE_ENABLED",
                    other,
                    "must be true or false",
                    "leave it out for false",
                );
            }
        }
    }
}

fn loopback(text: &str) -> Option<SocketAddr> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if url.scheme() != "http" || !bare || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let ip = match url.host()? {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Host::Domain(_) => return None,
    };
    ip.is_loopback()
        .then(|| SocketAddr::new(ip, url.port_or_known_default().unwrap_or(80)))
}

fn allowed_path(entry: &str) -> Option<AllowedPath> {
    let (method, path) = match entry.split_once(' ') {
        Some((method, path)) => (Some(method.parse::<http::Method>().ok()?), path.trim()),
        None => (None, entry),
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '%' | '?' | '#' | '*');
    let plain = path.starts_with('/') && !path.contains("//") && !path.contains("..") && !path.contains(odd);
    plain.then(|| AllowedPath {
        method,
        path: path.to_owned(),
    })
}
