//! The client for agent pools.

use super::body::AgentPool;
use super::classify::ErrorBody;
use super::error::{Error, refused, unexpected};
use super::operation::{self, Operation, OperationState};
use crate::http::{self, Client, Deadline};
use crate::token::TokenSource;
use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, SERVER};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Public Azure's resource manager.
pub const PUBLIC_ENDPOINT: &str = "https://management.azure.com";
/// Newest stable version of the agent-pool API that this client was written against.
pub const API_VERSION: &str = "2026-07-01";

/// A list longer than this many pages is a loop: a cluster holds at most 100 pools.
const MAX_PAGES: usize = 20;

/// Which cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Root of the resource manager, [`PUBLIC_ENDPOINT`] unless told otherwise.
    pub endpoint: Url,
    /// Subscription id.
    pub subscription: String,
    /// Resource group.
    pub resource_group: String,
    /// The managed cluster's name.
    pub cluster: String,
    /// `api-version`, such as [`API_VERSION`].
    pub api_version: String,
}

/// What a mutating call was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The pool as the answer shows it; a deletion shows none.
    pub pool: Option<AgentPool>,
    /// What to poll; `None` when it was done at once.
    pub operation: Option<Operation>,
    /// When to look for the first time.
    pub retry_after: Option<Duration>,
}

/// Agent pools of one cluster.
#[derive(Clone, Debug)]
pub struct AgentPools {
    http: Client,
    tokens: Arc<TokenSource>,
    cluster: Cluster,
    /// What the last answer called its server.
    server: Arc<Mutex<Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<AgentPool>,
    next_link: Option<String>,
}

impl AgentPools {
    /// A client; nothing is sent yet.
    #[must_use]
    pub fn new(http: Client, tokens: Arc<TokenSource>, cluster: Cluster) -> Self {
        Self {
            http,
            tokens,
            cluster,
            server: Arc::default(),
        }
    }

    /// What the last answer called its server (header `server`); `None`: nothing was answered yet, or it did not say.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates the pool, and never touches one that exists (412, class `Stale`).
    pub async fn create(&self, pool: &str, body: &AgentPool, deadline: Deadline) -> Result<Accepted, Error> {
        self.put(
            "create agent pool",
            pool,
            body,
            (IF_NONE_MATCH.as_str(), "*"),
            deadline,
        )
        .await
    }

    /// Replaces the pool if its generation is still `etag`.
    pub async fn update(
        &self,
        pool: &str,
        body: &AgentPool,
        etag: &str,
        deadline: Deadline,
    ) -> Result<Accepted, Error> {
        self.put(
            "update agent pool",
            pool,
            body,
            (IF_MATCH.as_str(), etag),
            deadline,
        )
        .await
    }

    /// Deletes the pool if its generation is still `etag`. One that is gone already counts as deleted.
    ///
    /// Disruption budgets are ignored: our pods are gone before, and a leftover must not keep a paid node alive.
    pub async fn delete(
        &self,
        pool: &str,
        etag: Option<&str>,
        deadline: Deadline,
    ) -> Result<Accepted, Error> {
        const ACTION: &str = "delete agent pool";
        let mut url = self.url(Some(pool));
        url.query_pairs_mut()
            .append_pair("ignore-pod-disruption-budget", "true");
        let condition = etag.map(|etag| (IF_MATCH.as_str(), etag));
        let answer = self
            .send(Method::DELETE, &url, condition, Bytes::new(), deadline)
            .await?;
        match answer.status() {
            StatusCode::OK | StatusCode::ACCEPTED => Ok(accepted(None, &answer)),
            StatusCode::NO_CONTENT => Ok(Accepted {
                pool: None,
                operation: None,
                retry_after: None,
            }),
            _ => Err(refused(ACTION, &url, &answer, false)),
        }
    }

    /// The pool; `None` when there is none. A missing cluster, group or subscription is an error.
    pub async fn get(&self, pool: &str, deadline: Deadline) -> Result<Option<AgentPool>, Error> {
        const ACTION: &str = "get agent pool";
        let url = self.url(Some(pool));
        let answer = self.send(Method::GET, &url, None, Bytes::new(), deadline).await?;
        match answer.status() {
            StatusCode::OK => parse(ACTION, &url, answer.body()).map(Some),
            StatusCode::NOT_FOUND if is_missing_pool(answer.body(), pool) => Ok(None),
            _ => Err(refused(ACTION, &url, &answer, false)),
        }
    }

    /// Every pool of the cluster, one request for each page.
    pub async fn list(&self, deadline: Deadline) -> Result<Vec<AgentPool>, Error> {
        const ACTION: &str = "list agent pools";
        let (mut pools, mut url) = (Vec::new(), self.url(None));
        for _ in 0..MAX_PAGES {
            let answer = self.send(Method::GET, &url, None, Bytes::new(), deadline).await?;
            if answer.status() != StatusCode::OK {
                return Err(refused(ACTION, &url, &answer, false));
            }
            let page: Page = parse(ACTION, &url, answer.body())?;
            pools.extend(page.value);
            match page.next_link.filter(|next| !next.is_empty()) {
                None => return Ok(pools),
                Some(next) => url = self.same_origin(ACTION, &next)?,
            }
        }
        Err(unexpected(ACTION, &url, format!("more than {MAX_PAGES} pages")))
    }

