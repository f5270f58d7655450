use super::*;
use crate::token::{Identity, Proof, TokenSource};
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn event(dimension: &str, start: &str, quantity: &str) -> UsageEvent {
    UsageEvent {
        resource: Resource::new("/subscriptions/s/app"),
        quantity: Number::new(quantity).unwrap(),
        dimension: dimension.into(),
        effective_start: start.parse().unwrap(),
        plan: "gold".into(),
    }
}

fn tokens(hour: u32) -> UsageEvent {
    event("tokens", &format!("2026-01-07T{hour:02}:59:59Z"), "12.5")
}

fn number(text: &str) -> Option<Number> {
    Number::new(text)
}

fn transient(trouble: Trouble, perhaps_recorded: bool) -> Outcome {
    Outcome::Transient {
        trouble,
        perhaps_recorded,
    }
}

fn bad(message: &str) -> Value {
    json!({"code": "BadArgument", "message": "One or more errors have occurred.", "target": "usageEventRequest",
        "details": [{"code": "BadArgument", "message": message, "target": "x"}]})
}

fn conflict(start: &str) -> Value {
    json!({"code": "Conflict", "message": "This usage event already exist.", "additionalInfo": {"acceptedMessage": {
        "status": "Duplicate", "quantity": 1.0, "dimension": "tokens", "planId": "gold",
        "resourceUri": "/subscriptions/S/APP", "effectiveStartTime": start}}})
}

#[test]
fn every_answer_to_one_event_means_something() {
    let ours = "2026-01-07T10:03:28.14Z";
    let accepted = json!({"status": "Accepted", "quantity": 12.5, "usageEventId": "e"});
    for (status, body, outcome) in [
        (200, accepted, Outcome::Accepted(number("12.5"))),
        (200, json!({"status": "Accepted"}), Outcome::Accepted(None)),
        (200, json!({"status": "ResourceNotActive"}), Outcome::NotActive),
        (200, json!({"status": "Novel"}), transient(Trouble::Unknown, true)),
        (200, json!("hello"), transient(Trouble::Unknown, true)),
        (409, conflict(ours), Outcome::Duplicate(number("1.0"))),
        (
            409,
            conflict("2026-01-07T11:00:00Z"),
            transient(Trouble::Unknown, true),
        ),
        (409, json!({"code": "Conflict"}), Outcome::Duplicate(None)),
        (409, json!({}), transient(Trouble::Unknown, true)),
        (400, bad("The resourceId is required."), Outcome::BadArgument),
        (
            400,
            bad("effectiveStartTime is more than 24 hours in the past."),
            Outcome::Expired,
        ),
        (400, bad("The event has expired."), Outcome::Expired),
        (
            400,
            bad("The subscription is not in Subscribed status."),
            Outcome::NotSubscribed,
        ),
        (
            400,
            json!({"code": "InvalidDimension"}),
            Outcome::InvalidDimension,
        ),
        (400, json!(null), Outcome::BadArgument),
        (404, json!({"code": "ResourceNotFound"}), Outcome::NotFound),
        (404, json!({}), transient(Trouble::Unknown, true)),
        (401, json!({}), transient(Trouble::Forbidden, false)),
        (
            403,
            json!({"code": "Forbidden"}),
            transient(Trouble::Forbidden, false),
        ),
        (429, json!({}), transient(Trouble::Throttled, false)),
        (500, json!({}), transient(Trouble::Server, true)),
        (
            503,
            json!({"code": "BadArgument"}),
            transient(Trouble::Server, true),
        ),
        (302, json!({}), transient(Trouble::Unknown, true)),
    ] {
        let code = StatusCode::from_u16(status).unwrap();
        let answered = read_single(code, body.to_string().as_bytes(), &tokens(10));
        assert_eq!(answered.outcome, outcome, "{status} {body}");
        assert_eq!(
            answered.detail.is_empty(),
            matches!(outcome, Outcome::Accepted(_)),
            "{status} {body}"
        );
    }
}

#[test]
fn a_torn_answer_may_have_been_counted() {
    let torn = read_single(StatusCode::OK, b"{\"status\":\"Acc", &tokens(10));
    assert_eq!(torn.outcome, transient(Trouble::Unknown, true));
}

