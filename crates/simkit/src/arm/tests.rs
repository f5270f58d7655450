//! The real client against the double.

use super::{Arm, Settings};
use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;
use trustbridge_azure::arm::body::TAG_UID;
use trustbridge_azure::arm::{
    API_VERSION, AgentPool, AgentPools, Class, Cluster, Error, Operation, OperationState, pool_name,
};
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_azure::token::{ARM_SCOPE, Identity, Proof, TokenSource};

struct World {
    base: String,
    http: Client,
    pools: AgentPools,
    _secret: NamedTempFile,
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

async fn world() -> World {
    let settings = Settings {
        client_id: Some("client".to_owned()),
        client_secret: Some("s3cret".to_owned()),
        ..Settings::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = Arm::new(settings, None).router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let secret = NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret\n").unwrap();
    let pools = client(&base, &http, &secret, API_VERSION);
    World {
        base,
        http,
        pools,
        _secret: secret,
    }
}

fn client(base: &str, http: &Client, secret: &NamedTempFile, api_version: &str) -> AgentPools {
    let identity = Identity {
        authority: base.to_owned(),
        tenant: "tenant".to_owned(),
        client_id: "client".to_owned(),
        scope: ARM_SCOPE.to_owned(),
        proof: Proof::ClientSecretFile(secret.path().to_owned()),
    };
    let cluster = Cluster {
        endpoint: url::Url::parse(base).unwrap(),
        subscription: "sub".to_owned(),
        resource_group: "rg".to_owned(),
        cluster: "aks".to_owned(),
        api_version: api_version.to_owned(),
    };
    AgentPools::new(
        http.clone(),
        Arc::new(TokenSource::new(http.clone(), identity)),
        cluster,
    )
}

impl World {
    async fn faults(&self, faults: Value) {
        let request = Request::put(format!("{}/_double/faults", self.base))
            .header("content-type", "application/json")
            .body(faults.to_string().into())
            .unwrap();
        assert_eq!(self.http.send(request, soon()).await.unwrap().status(), 200);
    }

    async fn ledger(&self) -> Value {
        let request = Request::get(format!("{}/_double/ledger", self.base))
            .body(bytes::Bytes::new())
            .unwrap();
        serde_json::from_slice(self.http.send(request, soon()).await.unwrap().body()).unwrap()
    }

    /// Polls to the end; the number of polls and the last state.
    async fn finish(&self, operation: &Operation) -> (u32, OperationState) {
        for polls in 1..20 {
            match self.pools.poll(operation, soon()).await.unwrap() {
                OperationState::Running { retry_after, .. } => assert!(retry_after.is_some()),
                state => return (polls, state),
            }
        }
        panic!("the operation does not end");
    }

    /// The first PUT of a name is always turned away.
    async fn meet_busy(&self, pool: &str) {
        assert_eq!(
            class(&self.pools.create(pool, &body("u1"), soon()).await.unwrap_err()),
            Class::Busy
        );
    }
}

fn body(uid: &str) -> AgentPool {
    serde_json::from_value(json!({"properties": {
        "count": 1, "vmSize": "Standard_NC40ads_H100_v5", "mode": "User", "osType": "Linux",
        "nodeTaints": ["sku=gpu:NoSchedule"], "tags": {TAG_UID: uid}
    }}))
    .unwrap()
}

fn class(error: &Error) -> Class {
    error
        .verdict()
        .unwrap_or_else(|| panic!("no verdict: {error}"))
        .class
}

#[tokio::test]
async fn busy_then_created_after_three_looks_then_deleted() {
    let world = world().await;
    let name = pool_name("u1");
    world.meet_busy(&name).await;
    let created = world.pools.create(&name, &body("u1"), soon()).await.unwrap();
    assert_eq!(created.retry_after, Some(Duration::from_secs(1)));
    let etag = created.pool.unwrap().properties.e_tag.unwrap();
    let busy = world
        .pools
        .update(&name, &body("u1"), &etag, soon())
        .await
        .unwrap_err();
    assert_eq!(class(&busy), Class::Busy, "one operation at a time");
    let (looked, state) = world.finish(&created.operation.unwrap()).await;
    assert_eq!(
        (looked, state),
        (2, OperationState::Succeeded),
        "the refused update was the first look"
    );
    let pool = world.pools.get(&name, soon()).await.unwrap().unwrap();
    assert!(pool.belongs_to("u1") && pool.is_succeeded());
    let names: Vec<_> = world
        .pools
        .list(soon())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|pool| pool.name)
        .collect();
    assert_eq!(names, ["nodepool1", name.as_str()]);

    let past = world.pools.delete(&name, Some(&etag), soon()).await.unwrap_err();
    assert_eq!(
        class(&past),
        Class::Stale,
        "the generation of the creation is past"
    );
    let etag = pool.properties.e_tag.unwrap();
    let removal = world.pools.delete(&name, Some(&etag), soon()).await.unwrap();
    assert_eq!(
        world.finish(&removal.operation.unwrap()).await,
        (3, OperationState::Succeeded)
    );
    assert_eq!(world.pools.get(&name, soon()).await.unwrap(), None);
    let again = world.pools.delete(&name, None, soon()).await.unwrap();
    assert_eq!(again.operation, None, "deleting what is gone succeeds at once");
    let ledger = world.ledger().await;
    let accepted: Vec<_> = ledger["accepted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert_eq!(accepted, ["create", "delete"]);
    assert_eq!(ledger["accepted"][0]["tags"][TAG_UID], "u1");
    assert_eq!(ledger["accepted"][1]["outcome"], "Succeeded");
}

#[tokio::test]
async fn a_client_that_lost_the_operation_gets_on_by_reading_the_pool() {
    let world = world().await;
    world.meet_busy("tba").await;
    world.pools.create("tba", &body("u1"), soon()).await.unwrap();
    let mut settled = Vec::new();
    for _ in 0..3 {
        settled.push(
            world
                .pools
                .get("tba", soon())
                .await
                .unwrap()
                .unwrap()
                .is_settled(),
        );
    }
    assert_eq!(settled, [false, false, true]);
}

#[tokio::test]
async fn a_second_create_never_touches_the_first_pool() {
    let world = world().await;
    world.meet_busy("tba").await;
    let created = world.pools.create("tba", &body("u1"), soon()).await.unwrap();
    world.finish(&created.operation.unwrap()).await;
    let error = world.pools.create("tba", &body("u2"), soon()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused(refusal) if refusal.status == 412),
        "{error}"
    );
    assert_eq!(class(&error), Class::Stale);
    assert!(
        world
            .pools
            .get("tba", soon())
            .await
            .unwrap()
            .unwrap()
            .belongs_to("u1")
    );
    let error = world.pools.update("tbb", &body("u2"), "etag", soon()).await;
    assert_eq!(
        class(&error.unwrap_err()),
        Class::Busy,
        "a new name meets busy, whatever the method"
    );
    let error = world
        .pools
        .update("tbb", &body("u2"), "etag", soon())
        .await
        .unwrap_err();
    assert_eq!(class(&error), Class::Stale, "an update does not create");
}

const QUOTA: &str = "Operation could not be completed as it results in exceeding approved \
    StandardNCADSH100v5Family Cores quota. Current Limit: 0, Additional Required: 40. Submit a request for Quota \
    increase.";

#[tokio::test]
async fn quota_refused_at_the_put() {
    let world = world().await;
    world
        .faults(
            json!({"create": [{"code": "OperationNotAllowed", "status": 409, "message": QUOTA, "times": 1}]}),
        )
        .await;
    world.meet_busy("tba").await;
    let error = world.pools.create("tba", &body("u1"), soon()).await.unwrap_err();
    assert_eq!(class(&error), Class::QuotaFamily);
    assert_eq!(
        error.verdict().unwrap().advice.breaker.unwrap().open_for,
        Duration::from_hours(1)
    );
    assert!(
        error
            .to_string()
            .contains("agentPools/tba: OperationNotAllowed (HTTP 409, QuotaFamily)"),
        "{error}"
    );
    assert!(
        world.pools.create("tba", &body("u1"), soon()).await.is_ok(),
        "once means once"
    );
}

#[tokio::test]
async fn quota_refused_in_the_operation() {
    let world = world().await;
    let fault = json!({"code": "OperationNotAllowed", "message": QUOTA, "where": "operation"});
    world.faults(json!({"create": [fault]})).await;
    world.meet_busy("tba").await;
    let created = world.pools.create("tba", &body("u1"), soon()).await.unwrap();
    let (_, state) = world.finish(&created.operation.unwrap()).await;
    let OperationState::Failed(error) = state else {
        panic!("{state:?}")
    };
    assert_eq!(error.code, "OperationNotAllowed");
    let pool = world.pools.get("tba", soon()).await.unwrap().unwrap();
    assert_eq!(pool.properties.provisioning_state.as_deref(), Some("Failed"));
    let error = pool.properties.status.unwrap().provisioning_error.unwrap();
    let verdict =
        trustbridge_azure::arm::classify(trustbridge_azure::arm::classify::Context::default(), &error);
    assert_eq!(verdict.class, Class::QuotaFamily);
    let deleted = world.pools.delete("tba", None, soon()).await.unwrap();
    world.finish(&deleted.operation.unwrap()).await;
    assert_eq!(world.pools.get("tba", soon()).await.unwrap(), None);
}

#[tokio::test]
async fn requests_that_arm_would_refuse_are_refused() {
    let world = world().await;
    let error = world
        .pools
        .create("Not-A-Name", &body("u1"), soon())
        .await
        .unwrap_err();
    assert_eq!(class(&error), Class::Fatal);
    for change in [
        json!({"count": 1001}),
        json!({"vmSize": null}),
        json!({"nodeLabels": {"kubernetes.azure.com/agentpool": "x"}}),
        json!({"nodeTaints": ["sku=gpu"]}),
    ] {
        let mut wire = serde_json::to_value(body("u1")).unwrap();
        wire["properties"]
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let pool: AgentPool = serde_json::from_value(wire).unwrap();
        let error = world.pools.create("tba", &pool, soon()).await.unwrap_err();
        assert_eq!(class(&error), Class::Fatal, "{change}: {error}");
    }
    let secret = NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let old = client(&world.base, &world.http, &secret, "2019-01-01");
    assert_eq!(class(&old.get("tba", soon()).await.unwrap_err()), Class::Fatal);
    std::fs::write(secret.path(), "wrong").unwrap();
    let wrong = client(&world.base, &world.http, &secret, API_VERSION)
        .get("tba", soon())
        .await
        .unwrap_err();
    assert!(matches!(wrong, Error::Token(_)), "{wrong}");
    let bare = Request::get(format!(
        "{}/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c/agentPools?api-version={API_VERSION}",
        world.base
    ));
    let answer = world
        .http
        .send(bare.body(bytes::Bytes::new()).unwrap(), soon())
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_token_is_not_sent_to_another_host() {
    let world = world().await;
    let elsewhere = Operation {
        url: "https://elsewhere.example/operations/1?t=secret".to_owned(),
        has_status: true,
    };
    let error = world.pools.poll(&elsewhere, soon()).await.unwrap_err();
    assert!(
        error.to_string().contains("the token is not sent there"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn throttling_names_its_wait() {
    let world = world().await;
    world
        .faults(json!({"get": [{"code": "TooManyRequests", "status": 429, "retry_after": 7}]}))
        .await;
    let error = world.pools.get("tba", soon()).await.unwrap_err();
    assert_eq!(class(&error), Class::Throttle);
    assert_eq!(
        error.verdict().unwrap().advice.retry_after,
        Some(Duration::from_secs(7))
    );
}

#[tokio::test]
async fn a_request_that_was_given_up_lands_once_its_pool_was_looked_for() {
    let world = world().await;
    let fault = json!({"create": [{"code": "GatewayTimeout", "status": 504, "where": "late", "looks": 2}]});
    world.faults(fault).await;
    let name = pool_name("u1");
    world.meet_busy(&name).await;
    assert!(world.pools.create(&name, &body("u1"), soon()).await.is_err());
    assert_eq!(world.pools.server().as_deref(), Some("arm-double"));
    for _ in 0..2 {
        assert_eq!(world.pools.get(&name, soon()).await.unwrap(), None);
    }
    let there = world.pools.get(&name, soon()).await.unwrap().unwrap();
    assert!(there.belongs_to("u1"));
}
