//! The endpoints that the API server posts to: `/mutate` and `/validate`; and `/healthz` for whoever tries the way.

use crate::catalog::Catalog;
use crate::health::Health;
use crate::inject::pod::Pod;
use crate::inject::{self, delivery, violation};
use crate::listen::{self, Answer};
use crate::review::{Request, Review, Verdict};
use crate::settings::{Creators, SentinelSettings};
use crate::validate;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
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

/// Answers a question to port 8443.
pub(crate) async fn answer<C: Catalog>(app: Arc<App<C>>, question: hyper::Request<Incoming>) -> Answer {
    let (head, body) = question.into_parts();
    let is_injection = match (&head.method, head.uri.path()) {
        (&Method::POST, "/mutate") => true,
        (&Method::POST, "/validate") => false,
        (&Method::GET, "/healthz") => return listen::text(StatusCode::OK, "ok"),
        (_, "/mutate" | "/validate" | "/healthz") => {
            return listen::text(StatusCode::METHOD_NOT_ALLOWED, "another method is asked for here");
        }
        _ => return listen::text(StatusCode::NOT_FOUND, "there are /mutate and /validate"),
    };
    let body = match listen::body_of(body, MAX_BODY).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let answered = if is_injection {
        app.mutate(&body).await
    } else {
        app.judge(&body).await
    };
    match answered {
        Ok(text) => listen::typed(StatusCode::OK, "application/json", text),
        Err(why) => listen::text(StatusCode::BAD_REQUEST, why),
    }
}

/// An answer, or why the question cannot be read; the API server takes the latter for a failed call.
type Answered = Result<String, String>;

fn unreadable(error: &serde_json::Error) -> String {
    format!("the body must be an AdmissionReview of admission.k8s.io/v1: {error}")
}

impl<C: Catalog> App<C> {
    /// The injector.
    async fn mutate(&self, body: &[u8]) -> Answered {
        let start = Instant::now();
        let review: Review<'_, Pod<'_>> = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
        let request = review.request;
        let verdict = if request.object.as_ref().is_some_and(inject::was_guarded) {
            let review: Review<'_, Value> = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
            self.inject_again(&review.request).await
        } else {
            self.inject(&request).await
        };
        self.answer(&request, "inject", verdict, start)
    }

    /// The last word.
    async fn judge(&self, body: &[u8]) -> Answered {
        let start = Instant::now();
        let review: Review<'_, Value> = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
        let (rule, verdict) = match validate::judge(&review.request, &self.creators) {
            (rule @ validate::PROTECTED_PODS, Verdict::Allowed) => {
                (rule, self.licensed(&review.request).await)
            }
            decided => decided,
        };
        self.answer(&review.request, rule, verdict, start)
    }

    fn answer<O>(
        &self,
        request: &Request<'_, O>,
        rule: &'static str,
        verdict: Verdict,
        start: Instant,
    ) -> Answered {
        let outcome = verdict.outcome();
        self.health.decided(rule, outcome, start.elapsed());
        if let Verdict::Denied(why) | Verdict::Unavailable(why) = &verdict {
            tracing::info!(
                rule,
                outcome,
                namespace = request.namespace.as_str(),
                name = request.name.as_str(),
                user = request.user_info.username.as_str(),
                why
            );
        }
        verdict
            .into_review(request.uid.as_str())
            .map_err(|e| unreadable(&e))
    }

    /// Decides on a pod that is about to be made.
    pub(crate) async fn inject(&self, request: &Request<'_, Pod<'_>>) -> Verdict {
        let labelled = |pod: &&Pod<'_>| pod.label(labels::INJECT) == Some(labels::INJECT_VALUE);
        let Some(pod) = request.object.as_ref().filter(labelled) else {
            return Verdict::Allowed;
        };
        if request.operation.as_str() != "CREATE" {
            return Verdict::Allowed;
        }
        let user = request.user_info.username.as_str();
        let intent = match inject::examine(pod, user, &self.creators, &self.sentinel) {
            Ok(intent) => intent,
            Err(verdict) => return verdict,
        };
        match self.deliver(&intent, request.namespace.as_str()).await {
            Ok(delivery) => inject::admit(pod, &intent, &delivery, &self.sentinel),
            Err(verdict) => verdict,
        }
    }

    /// The same for a pod that carries the mark of an earlier call.
    pub(crate) async fn inject_again(&self, request: &Request<'_, Value>) -> Verdict {
        let labelled = |pod: &&Value| {
            let labels = pod.pointer("/metadata/labels");
            labels.and_then(|l| l.get(labels::INJECT)?.as_str()) == Some(labels::INJECT_VALUE)
        };
        let Some(pod) = request.object.as_ref().filter(labelled) else {
            return Verdict::Allowed;
        };
        if request.operation.as_str() != "CREATE" {
            return Verdict::Allowed;
        }
        let user = request.user_info.username.as_str();
        let intent = match inject::examine_again(pod, user, &self.creators, &self.sentinel) {
            Ok(intent) => intent,
            Err(verdict) => return verdict,
        };
        match self.deliver(&intent, request.namespace.as_str()).await {
            Ok(delivery) => inject::admit_again(pod, &intent, &delivery, &self.sentinel),
            Err(verdict) => verdict,
        }
    }

