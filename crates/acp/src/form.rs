//! Forms of texts: the rule in words, the check, and the pattern that is published.

use crate::code::Code;
use data_encoding::BASE64;
use std::net::IpAddr;
use trustbridge_domain::calendar::{parse_date, parse_instant};

/// Algorithms of SSH keys that are accepted.
const SSH_ALGORITHMS: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
];
/// Bytes of an Ed25519 key in SSH's form: two lengths, the name, 32 bytes.
const ED25519_BYTES: usize = 4 + 11 + 4 + 32;

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 1 to 128 of letters, digits, `.`, `_`, `-`, beginning with a letter or digit.
    Id,
    /// A UUID.
    Uuid,
    /// 1 to 128 characters without control characters: a word of a vocabulary that may grow.
    Word,
    /// 1 to 255 characters without control characters.
    Key,
    /// 1 to 1024 characters without control characters.
    Line,
    /// 1 to 8192 characters; line breaks and tabs are allowed.
    Prose,
    /// One of these.
    One(&'static [&'static str]),
    /// One of these, or several parted by `|`: any of them will do, and the first counts.
    AnyOf(&'static [&'static str]),
    /// A day of the calendar.
    Date,
    /// An instant of RFC 3339.
    Instant,
    /// Either of them.
    DateOrInstant,
    /// An address without user and query: nothing secret is part of it.
    Uri,
    /// Lower-case hex of a SHA-256.
    Sha256,
    /// A network in CIDR notation.
    Cidr,
    /// A network, or the word `buyer_ip_ranges`, which the order fills in.
    Source,
    /// A host, with a port where it is to be enforced.
    Destination,
    /// A mail address.
    Email,
    /// A public key in the one-line form of OpenSSH.
    SshKey,
}

impl Form {
    /// Whether `text` has it.
    #[must_use]
    pub fn admits(self, text: &str) -> bool {
        match self {
            Self::Id => is_id(text),
            Self::Uuid => is_uuid(text),
            Self::Word => is_line(text, 128),
            Self::Key => is_line(text, 255),
            Self::Line => is_line(text, 1024),
            Self::Prose => is_prose(text),
            Self::One(words) => words.contains(&text),
            Self::AnyOf(words) => text.split('|').all(|choice| words.contains(&choice)),
            Self::Date => parse_date("", text).is_ok(),
            Self::Instant => is_instant(text),
            Self::DateOrInstant => parse_date("", text).is_ok() || is_instant(text),
            Self::Uri => is_uri(text),
            Self::Sha256 => text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            Self::Cidr => is_cidr(text),
            Self::Source => text == "buyer_ip_ranges" || is_cidr(text),
            Self::Destination => is_destination(text),
            Self::Email => is_email(text),
            Self::SshKey => is_ssh_key(text),
        }
    }

    /// The rule in words.
    #[must_use]
    pub fn rule(self) -> String {
        match self {
            Self::Id => {
                "must be 1 to 128 letters, digits, '.', '_' or '-', and begin with a letter or digit".into()
            }
            Self::Uuid => "must be a UUID, such as 7b0e3f52-6f0a-4c55-9d0c-0d2a5f6f9a01".into(),
            Self::Word => "must be 1 to 128 characters in one line".into(),
            Self::Key => "must be 1 to 255 characters in one line".into(),
            Self::Line => "must be 1 to 1024 characters in one line".into(),
            Self::Prose => "must be 1 to 8192 characters without control characters".into(),
            Self::One(words) => format!("must be one of [{}]", words.join(", ")),
            Self::AnyOf(words) => format!(
                "must be one of [{}], or several of them parted by '|'",
                words.join(", ")
            ),
            Self::Date => "must be a day of the calendar, such as 2026-02-28".into(),
            Self::Instant => "must be an instant of RFC 3339, such as 2026-01-15T10:00:00Z".into(),
            Self::DateOrInstant => {
                "must be a day such as 2026-02-28 or an instant such as 2026-01-15T10:00:00Z".into()
            }
            Self::Uri => {
                "must be an address such as s3://bucket/path/, without user, password, query and fragment"
                    .into()
            }
            Self::Sha256 => "must be a SHA-256 in 64 lower-case hex digits".into(),
            Self::Cidr => "must be a network such as 203.0.113.0/24, with nothing behind its prefix".into(),
            Self::Source => "must be 'buyer_ip_ranges' or a network such as 203.0.113.0/24".into(),
            Self::Destination => "must be a host with a port, such as huggingface.co:443".into(),
            Self::Email => "must be a mail address, such as ops@example.com".into(),
            Self::SshKey => format!(
                "must be a public key in one line, of the algorithms [{}]",
                SSH_ALGORITHMS.join(", ")
            ),
        }
    }

