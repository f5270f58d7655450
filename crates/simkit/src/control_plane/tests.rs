use super::*;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use tower::ServiceExt;
use trustbridge_azure::sas::SasUrl;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const DIGEST: &str = "aa112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn plane(folder: &Path) -> ControlPlane {
    let settings = Settings {
        allow_contracts: BTreeSet::from(["contract-allow".to_owned()]),
        provider_token: Some("provider".to_owned()),
        account_key: SharedKey::from_base64("acct", "c2VjcmV0").unwrap(),
        sas_life: Duration::from_hours(1),
    };
    ControlPlane::new(settings, Store::open(folder).unwrap())
}

async fn call(
    plane: &ControlPlane,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = plane.router().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn asset(id: &str, key: &str) -> Value {
    json!({
        "asset_id": id, "blob_base_url": format!("https://127.0.0.1:10000/acct/models/models/{id}"),
        "manifest_sha256": DIGEST, "sha256_ciphertext": DIGEST, "plaintext_bytes": 5,
        "decryption_key_hex": key, "allow_finetune": false,
        "files": [
            {"path": "model-1.safetensors", "blob": "files/model-1.safetensors.tbenc",
             "sha256_ciphertext": DIGEST, "plaintext_bytes": 3, "role": "weights"},
            {"path": "config.json", "blob": "files/config.json.tbenc",
             "sha256_ciphertext": DIGEST, "plaintext_bytes": 2, "role": "config"}
        ]
    })
}

async fn register(plane: &ControlPlane, id: &str, key: &str) -> StatusCode {
    call(
        plane,
        "PUT",
        &format!("/api/v1/assets/{id}"),
        "provider",
        &asset(id, key),
    )
    .await
    .0
}

async fn authorize(plane: &ControlPlane, contract: &str, asset: &str) -> (StatusCode, Value) {
    let body = json!({"contract_id": contract, "asset_id": asset, "hw_id": "hw", "purpose": "inference", "nonce": "n"});
    call(plane, "POST", "/api/v1/license/authorize", "", &body).await
}

#[tokio::test]
async fn an_allowed_contract_gets_key_and_signed_urls() {
    let folder = TempDir::new().unwrap();
    let plane = plane(folder.path());
    assert_eq!(register(&plane, "a1", KEY).await, StatusCode::CREATED);
    let (status, answer) = authorize(&plane, "contract-allow", "a1").await;
    assert_eq!(
        (status, &answer["status"]),
        (StatusCode::OK, &json!("authorized"))
    );
    assert_eq!(
        (&answer["decryption_key_hex"], &answer["manifest_sha256"]),
        (&json!(KEY), &json!(DIGEST))
    );
    assert_eq!(answer["allow_finetune"], false);
    let manifest = SasUrl::parse(answer["manifest_url"].as_str().unwrap()).unwrap();
    assert_eq!(
        manifest.redacted(),
        "https://127.0.0.1:10000/acct/models/models/a1/model.manifest.json"
    );
    assert_eq!(manifest.permissions(), Some("r"));
    assert_eq!(answer["files"][1]["path"], "config.json");
    assert!(
        answer["files"][1]["url"]
            .as_str()
            .unwrap()
            .contains("/a1/files/config.json.tbenc?sv=2022-11-02&sr=b")
    );
    assert_eq!(answer["sas_url"], answer["files"][0]["url"]);
}

#[tokio::test]
async fn everybody_else_is_denied_and_the_ledger_has_no_key() {
    let folder = TempDir::new().unwrap();
    let plane = plane(folder.path());
    register(&plane, "a1", KEY).await;
    let denied = |reason: &str| (StatusCode::OK, json!({"status": "denied", "reason": reason}));
    assert_eq!(
        authorize(&plane, "contract-deny", "a1").await,
        denied("contract_unknown")
    );
    assert_eq!(
        authorize(&plane, "contract-allow", "a2").await,
        denied("asset_unknown")
    );
    let training =
        json!({"contract_id": "contract-allow", "asset_id": "a1", "hw_id": "hw", "purpose": "training"});
    let answer = call(&plane, "POST", "/api/v1/license/authorize", "", &training).await;
    assert_eq!(answer, denied("finetune_not_allowed"));
    authorize(&plane, "contract-allow", "a1").await;
    let (_, ledger) = call(&plane, "GET", "/_double/ledger", "", &json!(null)).await;
    let outcomes: Vec<_> = ledger["authorizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["outcome"])
        .collect();
    let expected = [
        "denied contract_unknown",
        "denied asset_unknown",
        "denied finetune_not_allowed",
        "authorized",
    ];
    assert_eq!(outcomes, expected);
    assert!(!ledger.to_string().contains(KEY) && !ledger.to_string().contains("sig="));
}

#[tokio::test]
async fn a_key_serves_one_asset_and_registering_again_is_fine() {
    let folder = TempDir::new().unwrap();
    let plane = plane(folder.path());
    assert_eq!(register(&plane, "a1", KEY).await, StatusCode::CREATED);
    assert_eq!(register(&plane, "a1", KEY).await, StatusCode::OK);
    assert_eq!(
        register(&plane, "a2", &KEY.to_uppercase()).await,
        StatusCode::CONFLICT
    );
    assert_eq!(register(&plane, "a2", DIGEST).await, StatusCode::CREATED);
    let (status, answer) = call(&plane, "PUT", "/api/v1/assets/a3", "wrong", &asset("a3", KEY)).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::UNAUTHORIZED, &json!("UNAUTHENTICATED"))
    );
    let (status, _) = call(
        &plane,
        "PUT",
        "/api/v1/assets/other",
        "provider",
        &asset("a3", KEY),
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn assets_survive_a_restart_in_a_private_file_and_facts_hold_no_key() {
    let folder = TempDir::new().unwrap();
    register(&plane(folder.path()), "a1", KEY).await;
    let mode = std::fs::metadata(folder.path().join("assets.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = plane(folder.path());
    let (status, facts) = call(&again, "GET", "/api/v1/assets/a1", "", &json!(null)).await;
    assert_eq!(
        (status, &facts["manifest_sha256"]),
        (StatusCode::OK, &json!(DIGEST))
    );
    assert!(!facts.to_string().contains(KEY));
    assert_eq!(
        call(&again, "GET", "/api/v1/assets/a9", "", &json!(null)).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn faults_are_counted_and_reset() {
    let folder = TempDir::new().unwrap();
    let plane = plane(folder.path());
    register(&plane, "a1", KEY).await;
    let faults = json!({"fail_times": 1, "sas_seconds": 5, "sas_times": 1});
    assert_eq!(
        call(&plane, "PUT", "/_double/faults", "", &faults).await.0,
        StatusCode::OK
    );
    assert_eq!(
        authorize(&plane, "contract-allow", "a1").await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let life = async || {
        let (_, answer) = authorize(&plane, "contract-allow", "a1").await;
        let expiry = SasUrl::parse(answer["manifest_url"].as_str().unwrap())
            .unwrap()
            .expiry()
            .unwrap();
        expiry.duration_since(jiff::Timestamp::now()).as_secs()
    };
    assert!(life().await <= 5);
    assert!(life().await > 3000);
    call(
        &plane,
        "PUT",
        "/_double/faults",
        "",
        &json!({"deny": "subscription_inactive", "wrong_key": true}),
    )
    .await;
    assert_eq!(
        authorize(&plane, "contract-allow", "a1").await.1["reason"],
        "subscription_inactive"
    );
    call(&plane, "PUT", "/_double/faults", "", &json!({"wrong_key": true})).await;
    assert_ne!(
        authorize(&plane, "contract-allow", "a1").await.1["decryption_key_hex"],
        KEY
    );
    call(&plane, "POST", "/_double/reset", "", &json!(null)).await;
    assert_eq!(
        authorize(&plane, "contract-allow", "a1").await.1["decryption_key_hex"],
        KEY
    );
}