    /// The last word on a pod of a protected namespace, after every mutating webhook.
    pub(crate) async fn licensed(&self, request: &Request<'_, Value>) -> Verdict {
        let object = request.object.as_ref().unwrap_or(&Value::Null);
        let intent = match Pod::deserialize(object).map(|pod| delivery::Intent::of(&pod)) {
            Ok(Ok(intent)) => intent,
            Ok(Err(found)) => return Verdict::Denied(violation::describe(&found)),
            Err(error) => return inject::unreadable(&error),
        };
        match self.deliver(&intent, request.namespace.as_str()).await {
            Ok(delivery) => validate::protected::licence(object, &delivery),
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
            .map(|r| r.name.as_str());
        let spec = match name {
            Some(name) => self.catalog.asset(name).await.map_err(unavailable)?,
            None => None,
        };
        let asset = name.map(|name| (name, spec.as_deref()));
        delivery::resolve(intent, namespace, tunepod.as_deref(), asset)
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
        async fn tunepod(&self, _: &str, name: &str) -> Result<Option<Arc<TunePodSpec>>, Error> {
            if self.0 {
                return Err(Error::Deadline("TunePod".into()));
            }
            Ok((name == "t").then(|| {
                Arc::new(TunePodSpec {
                    contract_id: Some("c".into()),
                    model_asset_ref: Some(NameRef::new("a")),
                    ..TunePodSpec::default()
                })
            }))
        }
        async fn asset(&self, name: &str) -> Result<Option<Arc<ModelAssetSpec>>, Error> {
            Ok((name == "a").then(Arc::default))
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

    fn review(tunepod: &str, label: &str) -> Vec<u8> {
        json!({"request": {"operation": "CREATE", "namespace": "tb-acme-protected", "uid": "u",
            "userInfo": {"username": "operator"}, "object": {
                "metadata": {"labels": {"trustbridge.io/inject": label}, "annotations": {"trustbridge.io/tunepod": tunepod}},
                "spec": {"containers": [{"name": "runtime"}]}}}})
        .to_string()
        .into_bytes()
    }

    async fn asked(broken: bool, tunepod: &str, label: &str) -> Value {
        let answer = app(broken).mutate(&review(tunepod, label)).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    #[tokio::test]
    async fn a_known_tunepod_is_guarded() {
        assert_eq!(
            asked(false, "tb-acme/t", "true").await["response"]["patchType"],
            "JSONPatch"
        );
        let unknown = asked(false, "tb-acme/u", "true").await;
        assert_eq!(unknown["response"]["allowed"], false);
        assert!(
            unknown["response"]["status"]["message"]
                .as_str()
                .unwrap()
                .starts_with("UnknownTunePod: ")
        );
    }

    #[tokio::test]
    async fn a_silent_api_server_never_lets_a_pod_through() {
        let answer = asked(true, "tb-acme/t", "true").await;
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["code"], 503);
    }

    #[tokio::test]
    async fn pods_that_did_not_ask_are_left_alone() {
        let answer = asked(false, "tb-acme/t", "yes").await;
        assert_eq!(answer["response"], json!({"uid": "u", "allowed": true}));
    }

    #[tokio::test]
    async fn a_licence_that_was_bent_after_the_injection_is_refused() {
        let patched = asked(false, "tb-acme/t", "true").await;
        let patch = patched["response"]["patch"].as_str().unwrap();
        let patch = data_encoding::BASE64.decode(patch.as_bytes()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut review: Value = serde_json::from_slice(&review("tb-acme/t", "true")).unwrap();
        review["request"]["resource"] = json!({"group": "", "resource": "pods"});
        json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
        let ask = async |broken, review: &Value| {
            let answer = app(broken).judge(review.to_string().as_bytes()).await;
            serde_json::from_str::<Value>(&answer.unwrap()).unwrap()["response"].take()
        };
        assert_eq!(ask(false, &review).await, json!({"uid": "u", "allowed": true}));
        // Nobody vouches for it while the API server is silent.
        assert_eq!(ask(true, &review).await["status"]["code"], 503);
        let env = "/request/object/spec/initContainers/0/env";
        for name in [
            "TB_CONTRACT_ID",
            "TB_ASSET_ID",
            "TB_EDC_ENDPOINT",
            "TB_MANIFEST_SHA256",
            "TB_DELIVERY",
        ] {
            let mut bent = review.clone();
            let list = bent.pointer_mut(env).unwrap().as_array_mut().unwrap();
            let at = list.iter().position(|v| v["name"] == name).unwrap();
            for change in [0, 1, 2] {
                let mut bent = bent.clone();
                let list = bent.pointer_mut(env).unwrap().as_array_mut().unwrap();
                match change {
                    0 => list[at]["value"] = "https://evil.example".into(),
                    1 => drop(list.remove(at)),
                    _ => list.push(json!({"name": name, "value": "again"})),
                }
                let why = ask(false, &bent).await["status"]["message"].to_string();
                assert!(
                    why.contains("NotAsLicensed: ") && why.contains(name),
                    "{name} {change}: {why}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_review_is_an_error_and_no_answer() {
        for body in [
            "",
            "{}",
            "[1]",
            r#"{"request": {"object": {"spec": {"hostPID": "yes"}}}}"#,
        ] {
            let refused = app(false).mutate(body.as_bytes()).await.unwrap_err();
            assert!(refused.contains("AdmissionReview"), "{body}: {refused}");
        }
    }
}
