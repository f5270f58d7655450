//! The token endpoint, and the check of bearer tokens.

use super::Arm;
use crate::answer::Problem;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Json, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Tokens and when they end.
pub(super) type Issued = BTreeMap<String, Instant>;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) async fn exchange(State(arm): State<Arm>, Path(_tenant): Path<String>, body: String) -> Response {
    let form: Exchange = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    if let Err((status, error, number, text)) = check(&arm, &form) {
        let body = json!({"error": error, "error_description": format!("{number}: {text}")});
        return (status, Json(body)).into_response();
    }
    let token = format!("double.{}", Uuid::new_v4());
    let seconds = arm.0.settings.token_seconds;
    let ends = Instant::now() + Duration::from_secs(seconds);
    arm.0.tokens.lock().await.insert(token.clone(), ends);
    Json(json!({"token_type": "Bearer", "expires_in": seconds, "access_token": token})).into_response()
}

type Exchange = BTreeMap<String, String>;
type Refusal = (StatusCode, &'static str, &'static str, &'static str);

fn check(arm: &Arm, form: &Exchange) -> Result<(), Refusal> {
    let (bad, denied) = (StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED);
    let settings = &arm.0.settings;
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" {
        return Err((
            bad,
            "unsupported_grant_type",
            "AADSTS70003",
            "The app requested an unsupported grant type.",
        ));
    }
    if !field("scope").ends_with("/.default") {
        return Err((
            bad,
            "invalid_scope",
            "AADSTS1002012",
            "The scope must be a resource followed by /.default.",
        ));
    }
    let client = field("client_id");
    if client.is_empty() || settings.client_id.as_ref().is_some_and(|known| known != client) {
        return Err((
            bad,
            "unauthorized_client",
            "AADSTS700016",
            "Application was not found in the directory.",
        ));
    }
    let assertion = field("client_assertion_type") == ASSERTION_TYPE && !field("client_assertion").is_empty();
    let secret = field("client_secret");
    if assertion
        || (!secret.is_empty()
            && settings
                .client_secret
                .as_ref()
                .is_none_or(|known| known == secret))
    {
        return Ok(());
    }
    Err((
        denied,
        "invalid_client",
        "AADSTS7000215",
        "Invalid client secret or assertion provided.",
    ))
}

/// Refuses a request without a token that this double issued and that still lives.
pub(super) async fn require(arm: &Arm, headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |code: &str, text: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, code, text));
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
        return refuse(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        );
    };
    match arm.0.tokens.lock().await.get(token) {
        None => refuse("InvalidAuthenticationToken", "The access token is invalid."),
        Some(ends) if *ends <= Instant::now() => refuse(
            "ExpiredAuthenticationToken",
            "The access token expiry has passed.",
        ),
        Some(_) => Ok(()),
    }
}
