//! What a SAS and a connection string say. Neither is ever repeated.

use jiff::Timestamp;
use trustbridge_azure::sas::SasUrl;
use url::Url;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A SAS without its signature: until when, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) start: Option<Timestamp>,
    pub(crate) expiry: Option<Timestamp>,
    pub(crate) permissions: Option<String>,
}

impl Terms {
    /// Reads a query string; times that cannot be read are left out.
    pub(crate) fn parse(query: &str) -> Self {
        let Ok(sas) = SasUrl::parse(&format!("https://sas.invalid/?{query}")) else {
            return Self::default();
        };
        Self {
            start: sas.start(),
            expiry: sas.expiry(),
            permissions: sas.permissions().map(str::to_owned),
        }
    }

    /// Why the service must refuse it at this moment, as far as that can be seen here.
    pub(crate) fn complaint(&self, now: Timestamp) -> Option<String> {
        match (self.start, self.expiry) {
            (_, Some(expiry)) if expiry <= now => Some(format!("the SAS ran out at {expiry}")),
            (Some(start), _) if start > now => Some(format!("the SAS is valid only from {start} on")),
            _ => None,
        }
    }
}

/// A SAS as text: the query string alone, with or without its question mark.
pub(crate) fn query_string(source: &str, text: &str) -> Result<Zeroizing<String>, Failure> {
    let query = text.trim().trim_start_matches('?');
    let signed = query.split('&').any(|pair| pair.starts_with("sig="));
    if !signed || query.contains("://") || query.contains(char::is_whitespace) {
        return Err(Failure::usage(format!(
            "{source}: must hold the SAS's query string alone, with its sig= part (not shown here)"
        )));
    }
    Ok(Zeroizing::new(query.to_owned()))
}

/// What a storage connection string opens.
pub(crate) struct ConnectionString {
    /// The blob endpoint: scheme, host and, on an emulator, the account in the path.
    pub(crate) endpoint: Url,
    pub(crate) secret: ConnectionSecret,
}

/// The secret part of a connection string.
pub(crate) enum ConnectionSecret {
    /// The account's key.
    Key { account: String, key: Zeroizing<String> },
    /// A SAS query string.
    Sas(Zeroizing<String>),
}

impl ConnectionString {
    /// Parses `Name=value;...` as Azure shows it.
    pub(crate) fn parse(source: &str, text: &str) -> Result<Self, Failure> {
        let refused = |rule: &str| Failure::usage(format!("{source}: {rule} (its text is not shown here)"));
        let field = |name: &str| {
            let pairs = text.trim().split(';').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
                .find(|value| !value.is_empty())
        };
        let account = field("AccountName");
        let endpoint = match (field("BlobEndpoint"), account) {
            (Some(url), _) => url.to_owned(),
            (None, Some(account)) => {
                let suffix = field("EndpointSuffix").unwrap_or("core.windows.net");
                format!("https://{account}.blob.{suffix}")
            }
            (None, None) => {
                return Err(refused(
                    "the connection string names no AccountName and no BlobEndpoint",
                ));
            }
        };
        let endpoint = Url::parse(&endpoint)
            .ok()
            .filter(|url| url.scheme() == "https" && url.has_host())
            .ok_or_else(|| refused("the connection string's BlobEndpoint must be an https URL"))?;
        let secret = match (field("SharedAccessSignature"), account, field("AccountKey")) {
            (Some(sas), _, _) => ConnectionSecret::Sas(query_string(source, sas)?),
            (None, Some(account), Some(key)) => ConnectionSecret::Key {
                account: account.to_owned(),
                key: Zeroizing::new(key.to_owned()),
            },
            _ => {
                return Err(refused(
                    "the connection string has neither AccountName with AccountKey nor SharedAccessSignature",
                ));
            }
        };
        Ok(Self { endpoint, secret })
    }

    /// Whether `url` lies in the account of this connection string. Its key must not sign for any other host.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        let within = url.path().starts_with(self.endpoint.path().trim_end_matches('/'));
        url.origin() == self.endpoint.origin() && within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sas_says_when_it_is_of_no_use() {
        let terms = Terms::parse("sp=rw&st=2026-11-21T09:00:00Z&se=2026-11-21T10:00:00Z&sig=SECRET");
        let complaint = |time: &str| terms.complaint(time.parse().unwrap());
        assert_eq!(complaint("2026-11-21T09:30:00Z"), None);
        assert!(complaint("2026-11-21T10:00:00Z").unwrap().contains("ran out"));
        assert!(complaint("2026-11-21T08:00:00Z").unwrap().contains("only from"));
        assert!(!format!("{terms:?}").contains("SECRET"));
    }

    #[test]
    fn a_sas_must_be_the_query_alone() {
        assert_eq!(
            query_string("x", " ?sv=1&sig=a%2B\n").unwrap().as_str(),
            "sv=1&sig=a%2B"
        );
        for bad in ["sv=1", "https://h/c?sig=SECRET", "sig=SECRET more", ""] {
            let failure = query_string("--sas-file", bad).unwrap_err();
            assert!(!failure.to_string().contains("SECRET"), "{failure}");
        }
    }

    #[test]
    fn connection_strings_come_with_a_key_or_a_sas() {
        let text = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5PQ==;EndpointSuffix=core.windows.net";
        let with_key = ConnectionString::parse("x", text).unwrap();
        assert_eq!(with_key.endpoint.as_str(), "https://acct.blob.core.windows.net/");
        let ConnectionSecret::Key { account, key } = &with_key.secret else {
            panic!("a key");
        };
        assert_eq!((account.as_str(), key.as_str()), ("acct", "a2V5PQ=="));
        let of = |url: &str| with_key.is_for(&Url::parse(url).unwrap());
        assert!(of("https://acct.blob.core.windows.net/models"));
        assert!(!of("https://other.blob.core.windows.net/models"));
        let text = "BlobEndpoint=https://127.0.0.1:1/emu;SharedAccessSignature=sv=1&sig=b";
        let with_sas = ConnectionString::parse("x", text).unwrap();
        assert!(matches!(&with_sas.secret, ConnectionSecret::Sas(sas) if sas.as_str() == "sv=1&sig=b"));
        assert!(with_sas.is_for(&Url::parse("https://127.0.0.1:1/emu/models").unwrap()));
        assert!(!with_sas.is_for(&Url::parse("https://127.0.0.1:1/else/models").unwrap()));
    }

    #[test]
    fn broken_connection_strings_are_refused_without_being_shown() {
        for bad in [
            "UseDevelopmentStorage=true",
            "AccountName=acct;AccountKey=",
            "BlobEndpoint=http://127.0.0.1:1/emu;AccountName=emu;AccountKey=SECRET",
            "AccountKey=SECRET",
            "AccountName=acct;Password=SECRET",
        ] {
            let failure = ConnectionString::parse("--connection-string-file", bad)
                .err()
                .unwrap();
            assert!(!failure.to_string().contains("SECRET"), "{failure}");
        }
    }
}
