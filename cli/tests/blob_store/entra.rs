//! A token endpoint on loopback that knows one client secret.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::Path as Segment;
use axum::http::StatusCode;
use axum::routing::post;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::pki::{self, Pki};

pub const TENANT: &str = "ab1f708d-50f6-404c-a006-d71b2ac7a606";
pub const CLIENT: &str = "f997392c-e15a-4ad8-af9e-cd6966caba7f";
pub const SECRET: &str = "entra~client~secret~0123456789";

pub struct Entra {
    pub url: String,
    pub pki: Pki,
    handle: Handle<SocketAddr>,
    _runtime: tokio::runtime::Runtime,
}

impl Entra {
    /// Starts it. Its tokens are for this audience.
    pub fn start(folder: &Path, audience: &'static str) -> Self {
        let pki = pki::write(folder, "entra");
        // Only the first provider counts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let handle = Handle::new();
        let answer = move |Segment(tenant): Segment<String>, body: String| async move {
            token(&tenant, &body, audience)
        };
        let router = Router::new().route("/{tenant}/oauth2/v2.0/token", post(answer));
        let address = runtime.block_on(async {
            let tls = RustlsConfig::from_pem_file(&pki.cert, &pki.key).await.unwrap();
            let server = axum_server::bind_rustls("127.0.0.1:0".parse().unwrap(), tls).handle(handle.clone());
            tokio::spawn(server.serve(router.into_make_service()));
            handle.listening().await.unwrap()
        });
        Self {
            url: format!("https://{address}"),
            pki,
            handle,
            _runtime: runtime,
        }
    }
}

impl Drop for Entra {
    fn drop(&mut self) {
        self.handle.graceful_shutdown(Some(Duration::ZERO));
    }
}

/// What Microsoft Entra answers to `client_credentials`. Its refusals repeat what they were sent, as a bad server's
/// would.
fn token(tenant: &str, body: &str, audience: &str) -> (StatusCode, String) {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
    let assertion = form
        .iter()
        .any(|(name, value)| name == "client_assertion" && value == SECRET);
    if !has("grant_type", "client_credentials")
        || !has("scope", "https://storage.azure.com/.default")
        || !has("client_id", CLIENT)
        || !(has("client_secret", SECRET) || assertion)
    {
        let refusal = json!({"error": "invalid_client", "error_codes": [7_000_215], "error_description": format!("AADSTS7000215: {body}")});
        return (StatusCode::UNAUTHORIZED, refusal.to_string());
    }
    let token = jwt(&claims(tenant, audience));
    let granted =
        json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token});
    (StatusCode::OK, granted.to_string())
}

fn claims(tenant: &str, audience: &str) -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now - 60, "nbf": now - 60,
        "exp": now + 3600, "appid": CLIENT, "oid": CLIENT, "tid": tenant, "ver": "1.0", "jti": MARK
    })
}

/// Stands in every token, so that a search can look for it.
pub const MARK: &str = "token-mark-7731";

/// A token with a signature that nobody checks.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!(
        "{}.{}.{}",
        part(&json!({"alg": "RS256", "typ": "JWT"})),
        part(claims),
        BASE64URL_NOPAD.encode(b"unsigned")
    )
}
