//! Every kind of credential, and that none of them is ever shown.

use std::fs;
use std::process::Child;

use crate::azurite::{ACCOUNT, Azurite};
use crate::entra::{CLIENT, Entra, SECRET, TENANT};
use crate::model::{folder, one_file};
use crate::program::{BY_KEY, Run, arguments, found, trustbridge, upload};

fn is_uploaded(azurite: &Azurite, id: &str) {
    let stored = azurite.get(&format!("{}/model.tbenc", folder(id)));
    assert_eq!(stored, fs::read(azurite.path("asset/model.tbenc")).unwrap());
}

#[test]
fn a_sas_comes_from_a_file_from_the_environment_or_from_standard_input() {
    let azurite = Azurite::start();
    azurite.make("models", None);
    let sas = azurite.sas("models", "rcw", 10);
    fs::write(azurite.path("sas"), format!("?{sas}\n")).unwrap();
    for (n, way) in ["flag", "file variable", "variable"].into_iter().enumerate() {
        let asset = format!("asset{n}");
        one_file(&azurite, &asset, &format!("tb-sas-{n}"), 1);
        let said = match way {
            "flag" => upload(&azurite, &asset, "--sas-file sas"),
            "file variable" => upload(&azurite, &asset, "--credential sas").env("TB_BLOB_SAS_FILE", "sas"),
            _ => upload(&azurite, &asset, "--credential sas").env("TB_BLOB_SAS", &sas),
        }
        .json();
        assert_eq!(said["blobs_kept"].as_u64(), Some(0), "{way}");
    }
    assert_eq!(azurite.etags("models").len(), 6);
    one_file(&azurite, "asset", "tb-sas", 1);
    let unasked = upload(&azurite, "asset", "").env("TB_BLOB_SAS", &sas).fails(77);
    assert!(
        unasked.contains("only with --credential sas") && found(&unasked, &["sig="]).is_empty(),
        "{unasked}"
    );
}

#[test]
fn a_connection_string_is_turned_into_a_short_lived_sas() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-string", 1);
    let (endpoint, key) = (azurite.endpoint(), &azurite.key);
    let string = format!(
        "DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"
    );
    fs::write(azurite.path("string"), &string).unwrap();
    upload(
        &azurite,
        "asset",
        "--connection-string-file string --create-container",
    )
    .json();
    is_uploaded(&azurite, "tb-string");
    let again = upload(&azurite, "asset", "")
        .env("AZURE_STORAGE_CONNECTION_STRING", &string)
        .json();
    assert_eq!(again["bytes_sent"].as_u64(), Some(0));
    let log = azurite.quiet_log();
    assert!(log.contains("se=") && !log.contains("SharedKey"));
    let elsewhere = string.replace(&endpoint, "https://other.example/tbassets");
    let said = upload(&azurite, "asset", "")
        .env("AZURE_STORAGE_CONNECTION_STRING", &elsewhere)
        .fails(77);
    assert!(
        said.contains("other.example") && found(&said, &[key]).is_empty(),
        "{said}"
    );
}

fn by_secret(run: Run, entra: &Entra, secret: &str) -> Run {
    run.env("AZURE_AUTHORITY_HOST", &entra.url)
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_CLIENT_SECRET", secret)
}

/// One file with both authorities, as `--ca-file` takes one.
fn both_authorities(azurite: &Azurite, entra: &Entra) {
    let both = [&azurite.pki.ca, &entra.pki.ca].map(|path| fs::read_to_string(path).unwrap());
    fs::write(azurite.path("both.crt"), both.concat()).unwrap();
}

fn upload_with_token(azurite: &Azurite, more: &str) -> Run {
    let url = azurite.container_url("models");
    trustbridge(
        azurite,
        &format!("upload --asset-dir asset --container-url {url} --ca-file both.crt {more}"),
    )
}

