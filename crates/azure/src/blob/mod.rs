//! Blob storage, small: what tests and tools need of it, on Azure and on Azurite. The provider's upload uses the
//! official SDK.
//!
//! An endpoint is the account's root: `https://<account>.blob.core.windows.net` on Azure,
//! `https://<host>:<port>/<account>` on Azurite. Everything below it is the same.

mod error;
mod shared_key;
#[cfg(test)]
mod tests;

pub use error::{Error, RangeVerdict, judge_range};
pub use shared_key::SharedKey;

use crate::http::{self, Body, Client, Deadline};
use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, RANGE};
use ::http::request::Builder;
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use std::ops::Range;
use url::Url;

/// The service version that every request names.
pub const SERVICE_VERSION: &str = "2022-11-02";

/// How requests are authorised.
#[derive(Clone)]
pub enum Credential {
    /// The account's key.
    SharedKey(SharedKey),
    /// A SAS query string without the leading `?`.
    Sas(String),
    /// A Microsoft Entra access token for `https://storage.azure.com`.
    Bearer(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SharedKey(_) => "SharedKey",
            Self::Sas(_) => "Sas",
            Self::Bearer(_) => "Bearer",
        })
    }
}

/// What HEAD says about a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobProperties {
    /// Length in bytes.
    pub bytes: u64,
    /// The generation; a changed blob has another one.
    pub etag: String,
}

/// One storage account. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct BlobClient {
    http: Client,
    endpoint: Url,
    credential: Credential,
}

impl BlobClient {
    /// A client for the account whose root is `endpoint`.
    pub fn new(http: Client, endpoint: &str, credential: Credential) -> Result<Self, Error> {
        let url = Url::parse(endpoint)
            .ok()
            .filter(|url| url.has_host() && !url.cannot_be_a_base());
        let endpoint = url.ok_or_else(|| Error::Endpoint(http::redact(endpoint)))?;
        Ok(Self {
            http,
            endpoint,
            credential,
        })
    }

    /// The blob's URL without any credential.
    #[must_use]
    pub fn blob_url(&self, container: &str, blob: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(container);
            segments.extend(blob.split('/').filter(|part| !part.is_empty()));
        }
        url
    }

    /// Makes the container; one that exists already is fine.
    pub async fn create_container(&self, container: &str, deadline: Deadline) -> Result<(), Error> {
        let mut url = self.blob_url(container, "");
        url.set_query(Some("restype=container"));
        let answer = self
            .call(Method::PUT, url, Bytes::new(), |request| request, deadline)
            .await?;
        match answer.status() {
            StatusCode::CREATED => Ok(()),
            StatusCode::CONFLICT if error::code_of(&answer) == "ContainerAlreadyExists" => Ok(()),
            _ => Err(Error::answer(
                "create container",
                &self.blob_url(container, ""),
                &answer,
            )),
        }
    }

    /// Writes a blob in one request, replacing one that exists.
    pub async fn put(
        &self,
        container: &str,
        blob: &str,
        content: Bytes,
        content_type: &str,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let url = self.blob_url(container, blob);
        let head = |request: Builder| {
            request
                .header("x-ms-blob-type", "BlockBlob")
                .header(CONTENT_TYPE, content_type)
        };
        let answer = self
            .call(Method::PUT, url.clone(), content, head, deadline)
            .await?;
        Error::unless("put blob", &url, &answer, &[StatusCode::CREATED])
    }

    /// Bytes `range` of the blob, as a stream. Any answer but 206 is an error with the service's code.
    pub async fn get_range(
        &self,
        container: &str,
        blob: &str,
        range: Range<u64>,
        deadline: Deadline,
    ) -> Result<Response<Body>, Error> {
        let url = self.blob_url(container, blob);
        let bytes = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let request = self.request(Method::GET, &url, Bytes::new(), |request| {
            request.header(RANGE, bytes)
        })?;
        let answer = self.http.send_streaming(request, deadline).await?;
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = body.collect(ERROR_BODY_BYTES).await?;
        Err(Error::answer(
            "get range",
            &url,
            &Response::from_parts(parts, body),
        ))
    }

    /// The whole blob in memory, up to the client's body limit.
    pub async fn get(&self, container: &str, blob: &str, deadline: Deadline) -> Result<Bytes, Error> {
        let url = self.blob_url(container, blob);
        let answer = self
            .call(
                Method::GET,
                url.clone(),
                Bytes::new(),
                |request| request,
                deadline,
            )
            .await?;
        Error::unless("get blob", &url, &answer, &[StatusCode::OK])?;
        Ok(answer.into_body())
    }

    /// Length and generation; `None` when there is no such blob.
    pub async fn head(
        &self,
        container: &str,
        blob: &str,
        deadline: Deadline,
    ) -> Result<Option<BlobProperties>, Error> {
        let url = self.blob_url(container, blob);
        let answer = self
            .call(
                Method::HEAD,
                url.clone(),
                Bytes::new(),
                |request| request,
                deadline,
            )
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Error::unless("head blob", &url, &answer, &[StatusCode::OK])?;
        let text = |name| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        Ok(Some(BlobProperties {
            bytes: text(CONTENT_LENGTH).parse().unwrap_or_default(),
            etag: text(ETAG).to_owned(),
        }))
    }

    /// Deletes the blob; whether there was one.
    pub async fn delete(&self, container: &str, blob: &str, deadline: Deadline) -> Result<bool, Error> {
        let url = self.blob_url(container, blob);
        let answer = self
            .call(
                Method::DELETE,
                url.clone(),
                Bytes::new(),
                |request| request,
                deadline,
            )
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        Error::unless("delete blob", &url, &answer, &[StatusCode::ACCEPTED])?;
        Ok(true)
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        content: Bytes,
        head: impl FnOnce(Builder) -> Builder,
        deadline: Deadline,
    ) -> Result<Response<Bytes>, Error> {
        let request = self.request(method, &url, content, head)?;
        Ok(self.http.send(request, deadline).await?)
    }

    fn request(
        &self,
        method: Method,
        url: &Url,
        content: Bytes,
        head: impl FnOnce(Builder) -> Builder,
    ) -> Result<Request<Bytes>, Error> {
        let mut target = url.clone();
        if let Credential::Sas(sas) = &self.credential {
            let query = target
                .query()
                .map_or_else(|| sas.clone(), |query| format!("{query}&{sas}"));
            target.set_query(Some(&query));
        }
        let mut builder = Request::builder().method(method).uri(target.as_str());
        builder = builder
            .header("x-ms-version", SERVICE_VERSION)
            .header("x-ms-date", shared_key::http_date());
        if let Credential::Bearer(token) = &self.credential {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let mut request = head(builder)
            .header(CONTENT_LENGTH, content.len())
            .body(content)
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        if let Credential::SharedKey(key) = &self.credential {
            key.authorise(&mut request, url)?;
        }
        Ok(request)
    }
}

/// An error answer is a few lines of XML.
const ERROR_BODY_BYTES: usize = 64 << 10;
