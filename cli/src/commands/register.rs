//! `trustbridge register`: tells the control plane about the asset and gives it the key.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_tbenc::manifest::{FileEntry, Manifest, Role};
use url::Url;
use zeroize::Zeroizing;

use crate::asset::{Asset, AssetArgs};
use crate::failure::{Exit, Failure};
use crate::remote::{RemoteArgs, blob_base_url, https_url, retrying};
use crate::report::{Report, lines};
use crate::secret;

/// Arguments of `register`.
#[derive(clap::Args)]
#[command(
    after_help = "Registering the same asset again changes nothing. A key that belongs to another asset is refused
(exit code 4): encrypt again, every encryption makes its own key."
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// File that holds the asset's key ('-': standard input).
    #[arg(long, value_name = "FILE|-")]
    key: PathBuf,
    /// The control plane, https.
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Folder of the asset in the container, as `upload` prints it: <container URL>/models/<asset id>.
    #[arg(long, value_name = "URL")]
    blob_base_url: String,
    /// File that holds the provider's bearer token.
    #[arg(long, value_name = "FILE", env = "TB_PROVIDER_TOKEN_FILE")]
    token_file: PathBuf,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The body of the call.
#[derive(Serialize)]
struct Registration<'a> {
    asset_id: &'a str,
    blob_base_url: &'a str,
    manifest_sha256: &'a str,
    sha256_ciphertext: &'a str,
    plaintext_bytes: u64,
    files: Vec<File<'a>>,
    decryption_key_hex: &'a str,
    allow_finetune: bool,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    blob: &'a str,
    sha256_ciphertext: &'a str,
    plaintext_bytes: u64,
    role: Role,
}

impl<'a> Registration<'a> {
    fn new(asset: &'a Asset, blob_base_url: &'a str, key_hex: &'a str) -> Self {
        let manifest: &Manifest = &asset.manifest;
        let file = |file: &'a FileEntry| File {
            path: &file.path,
            blob: &file.blob,
            sha256_ciphertext: &file.sha256_ciphertext,
            plaintext_bytes: file.plaintext_bytes,
            role: file.role,
        };
        Self {
            asset_id: &manifest.asset_id,
            blob_base_url,
            manifest_sha256: &asset.manifest_sha256,
            sha256_ciphertext: &manifest.sha256_ciphertext,
            plaintext_bytes: manifest.plaintext_bytes,
            files: manifest.files.iter().flatten().map(file).collect(),
            decryption_key_hex: key_hex,
            allow_finetune: manifest.allow_finetune,
        }
    }
}

/// Times that the call is tried.
const TRIES: u32 = 4;

/// Runs the command.
pub(crate) async fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let id = asset.manifest.asset_id.clone();
    let endpoint = https_url("--endpoint", &args.endpoint)?;
    let base = blob_base_url(&args.blob_base_url, &id)?;
    let key = secret::read_key(&args.key)?;
    asset.check_key(&key)?;
    let token = secret::read("--token-file", &args.token_file)?;
    let hex = key.to_hex();
    let body = serde_json::to_vec(&Registration::new(&asset, &base, &hex))
        .map_err(|e| Failure::input(format!("registration: {e}")))?;
    let call = Call {
        client: args.remote.client()?,
        url: asset_url(endpoint, &id),
        token,
        body: body.into(),
    };
    let deadline = args.remote.deadline();
    let created = retrying(TRIES, || call.put(deadline)).await?;
    let word = if created {
        "registered"
    } else {
        "known already; the control plane now holds exactly this"
    };
    let text = lines(&[
        ("asset id", id.clone()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("control plane", call.url.to_string()),
        ("result", word.to_owned()),
    ]);
    let document = json!({"asset_id": id, "manifest_sha256": asset.manifest_sha256, "url": call.url.as_str(), "created": created});
    Report::new(text, &document)
}

fn asset_url(mut endpoint: Url, asset_id: &str) -> Url {
    if let Ok(mut segments) = endpoint.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "v1", "assets", asset_id]);
    }
    endpoint
}

struct Call {
    client: Client,
    url: Url,
    token: Zeroizing<String>,
    body: Bytes,
}

impl Call {
    /// Whether the asset was new.
    async fn put(&self, deadline: Deadline) -> Result<bool, Failure> {
        let request = Request::put(self.url.as_str())
            .header(
                AUTHORIZATION,
                Zeroizing::new(format!("Bearer {}", self.token.as_str())).as_str(),
            )
            .header(CONTENT_TYPE, "application/json")
            .body(self.body.clone())
            // The text of the error could hold the header's value.
            .map_err(|_| {
                Failure::input(
                    "--token-file: the token cannot stand in a header; it must be one line of ASCII",
                )
            })?;
        judge(self.url.as_str(), &self.client.send(request, deadline).await?)
    }
}

fn judge(url: &str, answer: &Response<Bytes>) -> Result<bool, Failure> {
    let (code, message) = reason(answer.body());
    let status = answer.status();
    let said = format!("PUT {url}: HTTP {} {code} {message}", status.as_u16());
    let said = said.trim_end();
    let refused = |next: &str| Err(Failure::new(Exit::Refused, format!("{said}; {next}")));
    match status {
        StatusCode::CREATED => Ok(true),
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(false),
        StatusCode::CONFLICT if code == "KEY_REUSED" => refused(
            "this key belongs to another asset already, and one key must never encrypt two; run `trustbridge encrypt` \
             again and upload what it writes",
        ),
        StatusCode::CONFLICT => {
            refused("the asset id is taken by other content; encrypt under another --asset-id")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            refused("the provider token is not accepted; check --token-file")
        }
        _ if status.is_server_error() || matches!(status.as_u16(), 408 | 429) => Err(Failure::new(
            Exit::Unreachable,
            format!("{said}; the control plane is in trouble, try again later"),
        )),
        _ => {
            refused("the control plane does not accept this registration; check --endpoint and the manifest")
        }
    }
}

/// The error's code and message, printable and short. Control planes are not trusted to leave secrets out of
/// long texts.
fn reason(body: &[u8]) -> (String, String) {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| {
        let value = document
            .get("error")
            .and_then(|error| error.get(name))
            .and_then(Value::as_str);
        value
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(160)
            .collect()
    };
    (text("code"), text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &'static str) -> Result<bool, Failure> {
        let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        judge("https://edc.example/api/v1/assets/tb-1", &answer)
    }

    #[test]
    fn each_answer_has_its_meaning() {
        assert!(judged(201, "").unwrap());
        assert!(!judged(200, "{}").unwrap());
        let reused = judged(
            409,
            r#"{"error":{"code":"KEY_REUSED","message":"bound to tb-2"}}"#,
        )
        .unwrap_err();
        assert_eq!(reused.exit, Exit::Refused);
        assert!(
            reused.to_string().contains("KEY_REUSED") && reused.to_string().contains("encrypt"),
            "{reused}"
        );
        for (status, exit) in [
            (401, Exit::Refused),
            (404, Exit::Refused),
            (409, Exit::Refused),
            (429, Exit::Unreachable),
            (503, Exit::Unreachable),
        ] {
            assert_eq!(judged(status, "<html>").unwrap_err().exit, exit, "{status}");
        }
    }

    #[test]
    fn the_asset_is_put_below_the_endpoint() {
        let below = asset_url(Url::parse("https://edc.example/base/").unwrap(), "tb-1");
        assert_eq!(below.as_str(), "https://edc.example/base/api/v1/assets/tb-1");
    }
}