    /// Looks once how far an operation is.
    pub async fn poll(&self, operation: &Operation, deadline: Deadline) -> Result<OperationState, Error> {
        const ACTION: &str = "poll operation";
        let url = self.same_origin(ACTION, &operation.url)?;
        let answer = self.send(Method::GET, &url, None, Bytes::new(), deadline).await?;
        let wait = operation::retry_after(answer.headers(), Timestamp::now());
        match answer.status() {
            status if operation.has_status && status.is_success() => {
                operation::read_status(answer.body(), wait)
                    .ok_or_else(|| unexpected(ACTION, &url, "the body has no status".to_owned()))
            }
            StatusCode::ACCEPTED => Ok(OperationState::Running {
                status: "InProgress".to_owned(),
                retry_after: wait,
            }),
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(OperationState::Succeeded),
            _ => Err(refused(ACTION, &url, &answer, false)),
        }
    }

    async fn put(
        &self,
        action: &'static str,
        pool: &str,
        body: &AgentPool,
        condition: (&str, &str),
        deadline: Deadline,
    ) -> Result<Accepted, Error> {
        let url = self.url(Some(pool));
        let json = serde_json::to_vec(body).map_err(|source| unexpected(action, &url, source.to_string()))?;
        let answer = self
            .send(Method::PUT, &url, Some(condition), Bytes::from(json), deadline)
            .await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
                Ok(accepted(serde_json::from_slice(answer.body()).ok(), &answer))
            }
            _ => {
                let spot = body.properties.scale_set_priority.as_deref() == Some("Spot");
                Err(refused(action, &url, &answer, spot))
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        condition: Option<(&str, &str)>,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Response<Bytes>, Error> {
        let token = self.tokens.token(deadline).await?;
        let mut builder = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        if let Some((name, value)) = condition {
            builder = builder.header(name, value);
        }
        if !body.is_empty() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        let request = builder
            .body(body)
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        let answer = self.http.send(request, deadline).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            // The next call exchanges a new one; this one reports what happened.
            self.tokens.forget().await;
        }
        log(url, &answer);
        let said = answer.headers().get(SERVER).and_then(|value| value.to_str().ok());
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = said.map(str::to_owned);
        Ok(answer)
    }

    fn url(&self, pool: Option<&str>) -> Url {
        let mut url = self.cluster.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["subscriptions", self.cluster.subscription.as_str()])
                .extend(["resourceGroups", self.cluster.resource_group.as_str()])
                .extend(["providers", "Microsoft.ContainerService"])
                .extend(["managedClusters", self.cluster.cluster.as_str(), "agentPools"])
                .extend(pool);
        }
        url.query_pairs_mut()
            .append_pair("api-version", &self.cluster.api_version);
        url
    }

    /// A URL that the service names gets our bearer token, so it must be on the service's own host.
    fn same_origin(&self, action: &'static str, text: &str) -> Result<Url, Error> {
        let ours = &self.cluster.endpoint;
        match Url::parse(text) {
            Ok(url) if url.origin() == ours.origin() => Ok(url),
            Ok(url) => Err(unexpected(
                action,
                &url,
                format!("not on {ours}; the token is not sent there"),
            )),
            Err(source) => Err(unexpected(
                action,
                ours,
                format!("a link that is no URL: {source}"),
            )),
        }
    }
}

fn accepted(pool: Option<AgentPool>, answer: &Response<Bytes>) -> Accepted {
    Accepted {
        pool,
        operation: Operation::of(answer.headers()),
        retry_after: operation::retry_after(answer.headers(), Timestamp::now()),
    }
}

/// A pool that is not there, as opposed to a cluster, group or subscription that is not there.
fn is_missing_pool(body: &[u8], pool: &str) -> bool {
    let error = ErrorBody::read(body);
    let is = |code: &str, known: &str| code.eq_ignore_ascii_case(known);
    let is_of_provider = |code: &str| code.to_ascii_lowercase().ends_with("_notfound");
    // Only what is known to mean it: a 404 of a proxy, or one without a code, says nothing about the pool.
    let (code, subcode) = (error.code.as_str(), error.subcode.as_str());
    (is(code, "ResourceNotFound") && error.message.contains(pool))
        || is(code, "NotFound")
        || is_of_provider(code)
        || (code.is_empty() && is_of_provider(subcode))
}

fn parse<T: for<'de> Deserialize<'de>>(action: &'static str, url: &Url, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| unexpected(action, url, source.to_string()))
}

/// ARM's remaining budget is worth a line; nothing else of the headers is.
fn log(url: &Url, answer: &Response<Bytes>) {
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("-")
    };
    tracing::debug!(
        url = %http::redact(url.as_str()),
        status = answer.status().as_u16(),
        remaining_reads = header("x-ms-ratelimit-remaining-subscription-reads"),
        remaining_writes = header("x-ms-ratelimit-remaining-subscription-writes"),
        correlation = header("x-ms-correlation-request-id"),
        "arm answered"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_codes_say_that_a_pool_is_not_there() {
        let table: [(&str, bool); 9] = [
            (
                r#"{"code":"NotFound","message":"m","subcode":"GetAgentPool_NotFound"}"#,
                true,
            ),
            (
                r#"{"error":{"code":"GetAgentPool_NotFound","message":"m"}}"#,
                true,
            ),
            (
                r#"{"error":{"code":"ResourceNotFound","message":"agentPools/tb1 was not found"}}"#,
                true,
            ),
            (
                r#"{"error":{"code":"ResourceNotFound","message":"managedClusters/c was not found"}}"#,
                false,
            ),
            (
                r#"{"error":{"code":"ResourceGroupNotFound","message":"tb1"}}"#,
                false,
            ),
            (
                r#"{"error":{"code":"SubscriptionNotFound","message":"tb1"}}"#,
                false,
            ),
            (
                r#"{"error":{"code":"InvalidResourceType","message":"tb1"}}"#,
                false,
            ),
            ("<html>404 page not found</html>", false),
            ("", false),
        ];
        for (body, expected) in table {
            assert_eq!(is_missing_pool(body.as_bytes(), "tb1"), expected, "{body}");
        }
    }
}
