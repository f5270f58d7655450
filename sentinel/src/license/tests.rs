use super::answer::{Answer, Verdict};
use super::keep::{Ended, keep};
use super::{Error, License};
use crate::config::Config;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use trustbridge_azure::http::Client;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn yes() -> Value {
    json!({
        "status": "authorized",
        "sas_url": "https://blob.example/c/model.tbenc?sig=secret",
        "manifest_url": "https://blob.example/c/model.manifest.json?sig=secret",
        "decryption_key_hex": KEY,
        "expires_at": "2026-01-07T12:00:00Z",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut answer = yes();
    answer[field] = value;
    answer
}

fn parse(answer: &Value) -> Result<Verdict, Error> {
    let now = jiff::Timestamp::constant(1_767_783_600, 0);
    Answer::parse(answer.to_string().as_bytes(), now)
}

fn denied(answer: &Value) -> String {
    match parse(answer) {
        Ok(Verdict::Denied(reason)) => reason,
        _ => panic!("not denied: {answer}"),
    }
}

fn refused(answer: &Value) -> String {
    match parse(answer) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("not refused: {answer}"),
    }
}

#[test]
fn the_specs_answer_is_read() {
    let Ok(Verdict::Authorized(answer)) = parse(&with(
        "files",
        json!([{"path": "a.json", "url": "https://b/a?s=1"}]),
    )) else {
        panic!("not authorized");
    };
    assert_eq!(answer.life, Duration::from_hours(1));
    assert_eq!(answer.key.to_hex().as_str(), KEY);
    assert_eq!(answer.files["a.json"].as_str(), "https://b/a?s=1");
    assert!(answer.manifest_sha256.is_none());
}

#[test]
fn denials_carry_their_reason() {
    assert_eq!(
        denied(&json!({"status": "denied", "reason": "subscription_inactive"})),
        "subscription_inactive"
    );
    assert_eq!(denied(&json!({"status": "denied"})), "no_reason_given");
    assert_eq!(denied(&json!({"status": "maybe"})), "unknown status \"maybe\"");
}

#[test]
fn lives_are_bounded_and_the_past_is_over() {
    for (moment, seconds) in [
        ("2036-01-07T12:00:00Z", 86400),
        ("2026-01-07T10:59:30Z", 0),
        ("2026-01-07T13:30:00+02:00", 1800),
    ] {
        let Ok(Verdict::Authorized(answer)) = parse(&with("expires_at", json!(moment))) else {
            panic!("not authorized");
        };
        assert_eq!(answer.life.as_secs(), seconds, "{moment}");
    }
}

#[test]
fn contradictions_are_final_and_repeat_no_secret() {
    let bad_keys = [
        KEY[1..].to_owned(),
        format!("{KEY}0"),
        format!(" {KEY}"),
        "zz".repeat(32),
        String::new(),
    ];
    for key in bad_keys {
        let told = refused(&with("decryption_key_hex", json!(key)));
        assert!(
            told.contains("decryption_key_hex") && !told.contains(&KEY[2..20]),
            "{told}"
        );
    }
    for (field, value) in [
        ("sas_url", json!("http://blob.example/x?sig=secret")),
        ("manifest_url", json!("file:///etc/passwd?sig=secret")),
        ("manifest_url", Value::Null),
        ("expires_at", Value::Null),
        ("manifest_sha256", json!("abc")),
        (
            "files",
            json!([{"path": "a", "url": "https://b/1"}, {"path": "a", "url": "https://b/2"}]),
        ),
    ] {
        let told = refused(&with(field, value));
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn what_is_no_answer_is_unreadable() {
    for text in [
        "",
        "<html>sig=secret</html>",
        "[]",
        r#"{"status":"denied","status":"authorized"}"#,
    ] {
        match Answer::parse(text.as_bytes(), jiff::Timestamp::now()) {
            Ok(Verdict::Unreadable(message)) => assert!(!message.contains("secret")),
            _ => panic!("{text}"),
        }
    }
    match parse(&with("expires_at", json!("2026-01-07T10:00:00Z"))) {
        Ok(Verdict::Unreadable(message)) => assert!(message.contains("3600 s in the past")),
        _ => panic!("an answer that has run out authorises"),
    }
}

/// A control plane that gives these answers, the last one for ever, and counts.
#[derive(Clone)]
struct ControlPlane(Arc<Mutex<(Answers, Vec<Value>)>>);

type Answers = Vec<(u16, Value)>;

impl ControlPlane {
    fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self(Arc::new(Mutex::new((answers.into_iter().collect(), Vec::new()))))
    }

    fn asked(&self) -> Vec<Value> {
        self.0.lock().unwrap().1.clone()
    }

    async fn license(&self) -> License {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new()
            .route("/api/v1/license/authorize", axum::routing::post(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let vars = [
            ("TB_CONTRACT_ID", "contract-allow"),
            ("TB_ASSET_ID", "tb-asset-e2e-001"),
            ("TB_EDC_ENDPOINT", "https://control.example"),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut config = Config::load(vars).unwrap().config;
        config.edc_endpoint = format!("http://{address}");
        let http = Client::builder()
            .system_bundle(false)
            .allow_loopback_http()
            .build()
            .unwrap();
        License::new(
            http,
            &config,
            "hw".into(),
            "ab".into(),
            prometheus_client::metrics::counter::Counter::default(),
        )
    }
}

async fn answer(State(plane): State<ControlPlane>, Json(question): Json<Value>) -> Response {
    let mut inner = plane.0.lock().unwrap();
    inner.1.push(question);
    let (status, body) = if inner.0.len() > 1 {
        inner.0.remove(0)
    } else {
        inner.0[0].clone()
    };
    (http::StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn living(seconds: i64) -> Value {
    let moment = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    with("expires_at", json!(moment.to_string()))
}

#[tokio::test]
async fn the_question_is_the_specs() {
    let plane = ControlPlane::new([(200, living(3600))]);
    let grant = plane
        .license()
        .await
        .renew(0)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(grant.generation, 1);
    let asked = plane.asked().remove(0);
    assert_eq!(asked["contract_id"], "contract-allow");
    assert_eq!(asked["asset_id"], "tb-asset-e2e-001");
    assert_eq!(asked["hw_id"], "hw");
    assert_eq!(
        asked["client_version"],
        concat!("sentinel/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked["purpose"], "inference");
    assert_eq!(asked["audit_public_key"], "ab");
    assert_eq!(asked["nonce"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn denials_are_asked_once_and_outages_three_times() {
    for (status, body, calls) in [
        (200, json!({"status": "denied", "reason": "contract_unknown"}), 1),
        (401, json!({}), 1),
        (403, json!({"reason": "blocked"}), 1),
        (404, json!({}), 1),
        (400, json!({"status": "denied", "reason": "contract_unknown"}), 1),
        (503, json!({}), 3),
    ] {
        let plane = ControlPlane::new([(status, body)]);
        let license = plane.license().await;
        let error = license.renew(0).await.err().unwrap();
        assert_eq!(plane.asked().len(), calls, "{status}: {error}");
        assert!(license.current().is_none());
    }
}

#[tokio::test]
async fn an_outage_that_ends_is_survived() {
    let plane = ControlPlane::new([(503, json!({})), (200, living(3600))]);
    assert!(plane.license().await.renew(0).await.is_ok());
    assert_eq!(plane.asked().len(), 2);
}

#[tokio::test]
async fn many_who_saw_the_same_one_run_out_share_one_question() {
    let plane = ControlPlane::new([(200, living(3600))]);
    let license = Arc::new(plane.license().await);
    license.renew(0).await.map_err(|error| error.to_string()).unwrap();
    let many = (0..8).map(|_| {
        let license = license.clone();
        tokio::spawn(async move { license.renew(1).await.map(|grant| grant.generation) })
    });
    for one in many.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), Ok(2));
    }
    assert_eq!(plane.asked().len(), 2);
}

#[tokio::test]
async fn a_renewal_may_not_change_asset_key_or_manifest() {
    let digest = |letter: &str| json!(letter.repeat(64));
    let edited = |field: &str, value: Value| {
        let mut answer = living(3600);
        answer[field] = value;
        answer
    };
    let first = edited("manifest_sha256", digest("a"));
    for second in [
        edited("asset_id", json!("another")),
        edited("decryption_key_hex", json!("11".repeat(32))),
        edited("manifest_sha256", digest("b")),
    ] {
        let plane = ControlPlane::new([(200, first.clone()), (200, second)]);
        let license = plane.license().await;
        license.renew(0).await.map_err(|error| error.to_string()).unwrap();
        assert!(matches!(license.renew(1).await, Err(Error::Contradiction(_))));
    }
}

#[tokio::test]
async fn keeping_renews_until_it_is_denied() {
    let plane = ControlPlane::new([
        (200, living(0)),
        (200, living(0)),
        (200, json!({"status": "denied", "reason": "contract_ended"})),
    ]);
    let license = plane.license().await;
    license.renew(0).await.map_err(|error| error.to_string()).unwrap();
    let reason = "contract_ended".to_owned();
    assert_eq!(
        keep(&license, Duration::from_mins(1)).await,
        Ended::Error(Error::Denied { reason })
    );
    assert_eq!(plane.asked().len(), 3);
}

#[tokio::test]
async fn at_a_renewal_only_a_denial_is_final() {
    for status in [302, 404, 405, 502] {
        let plane = ControlPlane::new([(200, living(3600)), (status, json!({}))]);
        let license = plane.license().await;
        license.renew(0).await.map_err(|error| error.to_string()).unwrap();
        tokio::time::pause();
        let error = license.renew(1).await.err().unwrap();
        tokio::time::resume();
        assert!(matches!(error, Error::Unavailable(_)), "{status}: {error}");
        assert_eq!(license.current().unwrap().generation, 1);
    }
    let said = json!({"status": "denied", "reason": "contract_ended"});
    for (status, body) in [(401, json!({})), (403, json!({})), (404, said)] {
        let plane = ControlPlane::new([(200, living(3600)), (status, body)]);
        let license = plane.license().await;
        license.renew(0).await.map_err(|error| error.to_string()).unwrap();
        assert!(
            matches!(license.renew(1).await, Err(Error::Denied { .. })),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_control_plane_that_hangs_does_not_outlive_the_authorisation() {
    let plane = ControlPlane::new([(200, living(0))]);
    let license = plane.license().await;
    let grant = license.renew(0).await.map_err(|error| error.to_string()).unwrap();
    // Somebody else's renewal is under way and never ends.
    let _hangs = license.renewing.lock().await;
    tokio::time::pause();
    assert!(matches!(
        keep(&license, Duration::from_mins(1)).await,
        Ended::Expired(_)
    ));
    assert!(tokio::time::Instant::now() < grant.expires() + Duration::from_secs(62));
}