#[test]
fn every_status_of_a_batch_means_something() {
    for (status, outcome) in [
        ("Accepted", Outcome::Accepted(None)),
        ("Expired", Outcome::Expired),
        ("Duplicate", Outcome::Duplicate(None)),
        ("Error", transient(Trouble::Unknown, true)),
        ("ResourceNotFound", Outcome::NotFound),
        ("ResourceNotAuthorized", Outcome::NotAuthorized),
        ("ResourceNotActive", Outcome::NotActive),
        ("InvalidDimension", Outcome::InvalidDimension),
        ("InvalidQuantity", Outcome::InvalidQuantity),
        ("BadArgument", Outcome::BadArgument),
        ("accepted", transient(Trouble::Unknown, true)),
        ("", transient(Trouble::Unknown, true)),
    ] {
        let body = json!({"count": 1, "result": [{"status": status}]}).to_string();
        let answers = read_batch(StatusCode::OK, body.as_bytes(), &[tokens(10)]);
        assert_eq!(answers[0].outcome, outcome, "{status}");
    }
    for (error, outcome) in [
        (conflict("2026-01-07T10:00:00"), Outcome::Duplicate(number("1.0"))),
        (json!({"code": "ResourceNotActive"}), Outcome::NotActive),
        (bad("not in Subscribed status"), Outcome::NotSubscribed),
        (json!({"code": "Weather"}), transient(Trouble::Unknown, true)),
    ] {
        let body = json!({"result": [{"status": "Error", "error": error}]}).to_string();
        let answers = read_batch(StatusCode::OK, body.as_bytes(), &[tokens(10)]);
        assert_eq!(answers[0].outcome, outcome, "{error}");
    }
}

#[test]
fn results_find_their_events_in_any_order_and_strangers_do_not_count() {
    let result = |status: &str, hour: u32| {
        json!({"status": status, "dimension": "tokens", "resourceUri": "/subscriptions/s/app",
            "effectiveStartTime": format!("2026-01-07T{hour:02}:00:00")})
    };
    let events = [tokens(10), tokens(11), tokens(12)];
    let read = |results: Value| {
        let body = json!({"result": results}).to_string();
        let answers = read_batch(StatusCode::OK, body.as_bytes(), &events);
        answers
            .into_iter()
            .map(|answer| answer.outcome)
            .collect::<Vec<_>>()
    };
    let lost = transient(Trouble::Unknown, true);
    assert_eq!(
        read(json!([
            result("Expired", 12),
            result("Accepted", 10),
            result("InvalidDimension", 11)
        ])),
        [
            Outcome::Accepted(None),
            Outcome::InvalidDimension,
            Outcome::Expired
        ]
    );
    assert_eq!(
        read(json!([result("Expired", 11)])),
        [lost.clone(), Outcome::Expired, lost.clone()]
    );
    assert_eq!(
        read(json!([{"status": "Accepted"}])),
        [lost.clone(), lost.clone(), lost]
    );
    for (status, outcome) in [
        (400, Outcome::BadArgument),
        (403, transient(Trouble::Forbidden, false)),
        (502, transient(Trouble::Server, true)),
        (200, transient(Trouble::Unknown, true)),
    ] {
        let answers = read_batch(StatusCode::from_u16(status).unwrap(), b"", &events);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| answer.outcome == outcome), "{status}");
    }
}

#[test]
fn digits_and_fields_go_out_as_they_are() {
    let many = event("to\"kens", "2026-01-07T10:59:59Z", "12345678901234567890.123456");
    let text = "{\"resourceUri\":\"/subscriptions/s/app\",\"quantity\":12345678901234567890.123456,\
        \"dimension\":\"to\\\"kens\",\"effectiveStartTime\":\"2026-01-07T10:59:59Z\",\"planId\":\"gold\"}";
    assert_eq!(many.body(), text);
    let saas = UsageEvent {
        resource: Resource::new("6c1f5b0e"),
        ..tokens(10)
    };
    let batch: Value = serde_json::from_str(&event::batch_body(&[saas, tokens(11)])).unwrap();
    assert_eq!(batch["request"][0]["resourceId"], "6c1f5b0e");
    assert_eq!(batch["request"][1]["resourceUri"], "/subscriptions/s/app");
    for text in ["", "1.", "x", " 1", "1 ", "--1", "1,2", "\"1\""] {
        assert_eq!(Number::new(text), None, "{text}");
    }
}