    /// The code of a text that does not have it.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::SshKey => Code::SshKeyInvalid,
            _ => Code::FieldInvalid,
        }
    }

    /// Whether a text that does not have it may be repeated. A private key that was pasted by mistake, an address with
    /// a signature in it, or what people write to each other may not.
    #[must_use]
    pub const fn may_be_repeated(self) -> bool {
        !matches!(
            self,
            Self::SshKey | Self::Uri | Self::Prose | Self::Line | Self::Email | Self::Key
        )
    }
}

fn is_id(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    starts && text.len() <= 128 && text.bytes().all(plain)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12]) && groups.concat().bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_line(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_prose(text: &str) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (1..=8192).contains(&text.chars().count()) && !text.chars().any(odd)
}

/// RFC 3339 demands a date, a time and an offset; the calendar's reader knows more forms than that.
fn is_instant(text: &str) -> bool {
    let shape = text.get(10..11) == Some("T") && text.is_ascii() && !text.contains(['[', ',', 't', 'z']);
    let offset = text.ends_with('Z') || text.get(text.len().saturating_sub(6)..).is_some_and(is_offset);
    shape && offset && parse_instant("", text).is_ok()
}

fn is_offset(text: &str) -> bool {
    let mut bytes = text.bytes();
    matches!(bytes.next(), Some(b'+' | b'-')) && text.get(3..4) == Some(":")
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let is_scheme = (1..=16).contains(&scheme.len())
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'+');
    let is_plain = rest
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>'));
    is_scheme && is_plain && !authority.is_empty() && !authority.contains('@') && text.len() <= 1024
}

fn is_cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    // A leading zero or sign reads as another number elsewhere.
    let is_plain = prefix == "0" || (!prefix.starts_with('0') && prefix.bytes().all(|b| b.is_ascii_digit()));
    let Some(prefix) = prefix.parse::<u32>().ok().filter(|_| is_plain) else {
        return false;
    };
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => {
            prefix <= 32
                && u32::MAX
                    .checked_shr(prefix)
                    .is_none_or(|host| v4.to_bits() & host == 0)
        }
        Ok(IpAddr::V6(v6)) => {
            prefix <= 128
                && u128::MAX
                    .checked_shr(prefix)
                    .is_none_or(|host| v6.to_bits() & host == 0)
        }
        Err(_) => false,
    }
}

/// Whether it can be a host, with or without port: what cannot be enforced is a warning of the quote.
fn is_destination(text: &str) -> bool {
    let host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'*' | b'_');
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "443"));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|b| b.is_ascii_digit());
    (1..=253).contains(&host.len()) && host.bytes().all(host_byte) && is_port
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    plain(local) && plain(domain) && !domain.contains('@') && text.len() <= 254
}

/// Algorithm, key, and a comment that nobody reads. The key names its algorithm again (RFC 4253, section 6.6).
fn is_ssh_key(text: &str) -> bool {
    let mut parts = text.splitn(3, ' ');
    let (Some(algorithm), Some(key)) = (parts.next(), parts.next()) else {
        return false;
    };
    let Ok(blob) = BASE64.decode(key.as_bytes()) else {
        return false;
    };
    let named = blob.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..length)
    });
    SSH_ALGORITHMS.contains(&algorithm)
        && named == Some(algorithm.as_bytes())
        && (algorithm != "ssh-ed25519" || blob.len() == ED25519_BYTES)
        && blob.len() > algorithm.len() + 4 + 32
        && is_line(text, 4096)
}

#[cfg(test)]
mod tests;
