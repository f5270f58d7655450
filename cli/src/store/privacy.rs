//! A container that the public reads would give the ciphertext away for good: it is refused.
//!
//! The container's own properties tell, where the credential may read them. What a stranger sees tells in any
//! case: two requests without a credential, for the manifest's future URL and for the list of blobs.

use ::http::{Method, Request};
use bytes::Bytes;
use std::time::Duration;
use trustbridge_azure::http::{Client, Deadline};
use url::Url;

use super::container::{Container, Level};
use crate::failure::{Exit, Failure};

/// Time for one of the stranger's requests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a container that can be read without a credential. `blob` is a name that will be written.
pub(crate) async fn require(container: &Container, client: &Client, blob: &str) -> Result<(), Failure> {
    if container.level().await? == Level::Public {
        return Err(public(container, "its public access level is not \"private\""));
    }
    let mut list = container.place.url().clone();
    list.set_query(Some("restype=container&comp=list&maxresults=1"));
    for (method, url, what) in [
        (
            Method::HEAD,
            container.place.blob(blob),
            "blobs can be read without a credential",
        ),
        (Method::GET, list, "its blobs can be listed without a credential"),
    ] {
        let (status, code) = ask(client, method, &url).await?;
        match seen(status, &code) {
            Seen::Nothing => {}
            Seen::Content => return Err(public(container, what)),
            Seen::Trouble => {
                let url = container.place.url();
                let text = format!(
                    "asking {url} without a credential: HTTP {status} {code}; cannot tell whether the container is \
                     private, run it again later"
                );
                return Err(Failure::new(Exit::Unavailable, text));
            }
        }
    }
    Ok(())
}

/// What a stranger saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Content,
    Trouble,
}

/// Judges an answer to a request without a credential. A public container admits that a blob is not there; a
/// private one does not say.
fn seen(status: u16, code: &str) -> Seen {
    match (status, code) {
        (404, "BlobNotFound") | (200..=299 | 304, _) => Seen::Content,
        (400..=499, _) if !matches!(status, 408 | 429) => Seen::Nothing,
        _ => Seen::Trouble,
    }
}

async fn ask(client: &Client, method: Method, url: &Url) -> Result<(u16, String), Failure> {
    let request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header("x-ms-version", super::credential::Access::version())
        .body(Bytes::new())
        .map_err(|e| Failure::usage(format!("{url}: {e}")))?;
    let answer = client.send(request, Deadline::after(PATIENCE)).await?;
    let header = answer.headers().get("x-ms-error-code");
    let code = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let code = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    Ok((answer.status().as_u16(), code))
}

fn public(container: &Container, why: &str) -> Failure {
    let (url, account) = (container.place.url(), &container.place.account);
    let name = url.path().rsplit('/').next().unwrap_or_default();
    Failure::new(
        Exit::NotAllowed,
        format!(
            "{url}: the container is public ({why}), and models are uploaded to private ones alone; make it private: \
             az storage container set-permission --account-name {account} --name {name} --public-access off"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sees_of_a_public_and_of_a_private_container() {
        for (status, code, expected) in [
            (200, "", Seen::Content),
            (404, "BlobNotFound", Seen::Content),
            (404, "ResourceNotFound", Seen::Nothing),
            (404, "ContainerNotFound", Seen::Nothing),
            (401, "NoAuthenticationInformation", Seen::Nothing),
            (403, "AuthorizationFailure", Seen::Nothing),
            (409, "PublicAccessNotPermitted", Seen::Nothing),
            (503, "ServerBusy", Seen::Trouble),
            (429, "", Seen::Trouble),
            (302, "", Seen::Trouble),
        ] {
            assert_eq!(seen(status, code), expected, "{status} {code}");
        }
    }
}
