//! What an upload leaves, and that it leaves it alone afterwards.

use bytes::Bytes;
use http::Method;
use trustbridge_tbenc::hex_digest;

use crate::azurite::Azurite;
use crate::model::{folder, one_file, three_shards};
use crate::program::{BY_KEY, trustbridge, upload};

#[test]
fn one_file_lies_where_the_specification_says_and_a_second_run_changes_nothing() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-one", 3);
    azurite.make("models", None);
    let said = upload(&azurite, "asset", BY_KEY).json();
    assert_eq!(
        (said["blobs"].as_u64(), said["blobs_kept"].as_u64()),
        (Some(2), Some(0))
    );
    let url = format!("{}/models/tb-one", azurite.container_url("models"));
    assert_eq!(said["blob_base_url"], url);
    let stored = azurite.get(&format!("{}/model.tbenc", folder("tb-one")));
    assert_eq!(stored, std::fs::read(azurite.path("asset/model.tbenc")).unwrap());
    let manifest = azurite.get(&format!("{}/model.manifest.json", folder("tb-one")));
    assert_eq!(hex_digest(&manifest), said["manifest_sha256"]);

    let (before, log) = (azurite.etags("models"), azurite.quiet_log());
    assert_eq!(before.len(), 2);
    let again = upload(&azurite, "asset", BY_KEY).json();
    assert_eq!(
        (again["blobs_kept"].as_u64(), again["bytes_sent"].as_u64()),
        (Some(2), Some(0))
    );
    let later = azurite.quiet_log();
    let requests = later.strip_prefix(&log).unwrap();
    assert!(
        requests.contains("HEAD") && !requests.contains("\"PUT") && !requests.contains("\"POST"),
        "{requests}"
    );
    assert_eq!(azurite.etags("models"), before);
}

#[test]
fn a_directory_goes_up_file_by_file_and_its_manifest_last() {
    let azurite = Azurite::start();
    three_shards(&azurite, "asset", "tb-dir", 9);
    let said = upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    assert_eq!(said["blobs"].as_u64(), Some(5));
    let mut names: Vec<String> = azurite
        .etags("models")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    let files = "models/tb-dir/files";
    let expected = [
        format!("{files}/config.json.tbenc"),
        format!("{files}/model-00001-of-00003.safetensors.tbenc"),
        format!("{files}/model-00002-of-00003.safetensors.tbenc"),
        format!("{files}/model-00003-of-00003.safetensors.tbenc"),
        "models/tb-dir/model.manifest.json".to_owned(),
    ];
    assert_eq!(names, expected);
    let log = azurite.quiet_log();
    let writes: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"PUT") && !line.contains("comp=block&"))
        .collect();
    assert!(
        writes.last().unwrap().contains("model.manifest.json"),
        "{writes:?}"
    );
    assert_eq!(
        log.matches("comp=blocklist").count(),
        8,
        "a list read and a list written for each file"
    );
    let again = upload(&azurite, "asset", BY_KEY).json();
    assert_eq!(again["bytes_sent"].as_u64(), Some(0));
}

#[test]
fn the_specifications_arguments_take_files_of_any_name() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-named", 1);
    std::fs::rename(azurite.path("asset/model.tbenc"), azurite.path("cipher.bin")).unwrap();
    std::fs::rename(azurite.path("asset/model.manifest.json"), azurite.path("m.json")).unwrap();
    azurite.make("models", None);
    let url = azurite.container_url("models");
    let ca = azurite.pki.ca.display();
    let line = format!(
        "upload --container-url {url} --ca-file {ca} {BY_KEY} --asset-id tb-named --encrypted-file cipher.bin --manifest m.json"
    );
    trustbridge(&azurite, &line).json();
    let stored = azurite.get(&format!("{}/model.tbenc", folder("tb-named")));
    assert_eq!(stored, std::fs::read(azurite.path("cipher.bin")).unwrap());
    let other = line.replace("--asset-id tb-named", "--asset-id tb-other");
    assert!(trustbridge(&azurite, &other).fails(64).contains("tb-other"));
}

#[test]
fn other_content_under_the_same_id_is_refused_before_a_byte_is_sent() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-same", 2);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    one_file(&azurite, "other", "tb-same", 2);
    let before = (
        azurite.etags("models"),
        azurite.quiet_log().matches("\"PUT").count(),
    );
    let said = upload(&azurite, "other", BY_KEY).fails(65);
    assert!(said.contains("--asset-id") && said.contains("SHA-256"), "{said}");
    assert_eq!(
        (
            azurite.etags("models"),
            azurite.quiet_log().matches("\"PUT").count()
        ),
        before
    );

    let name = format!("{}/model.tbenc", folder("tb-same"));
    let gone = azurite.ask(Method::DELETE, &name, &[], Bytes::new());
    assert_eq!(gone.status(), 202);
    azurite.put(&name, Bytes::from_static(b"of another program"));
    let said = upload(&azurite, "asset", BY_KEY).fails(65);
    assert!(said.contains("not written by"), "{said}");
}

#[test]
fn a_file_that_is_not_the_manifests_makes_no_blob_and_spoils_no_later_run() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-bad", 20);
    let path = azurite.path("asset/model.tbenc");
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[10 << 20] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let said = upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).fails(65);
    assert!(said.contains("no blob was made"), "{said}");
    assert!(azurite.etags("models").is_empty());
    std::fs::write(&path, &good).unwrap();
    let said = upload(&azurite, "asset", BY_KEY).json();
    assert!(said["bytes_reused"].as_u64().unwrap() >= 8 << 20, "{said}");
    assert_eq!(azurite.get(&format!("{}/model.tbenc", folder("tb-bad"))), good);
}
