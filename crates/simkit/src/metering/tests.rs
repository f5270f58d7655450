use super::{Book, Metering, Standing};
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tower::ServiceExt;

const NOW: &str = "2026-01-07T12:30:00Z";

fn now_ms() -> i64 {
    NOW.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn event(dimension: &str, start: &str, quantity: f64) -> Value {
    json!({"resourceId": "r", "quantity": quantity, "dimension": dimension, "effectiveStartTime": start,
        "planId": "gold"})
}

fn status(book: &mut Book, event: &Value) -> String {
    let (status, answer) = book.batch(&json!({"request": [event]}), now_ms());
    assert_eq!(status, 200);
    answer["result"][0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn the_rules_hold_in_a_batch() {
    let mut book = Book::new(BTreeSet::from(["tokens".to_owned()]));
    for (dimension, start, quantity, told) in [
        ("tokens", "2026-01-07T11:59:59Z", 2.5, "Accepted"),
        ("tokens", "2026-01-07T11:00:00", 2.5, "Duplicate"),
        ("tokens", "2026-01-07T12:00:00", 1.0, "Accepted"),
        ("tokens", "2026-01-07T12:30:01Z", 1.0, "BadArgument"),
        ("tokens", "2026-01-06T12:30:00Z", 1.0, "Expired"),
        ("tokens", "2026-01-06T12:30:01Z", 1.0, "Accepted"),
        ("tokens", "2026-01-07T10:00:00Z", 0.0, "InvalidQuantity"),
        ("tokens", "2026-01-07T10:00:00Z", -1.0, "InvalidQuantity"),
        ("words", "2026-01-07T10:00:00Z", 1.0, "InvalidDimension"),
        ("tokens", "yesterday", 1.0, "BadArgument"),
    ] {
        assert_eq!(
            status(&mut book, &event(dimension, start, quantity)),
            told,
            "{dimension} {start} {quantity}"
        );
    }
    assert_eq!(book.accepted().count(), 3);
    let sums = book.sums(now_ms());
    assert_eq!(sums[0]["submittedQuantity"], 3.5);
    for (standing, told) in [
        (Standing::NotActive, "ResourceNotActive"),
        (Standing::NotFound, "ResourceNotFound"),
        (Standing::NotAuthorized, "ResourceNotAuthorized"),
        (Standing::NotSubscribed, "BadArgument"),
        (Standing::Active, "Accepted"),
    ] {
        book.set_standing("R", standing);
        assert_eq!(
            status(&mut book, &event("tokens", "2026-01-07T09:00:00Z", 1.0)),
            told
        );
    }
    let many: Vec<_> = (0..26).map(|_| event("tokens", NOW, 1.0)).collect();
    assert_eq!(book.batch(&json!({"request": many}), now_ms()).0, 400);
    let (code, answer) = book.single(&event("tokens", "2026-01-07T11:20:00Z", 9.0), now_ms());
    let known = &answer["additionalInfo"]["acceptedMessage"];
    assert_eq!(
        (code, &known["status"], &known["quantity"]),
        (409, &json!("Duplicate"), &json!(2.5))
    );
}

async fn call(double: &Metering, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("metadata", "true")
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = double.router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn tokens_faults_and_lost_replies() {
    let double = Metering::new(BTreeSet::new(), Duration::from_hours(1));
    let token = "/metadata/identity/oauth2/token?resource=20e940b3-4c77-4b0b-9a53-9e16a1b010a7";
    let (_, granted) = call(&double, "GET", token, "", Value::Null).await;
    assert_eq!(granted["expires_in"], "3600");
    let token = granted["access_token"].as_str().unwrap();
    let url = "/api/usageEvent?api-version=2018-08-31";
    let start = jiff::Timestamp::now().to_string();
    let event = event("tokens", &start, 1.0);
    assert_eq!(call(&double, "POST", url, "stranger", event.clone()).await.0, 403);
    let faults = json!([{"kind": "refuse", "status": 429, "retry_after": 7}, {"kind": "fail_after"},
        {"kind": "lose_reply"}]);
    assert_eq!(call(&double, "PUT", "/_double/faults", "", faults).await.0, 200);
    assert_eq!(call(&double, "POST", url, token, event.clone()).await.0, 429);
    let accepted = || async {
        let (_, ledger) = call(&double, "GET", "/_double/ledger", "", Value::Null).await;
        ledger["accepted"].as_array().unwrap().len()
    };
    assert_eq!(accepted().await, 0);
    assert_eq!(call(&double, "POST", url, token, event.clone()).await.0, 503);
    assert_eq!(accepted().await, 1);
    let lost = call(&double, "POST", url, token, event.clone());
    assert!(
        tokio::time::timeout(Duration::from_millis(50), lost)
            .await
            .is_err()
    );
    assert_eq!(call(&double, "POST", url, token, event).await.0, 409);
    let day = format!(
        "/api/usageEvents?api-version=2018-08-31&usageStartDate={}",
        &start[..10]
    );
    assert_eq!(
        call(&double, "GET", &day, token, Value::Null).await.1[0]["submittedQuantity"],
        1.0
    );
}