#[test]
fn an_access_token_of_a_service_principal_and_of_a_workload_uploads() {
    let azurite = Azurite::start();
    let entra = Entra::start(azurite.folder.path(), "https://storage.azure.com");
    both_authorities(&azurite, &entra);
    one_file(&azurite, "asset", "tb-token", 9);
    let by_environment = upload_with_token(&azurite, "--credential environment --create-container");
    let said = by_secret(by_environment, &entra, SECRET).json();
    assert_eq!(said["blobs"].as_u64(), Some(2));
    let log = azurite.quiet_log();
    assert!(
        log.contains("blockid=") && !log.contains("sig="),
        "no SAS was needed"
    );
    is_uploaded(&azurite, "tb-token");

    fs::write(azurite.path("assertion"), SECRET).unwrap();
    let by_workload = upload_with_token(&azurite, "--credential workload")
        .env("AZURE_AUTHORITY_HOST", &entra.url)
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_FEDERATED_TOKEN_FILE", "assertion");
    assert_eq!(by_workload.json()["bytes_sent"].as_u64(), Some(0));
}

#[test]
fn a_token_that_is_refused_says_why_and_shows_nothing() {
    let azurite = Azurite::start();
    azurite.make("models", None);
    let entra = Entra::start(azurite.folder.path(), "https://somewhere.else.example");
    both_authorities(&azurite, &entra);
    one_file(&azurite, "asset", "tb-token", 1);
    let wrong_audience = by_secret(
        upload_with_token(&azurite, "--credential environment"),
        &entra,
        SECRET,
    );
    let said = wrong_audience.fails(77);
    assert!(
        said.contains("HTTP 403") && said.contains("environment"),
        "{said}"
    );
    let other_secret = "another~secret~that~is~wrong";
    let wrong_secret = by_secret(
        upload_with_token(&azurite, "--credential environment"),
        &entra,
        other_secret,
    );
    let said = wrong_secret.fails(77);
    assert!(said.contains("AADSTS7000215"), "{said}");
    assert!(
        found(&said, &[other_secret, SECRET, "client_secret="]).is_empty(),
        "{said}"
    );
    let unasked = by_secret(upload_with_token(&azurite, ""), &entra, SECRET).fails(77);
    assert!(unasked.contains("only with --credential"), "{unasked}");
}

/// Looks at the arguments of a running program until it ends; its output and everything that was seen.
fn watched(mut child: Child) -> (String, String) {
    let mut seen = String::new();
    while child.try_wait().unwrap().is_none() {
        let line = arguments(child.id());
        if !seen.contains(&line) {
            seen.push_str(&line);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), seen)
}

#[test]
fn no_secret_is_printed_or_stands_in_the_arguments() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-quiet", 9);
    azurite.make("models", None);
    let sas = azurite.sas("models", "rcw", 10);
    let signature = sas.split('&').find(|pair| pair.starts_with("sig=")).unwrap();
    fs::write(azurite.path("sas"), &sas).unwrap();
    let secrets = [signature, "sig=", azurite.key.as_str()];
    for more in [
        BY_KEY,
        "--sas-file sas",
        "--sas-file sas --timeout 1 --ca-file store.key",
    ] {
        let line = if more.contains("--ca-file") {
            let url = azurite.container_url("models");
            trustbridge(
                &azurite,
                &format!("upload --asset-dir asset --container-url {url} {more}"),
            )
        } else {
            upload(&azurite, "asset", more)
        };
        let (said, seen) = watched(line.spawn());
        assert!(
            seen.contains("--asset-dir"),
            "the arguments were looked at: {seen}"
        );
        assert!(found(&said, &secrets).is_empty(), "{more}: {said}");
        assert!(found(&seen, &secrets).is_empty(), "{more}: {seen}");
    }
    let control = fs::read_to_string(azurite.path("sas")).unwrap() + &azurite.key;
    assert_eq!(
        found(&control, &secrets).len(),
        3,
        "the search finds what is there"
    );
}
