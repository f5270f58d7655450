//! Checks blob client and SAS against a live Blob endpoint, Azurite or Azure.
//!
//! `cargo run -p trustbridge-azure --example blob_round_trip -- https://127.0.0.1:10000/acct acct KEY_FILE [CA_FILE]`

use http::Request;
use jiff::{SignedDuration, Timestamp};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};
use trustbridge_azure::blob::{BlobClient, Credential, SharedKey, judge_range};
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_azure::sas::{SasScope, ServiceSas};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONTAINER: &str = "round-trip";
const BLOB: &str = "models/tb asset/ü.tbenc";
const BYTES: usize = 40 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, account, key_file, ca @ ..] = args.as_slice() else {
        return Err("usage: blob_round_trip ENDPOINT ACCOUNT KEY_FILE [CA_FILE]".into());
    };
    let mut builder = Client::builder().allow_loopback_http().body_limit(BYTES + 1);
    for file in ca {
        builder = builder.ca_file(file);
    }
    let http = builder.build()?;
    let key = SharedKey::from_file(account, Path::new(key_file))?;
    let owner = BlobClient::new(http.clone(), endpoint, Credential::SharedKey(key.clone()))?;
    let content = upload(&owner).await?;
    read(&http, endpoint, &key, &content).await?;
    refusals(&http, &owner, &key).await?;
    println!(
        "deleted: {} then {}",
        owner.delete(CONTAINER, BLOB, soon()).await?,
        owner.delete(CONTAINER, BLOB, soon()).await?
    );
    Ok(())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn expiry(seconds: i64) -> Outcome<Timestamp> {
    Ok(Timestamp::now().checked_add(SignedDuration::from_secs(seconds))?)
}

async fn upload(owner: &BlobClient) -> Outcome<Vec<u8>> {
    owner.create_container(CONTAINER, soon()).await?;
    owner.create_container(CONTAINER, soon()).await?;
    println!("container made, and making it again is fine");
    let content: Vec<u8> = (0..BYTES)
        .map(|n| u8::try_from(n / 4096 % 251).unwrap_or(0))
        .collect();
    let started = Instant::now();
    let whole = content.clone().into();
    owner
        .put(CONTAINER, BLOB, whole, "application/octet-stream", soon())
        .await?;
    println!("put: {BYTES} bytes in {:?}", started.elapsed());
    println!("head: {:?}", owner.head(CONTAINER, BLOB, soon()).await?);
    println!(
        "head of nothing: {:?}",
        owner.head(CONTAINER, "nothing", soon()).await?
    );
    owner
        .put(CONTAINER, "small.json", "{}".into(), "application/json", soon())
        .await?;
    println!(
        "put and get: {:?}",
        owner.get(CONTAINER, "small.json", soon()).await?
    );
    Ok(content)
}

async fn read(http: &Client, endpoint: &str, key: &SharedKey, content: &[u8]) -> Outcome<()> {
    for (scope, blob) in [(SasScope::Blob, BLOB), (SasScope::Container, "")] {
        let sas = ServiceSas::new(scope, "r", expiry(300)?)
            .allow_http()
            .sign(key, CONTAINER, blob);
        let reader = BlobClient::new(http.clone(), endpoint, Credential::Sas(sas))?;
        let (from, to) = (4095, 9 << 20);
        let mut body = reader
            .get_range(CONTAINER, BLOB, from..to, soon())
            .await?
            .into_body();
        let mut got = Vec::new();
        while let Some(chunk) = body.chunk().await {
            got.extend_from_slice(&chunk?);
        }
        let same = content.get(usize::try_from(from)?..usize::try_from(to)?) == Some(&got);
        println!("range by SAS ({scope:?}): {} bytes, equal: {same}", got.len());
    }
    Ok(())
}

async fn refusals(http: &Client, owner: &BlobClient, key: &SharedKey) -> Outcome<()> {
    let url = owner.blob_url(CONTAINER, BLOB);
    let good = ServiceSas::read_blob(expiry(300)?).allow_http();
    let past = ServiceSas::read_blob(expiry(-5)?)
        .allow_http()
        .sign(key, CONTAINER, BLOB);
    let write = ServiceSas::new(SasScope::Blob, "w", expiry(300)?)
        .allow_http()
        .sign(key, CONTAINER, BLOB);
    let other = good.sign(key, CONTAINER, "another");
    for (what, query) in [
        ("expired", past),
        ("without r", write),
        ("of another blob", other),
    ] {
        let request = Request::get(format!("{url}?{query}"))
            .header("range", "bytes=0-9")
            .body(bytes::Bytes::new())?;
        let answer = http.send(request, soon()).await?;
        let code = answer
            .headers()
            .get("x-ms-error-code")
            .map_or("", |code| code.to_str().unwrap_or(""));
        println!(
            "SAS {what}: {} {code} -> {:?}",
            answer.status(),
            judge_range(answer.status(), code)
        );
    }
    let beyond = owner
        .get_range(CONTAINER, BLOB, 1 << 40..(1 << 40) + 1, soon())
        .await;
    println!(
        "range beyond the end: {}",
        beyond
            .err()
            .map_or("no error".to_owned(), |error| error.to_string())
    );
    Ok(())
}
