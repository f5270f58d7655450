//! Where things lie: an account's endpoint, a container in it, a blob in that.

use trustbridge_azure::http::redact;
use url::Url;

use crate::failure::Failure;

/// Hosts that speak for Azure's blob storage, public and sovereign. Tokens go to these without being asked for.
const AZURE_HOSTS: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.core.usgovcloudapi.net",
    ".blob.storage.azure.net",
];

/// Whether the URL's host is Azure's own blob storage.
pub(crate) fn is_azure(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    AZURE_HOSTS.iter().any(|suffix| host.ends_with(suffix))
}

/// The storage account that a URL belongs to: in the host on Azure, first in the path on an emulator.
pub(crate) fn account(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    let first = url
        .path_segments()
        .and_then(|mut names| names.next())
        .unwrap_or_default();
    if is_azure(url) || first.is_empty() {
        host.split('.').next().unwrap_or_default()
    } else {
        first
    }
}

/// `url` with the parts of a relative name behind its path; each part is encoded by itself.
pub(crate) fn below(url: &Url, name: &str) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments
            .pop_if_empty()
            .extend(name.split('/').filter(|part| !part.is_empty()));
    }
    url
}

/// A container, without any credential.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    url: Url,
    pub(crate) account: String,
}

impl Place {
    /// From a container's URL. Azure has the account in the host, the emulator in the path; the container comes
    /// last.
    pub(crate) fn parse(url: &Url) -> Result<Self, Failure> {
        let mut url = url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
        }
        let names: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        let deepest = if is_azure(&url) { 1 } else { 2 };
        let container = names.last().copied().unwrap_or_default();
        if names.len() > deepest || !is_container_name(container) {
            return Err(Failure::usage(format!(
                "--container-url {}: must end in the container's name (3 to 63 of a-z, 0-9 and single '-'), as in \
                 https://<account>.blob.core.windows.net/models",
                redact(url.as_str())
            )));
        }
        let account = if names.len() == 2 {
            names.first().copied().unwrap_or_default().to_owned()
        } else {
            let host = url.host_str().unwrap_or_default();
            host.split('.').next().unwrap_or_default().to_owned()
        };
        Ok(Self { url, account })
    }

    /// From the names alone, on Azure's public cloud.
    pub(crate) fn of_account(account: &str, container: &str) -> Result<Self, Failure> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !(3..=24).contains(&account.len()) || !account.chars().all(legal) {
            return Err(Failure::usage(format!(
                "--storage-account {account:?}: must be 3 to 24 of a-z and 0-9; for an account elsewhere give --container-url"
            )));
        }
        if !is_container_name(container) {
            return Err(Failure::usage(format!(
                "--container {container:?}: must be 3 to 63 of a-z, 0-9 and single '-'"
            )));
        }
        let text = format!("https://{account}.blob.core.windows.net/{container}");
        let url = Url::parse(&text).map_err(|e| Failure::usage(format!("{text}: {e}")))?;
        Self::parse(&url)
    }

    /// The container's URL.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A blob's URL.
    pub(crate) fn blob(&self, name: &str) -> Url {
        below(&self.url, name)
    }
}

/// Azure's rule for the names of containers.
fn is_container_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&name.len())
        && name.chars().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn place(text: &str) -> Result<Place, Failure> {
        Place::parse(&url(text))
    }

    #[test]
    fn a_container_url_has_its_account_in_the_host_or_in_the_path() {
        let azure = place("https://acct.blob.core.windows.net/models/").unwrap();
        assert_eq!(azure.account, "acct");
        assert_eq!(azure.url().as_str(), "https://acct.blob.core.windows.net/models");
        assert_eq!(Place::of_account("acct", "models").unwrap().url(), azure.url());
        let emulator = place("https://172.30.0.1:10000/devstoreaccount1/models").unwrap();
        assert_eq!(emulator.account, "devstoreaccount1");
        assert_eq!(
            emulator.blob("models/a b/ü?.tbenc").as_str(),
            "https://172.30.0.1:10000/devstoreaccount1/models/models/a%20b/%C3%BC%3F.tbenc"
        );
        for bad in [
            "https://acct.blob.core.windows.net",
            "https://acct.blob.core.windows.net/a/models",
            "https://h.example/a/b/models",
            "https://h.example/acct/Models",
            "https://h.example/acct/a--b",
        ] {
            place(bad).unwrap_err();
        }
        Place::of_account("Acct", "models").unwrap_err();
        Place::of_account("acct", "m").unwrap_err();
    }

    #[test]
    fn only_azures_own_hosts_count_as_azure() {
        let azure = |host: &str| is_azure(&Url::parse(&format!("https://{host}/c")).unwrap());
        assert!(azure("acct.blob.core.windows.net") && azure("a.blob.core.usgovcloudapi.net"));
        assert!(!azure("blob.core.windows.net.evil.example") && !azure("evilblob.core.windows.net"));
        let name = |url: &str| account(&Url::parse(url).unwrap()).to_owned();
        assert_eq!(name("https://acct.blob.core.windows.net/c/b"), "acct");
        assert_eq!(name("https://127.0.0.1:1/emu/c/b"), "emu");
    }
}
