//! The two endpoints that the API server posts to: `/mutate` and `/validate`.

use crate::catalog::Catalog;
use crate::health::Health;
use crate::inject::{self, delivery, violation};
use crate::review::{Request, Review, ReviewAnswer, Verdict};
use crate::settings::{Creators, SentinelSettings};
use crate::validate;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;
use std::time::Instant;
use trustbridge_api::labels;

/// A review may carry an object twice, and the API server takes objects of up to 3 MiB.
const MAX_BODY: usize = 8 << 20;

/// What a decision needs.
pub(crate) struct App<C> {
    /// Where TunePods and ModelAssets are looked up.
    pub(crate) catalog: C,
    /// How the sentinel is injected.
    pub(crate) sentinel: SentinelSettings,
    /// Who makes protected pods.
    pub(crate) creators: Creators,
    /// Counts.
    pub(crate) health: Arc<Health>,
}

/// Routes of port 8443.
pub(crate) fn router<C: Catalog>(app: Arc<App<C>>) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(judge))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

async fn mutate<C: Catalog>(
    State(app): State<Arc<App<C>>>,
    Json(review): Json<Review>,
) -> Json<ReviewAnswer> {
    let start = Instant::now();
    let verdict = app.inject(&review.request).await;
    app.answer(review.request, "inject", verdict, start)
}

async fn judge<C: Catalog>(State(app): State<Arc<App<C>>>, Json(review): Json<Review>) -> Json<ReviewAnswer> {
    let start = Instant::now();
    let (rule, verdict) = validate::judge(&review.request, &app.creators);
    app.answer(review.request, rule, verdict, start)
}

impl<C: Catalog> App<C> {
    fn answer(
        &self,
        request: Request,
        rule: &'static str,
        verdict: Verdict,
        start: Instant,
    ) -> Json<ReviewAnswer> {
        let outcome = verdict.outcome();
        self.health.decided(rule, outcome, start.elapsed());
        if let Verdict::Denied(why) | Verdict::Unavailable(why) = &verdict {
            tracing::info!(
                rule,
                outcome,
                namespace = request.namespace,
                name = request.name,
                user = request.user_info.username,
                why
            );
        }
        Json(verdict.into_review(request.uid))
    }

    /// Decides on a pod that is about to be made.
    pub(crate) async fn inject(&self, request: &Request) -> Verdict {
        let pod = &request.object;
        let label = pod
            .pointer("/metadata/labels")
            .and_then(|l| l.get(labels::INJECT))
            .and_then(|v| v.as_str());
        if request.operation != "CREATE" || label != Some(labels::INJECT_VALUE) {
            return Verdict::Allowed;
        }
        let intent = match inject::examine(pod, &request.user_info.username, &self.creators) {
            Ok(intent) => intent,
            Err(verdict) => return verdict,
        };
        match self.deliver(&intent, &request.namespace).await {
            Ok(delivery) => inject::admit(pod, &intent, &delivery, &self.sentinel),
            Err(verdict) => verdict,
        }
    }

    async fn deliver(
        &self,
        intent: &delivery::Intent,
        namespace: &str,
    ) -> Result<delivery::Delivery, Verdict> {
        let unavailable = |error: crate::catalog::Error| Verdict::Unavailable(error.to_string());
        let tunepod = self
            .catalog
            .tunepod(&intent.tunepod_namespace, &intent.tunepod)
            .await
            .map_err(unavailable)?;
        let name = tunepod
            .as_ref()
            .and_then(|t| t.model_asset_ref.as_ref())
            .map(|r| r.name.clone());
        let asset = match &name {
            Some(name) => Some((
                name.as_str(),
                self.catalog.asset(name).await.map_err(unavailable)?,
            )),
            None => None,
        };
        let asset = asset.as_ref().map(|(name, spec)| (*name, spec.as_ref()));
        delivery::resolve(intent, namespace, tunepod.as_ref(), asset)
            .map_err(|found| Verdict::Denied(violation::describe(&found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Error;
    use serde_json::json;
    use trustbridge_api::{ModelAssetSpec, NameRef, TunePodSpec};

    struct Shelf(bool);

    impl Catalog for Shelf {
        async fn tunepod(&self, _: &str, name: &str) -> Result<Option<TunePodSpec>, Error> {
            if self.0 {
                return Err(Error::Deadline("TunePod".into()));
            }
            Ok((name == "t").then(|| TunePodSpec {
                contract_id: Some("c".into()),
                model_asset_ref: Some(NameRef::new("a")),
                ..TunePodSpec::default()
            }))
        }
        async fn asset(&self, name: &str) -> Result<Option<ModelAssetSpec>, Error> {
            Ok((name == "a").then(ModelAssetSpec::default))
        }
    }

    fn app(broken: bool) -> App<Shelf> {
        App {
            catalog: Shelf(broken),
            sentinel: serde_json::from_value(json!({"image": "s"})).unwrap(),
            creators: Creators(vec!["operator".into()]),
            health: Arc::new(Health::new()),
        }
    }

    fn request(tunepod: &str) -> Request {
        serde_json::from_value(json!({"operation": "CREATE", "namespace": "tb-acme-protected",
            "userInfo": {"username": "operator"}, "object": {
                "metadata": {"labels": {"trustbridge.io/inject": "true"}, "annotations": {"trustbridge.io/tunepod": tunepod}},
                "spec": {"containers": [{"name": "runtime"}]}}}))
        .unwrap()
    }

    #[tokio::test]
    async fn a_known_tunepod_is_guarded() {
        assert_eq!(
            app(false).inject(&request("tb-acme/t")).await.outcome(),
            "patched"
        );
        assert_eq!(app(false).inject(&request("tb-acme/u")).await.outcome(), "denied");
    }

    #[tokio::test]
    async fn a_silent_api_server_never_lets_a_pod_through() {
        assert_eq!(
            app(true).inject(&request("tb-acme/t")).await.outcome(),
            "unavailable"
        );
    }

    #[tokio::test]
    async fn pods_that_did_not_ask_are_left_alone() {
        let mut request = request("tb-acme/t");
        request.object["metadata"]["labels"] = json!({"trustbridge.io/inject": "yes"});
        assert_eq!(app(false).inject(&request).await, Verdict::Allowed);
    }
}
