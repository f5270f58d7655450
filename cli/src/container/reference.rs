//! Names of images: `registry/name:tag` and `registry/name@sha256:...`, by the grammar of the OCI distribution
//! specification.

use std::fmt;
use std::net::IpAddr;

use crate::failure::Failure;

/// A place in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `host[:port]`.
    pub(crate) registry: String,
    /// The repository.
    pub(crate) name: String,
    /// Never `latest`: a tag that moves names no image.
    pub(crate) tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// From the three flags of `build`.
    pub(crate) fn tagged(registry: &str, name: &str, tag: &str) -> Result<Self, Failure> {
        check("--registry", registry, is_registry, REGISTRY_RULE)?;
        check("--image-name", name, is_name, NAME_RULE)?;
        check("--tag", tag, is_tag, TAG_RULE)?;
        Ok(Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            tag: Some(tag.to_owned()),
            digest: None,
        })
    }

    /// From one text; a tag or a digest must be there.
    pub(crate) fn parse(flag: &str, text: &str) -> Result<Self, Failure> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let Some((registry, path)) = rest.split_once('/') else {
            return Err(Failure::usage(format!(
                "{flag} {text:?}: must begin with its registry, as in registry.example/name:1.0"
            )));
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        check(flag, registry, is_registry, REGISTRY_RULE)?;
        check(flag, name, is_name, NAME_RULE)?;
        if let Some(tag) = tag {
            check(flag, tag, is_tag, TAG_RULE)?;
        }
        if let Some(digest) = digest {
            check(
                flag,
                digest,
                is_digest,
                "must be sha256: and 64 hexadecimal digits",
            )?;
        }
        if tag.is_none() && digest.is_none() {
            return Err(Failure::usage(format!(
                "{flag} {text:?}: must have a tag or, better, a digest; `trustbridge build` prints one"
            )));
        }
        Ok(Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The same place, by content.
    pub(crate) fn at(&self, digest: &str) -> Self {
        Self {
            digest: Some(digest.to_owned()),
            tag: None,
            ..self.clone()
        }
    }

    /// Whether the registry is on this very machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.registry)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether `host[:port]` is a loopback address or `localhost`.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = registry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(
            || registry.split(':').next().unwrap_or_default(),
            |(host, _)| host,
        );
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

const REGISTRY_RULE: &str = "must be HOST[:PORT], without a scheme or a path";
const NAME_RULE: &str = "must be lowercase letters, digits, '.', '_' and '-', in parts divided by '/'";
const TAG_RULE: &str = "must be up to 128 letters, digits, '_', '.' and '-', and never 'latest': that tag moves, and names no image";

fn check(flag: &str, value: &str, rule: impl Fn(&str) -> bool, text: &str) -> Result<(), Failure> {
    if rule(value) {
        return Ok(());
    }
    Err(Failure::usage(format!("{flag} {value:?}: {text}")))
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    // As engines do: a first part without a dot, a port or `localhost` is a repository, not a host.
    let is_host = host.contains('.') || host.contains('[') || port.is_some() || host == "localhost";
    !host.is_empty() && host.chars().all(plain) && is_host && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge)
            && part.ends_with(edge)
            && part.chars().all(|c| edge(c) || matches!(c, '.' | '_' | '-'))
    };
    text.len() <= 255 && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text != "latest"
        && text.len() <= 128
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

/// Whether the text is `sha256:` and 64 lowercase hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "acme.azurecr.io/tb/runtime:1.0".to_owned(),
            "127.0.0.1:5000/r:v_1".to_owned(),
            format!("localhost/a/b@{digest}"),
            format!("[::1]:5000/a:1@{digest}"),
        ] {
            assert_eq!(Reference::parse("--image", &text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_that_name_no_image_are_refused() {
        for bad in [
            "acme.azurecr.io/r:latest",
            "acme.azurecr.io/r",
            "runtime:1",
            "library/runtime:1",
            "https://acme.azurecr.io/r:1",
            "acme.azurecr.io/Runtime:1",
            "acme.azurecr.io/r@sha256:12",
            "acme.azurecr.io:x/r:1",
            "acme.azurecr.io/a//b:1",
        ] {
            Reference::parse("--image", bad).unwrap_err();
        }
        Reference::tagged("acme.azurecr.io", "r", "latest").unwrap_err();
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (registry, loopback) in [
            ("127.0.0.1:5000", true),
            ("localhost:1", true),
            ("[::1]:5000", true),
            ("127.0.0.1.example:5000", false),
            ("10.0.0.1:5000", false),
            ("acme.azurecr.io", false),
        ] {
            assert_eq!(is_loopback(registry), loopback, "{registry}");
        }
    }
}
