//! The settings of the sign of life (`TB_LEASE`, `TB_API_*`).

use super::LeaseSettings;
use super::read::{Reader, UNSET};
use std::net::IpAddr;

const LEASE: &str = "TB_LEASE";
const TOKEN: &str = "TB_API_TOKEN_PATH";
const CA: &str = "TB_API_CA_PATH";

impl Reader {
    /// With `TB_LEASE` the others are required; without it they mean nothing, and one that is set is a mistake.
    pub(super) fn lease(&mut self) -> Option<LeaseSettings> {
        let host = self.optional("KUBERNETES_SERVICE_HOST");
        let port = self.optional("KUBERNETES_SERVICE_PORT");
        let (token_path, ca_path) = (self.optional_path(TOKEN), self.optional_path(CA));
        let Some(text) = self.optional(LEASE) else {
            for (name, _) in [(TOKEN, &token_path), (CA, &ca_path)]
                .iter()
                .filter(|(_, path)| path.is_some())
            {
                self.problem(
                    LEASE,
                    UNSET,
                    &format!("is required beside {name}"),
                    "set all three, or none",
                );
            }
            return None;
        };
        let parts = text
            .split_once('/')
            .filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let Some((namespace, name)) = parts else {
            let rule = "must be NAMESPACE/NAME of a Lease";
            self.problem(
                LEASE,
                &text,
                rule,
                "leave it out where nobody waits for a sign of life",
            );
            return None;
        };
        let server = self.server(host, port);
        let (Some(token_path), Some(ca_path), Some(server)) =
            (self.beside(TOKEN, token_path), self.beside(CA, ca_path), server)
        else {
            return None;
        };
        Some(LeaseSettings {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            server,
            token_path,
            ca_path,
        })
    }

    fn beside<T>(&mut self, name: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.problem(
                name,
                UNSET,
                "is required beside TB_LEASE",
                "set all three, or none",
            );
        }
        value
    }

    /// The kubelet says in every pod where the API server is.
    fn server(&mut self, host: Option<String>, port: Option<String>) -> Option<String> {
        let host = self.beside("KUBERNETES_SERVICE_HOST", host)?;
        let port = self.beside("KUBERNETES_SERVICE_PORT", port)?;
        let shown = match host.parse() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => host.clone(),
        };
        let url = format!("https://{shown}:{port}");
        let is_bare = url::Url::parse(&url).is_ok_and(|url| {
            url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
        });
        if !is_bare {
            let rule = "must be a host, and KUBERNETES_SERVICE_PORT its port";
            self.problem(
                "KUBERNETES_SERVICE_HOST",
                &host,
                rule,
                "leave both as the kubelet sets them",
            );
            return None;
        }
        Some(url)
    }
}

/// Whether it can be part of a path of the API server as it is (RFC 1123).
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= 253 && text.chars().all(is_plain) && !text.starts_with('.')
}