type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// A service that notes path and body, and answers as `body` asks for by its plan.
async fn service() -> (String, Seen) {
    let seen = Seen::default();
    let answer = |State(seen): State<Seen>, request: axum::extract::Request| async move {
        let target = request.uri().to_string();
        assert_eq!(request.headers()["authorization"], "Bearer t0ken");
        let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        seen.lock().unwrap().push((target, body.clone()));
        if body.contains("\"planId\":\"slow\"") {
            std::future::pending::<()>().await;
        }
        if body.contains("\"planId\":\"busy\"") {
            return (
                ::http::StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", "1000000")],
            )
                .into_response();
        }
        axum::Json(json!({"status": "Accepted", "quantity": 12.5, "result": []})).into_response()
    };
    let books = || async {
        axum::Json(json!([
            {"usageDate": "2026-01-07T00:00:00Z", "usageResourceId": "r", "dimension": "tokens", "planId": "gold",
             "reconStatus": "Submitted", "submittedQuantity": 17.0, "processedQuantity": 0.0, "submittedCount": 1},
            {"usageDate": "2026-01-07T00:00:00Z", "usageResourceId": "r", "dimension": "tokens",
             "reconStatus": "DryRun", "submittedQuantity": 3}
        ]))
    };
    let token = || async { axum::Json(json!({"access_token": "t0ken", "expires_in": 100})) };
    let router = Router::new()
        .route("/api/usageEvent", post(answer))
        .route("/api/batchUsageEvent", post(answer))
        .route("/api/usageEvents", get(books))
        .route("/t/oauth2/v2.0/token", post(token))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

fn client(url: &str, proof: &std::path::Path) -> Metering {
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let identity = Identity {
        authority: url.to_owned(),
        tenant: "t".into(),
        client_id: "c".into(),
        scope: format!("{RESOURCE}/.default"),
        proof: Proof::AssertionFile(proof.to_owned()),
    };
    let credential = Credential::Exchanged(TokenSource::new(http.clone(), identity));
    Metering::new(http, url, credential).unwrap()
}

#[tokio::test]
async fn one_event_or_a_batch_with_deadline_and_capped_waits() {
    let (url, seen) = service().await;
    let proof = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(proof.path(), "assertion").unwrap();
    let client = client(&url, proof.path());
    let soon = || Deadline::after(Duration::from_secs(20));
    let done = client.submit(&[tokens(10)], "id", soon()).await.unwrap();
    assert_eq!(done.answers[0].outcome, Outcome::Accepted(number("12.5")));
    assert!(done.date.is_some() && done.retry_after.is_none());
    let done = client
        .submit(&[tokens(10), tokens(11)], "id", soon())
        .await
        .unwrap();
    assert_eq!(done.answers.len(), 2);
    let paths: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(target, _)| target.clone())
        .collect();
    assert_eq!(
        paths,
        [
            "/api/usageEvent?api-version=2018-08-31",
            "/api/batchUsageEvent?api-version=2018-08-31"
        ]
    );
    let of_plan = |plan: &str| UsageEvent {
        plan: plan.into(),
        ..tokens(10)
    };
    let done = client.submit(&[of_plan("busy")], "id", soon()).await.unwrap();
    assert_eq!(done.answers[0].outcome, transient(Trouble::Throttled, false));
    assert!(done.retry_after.unwrap() < Duration::from_secs(1_000_000));
    let late = Deadline::after(Duration::from_millis(100));
    let done = client.submit(&[of_plan("slow")], "id", late).await.unwrap();
    assert_eq!(done.answers[0].outcome, transient(Trouble::Unreachable, true));
    assert!(!done.answers[0].detail.contains("t0ken"));
    let many = vec![tokens(10); 26];
    assert!(matches!(
        client.submit(&many, "id", soon()).await,
        Err(Error::TooMany(26))
    ));
    let books = client
        .usage_events("2026-01-07T05:00:00Z".parse().unwrap(), soon())
        .await
        .unwrap();
    assert_eq!(books[0].submitted_quantity.as_str(), "17.0");
    assert!(books[0].is_billed() && !books[1].is_billed());
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (url, seen) = service().await;
    let client = client(&url, std::path::Path::new("/no/such/file"));
    let done = client
        .submit(&[tokens(10)], "id", Deadline::after(Duration::from_secs(20)))
        .await
        .unwrap();
    assert_eq!(done.answers[0].outcome, transient(Trouble::NoToken, false));
    assert!(seen.lock().unwrap().is_empty());
}
