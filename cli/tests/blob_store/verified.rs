//! `verify` by URL: what was uploaded, and what was put in its place.

use bytes::Bytes;

use crate::azurite::Azurite;
use crate::model::{folder, one_file, three_shards};
use crate::program::{BY_KEY, Run, trustbridge, upload};

/// `verify` of an asset's folder, or of a blob in it, by its URL with a SAS.
fn verify(azurite: &Azurite, asset: &str, more: &str) -> Run {
    let (url, sas) = (azurite.container_url("models"), azurite.sas("models", "r", 10));
    let ca = azurite.pki.ca.display();
    trustbridge(
        azurite,
        &format!("verify --in {url}/models/{asset}?{sas} --ca-file {ca} {more}"),
    )
}

#[test]
fn a_directory_is_verified_by_its_url_with_and_without_the_key() {
    let azurite = Azurite::start();
    three_shards(&azurite, "asset", "tb-v", 11);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let with_key = verify(&azurite, "tb-v", "--key-file asset.key").json();
    assert_eq!(
        (with_key["result"].as_str(), with_key["files"].as_u64()),
        (Some("ok"), Some(4))
    );
    let without = verify(&azurite, "tb-v", "").json();
    assert_eq!(without["records_opened"], false);
    let by_key = trustbridge(
        &azurite,
        &format!(
            "verify --in {}/models/tb-v {BY_KEY} --ca-file {}",
            azurite.container_url("models"),
            azurite.pki.ca.display()
        ),
    );
    assert_eq!(by_key.json()["result"], "ok");
}

#[test]
fn one_file_is_verified_by_its_own_url() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-v", 9);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    assert_eq!(verify(&azurite, "tb-v/model.tbenc", "").json()["result"], "ok");
    let manifest = format!(
        "{}/models/tb-v/model.manifest.json?{}",
        azurite.container_url("models"),
        azurite.sas("models", "r", 10)
    );
    let more = format!("--manifest {manifest} --key-file asset.key");
    assert_eq!(verify(&azurite, "tb-v/model.tbenc", &more).json()["result"], "ok");
}

#[test]
fn a_flipped_byte_a_swapped_shard_and_another_assets_blobs_each_have_their_own_error() {
    let azurite = Azurite::start();
    three_shards(&azurite, "asset", "tb-v", 9);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let base = folder("tb-v");
    let shard = |n: u8| format!("{base}/files/model-0000{n}-of-00003.safetensors.tbenc");
    let (first, second) = (azurite.get(&shard(1)), azurite.get(&shard(2)));
    let mut flipped = first.to_vec();
    flipped[5 << 20] ^= 1;
    azurite.put(&shard(1), flipped.into());
    let with_key = verify(&azurite, "tb-v", "--key-file asset.key").fails(65);
    assert!(
        with_key.contains("[AUTH]") && with_key.contains("model-00001"),
        "{with_key}"
    );
    let without = verify(&azurite, "tb-v", "").fails(65);
    assert!(
        without.contains("[DIGEST]") && without.contains("sha256_ciphertext"),
        "{without}"
    );

    azurite.put(&shard(1), second.clone());
    azurite.put(&shard(2), first.clone());
    let swapped = verify(&azurite, "tb-v", "--key-file asset.key").fails(65);
    assert!(swapped.contains("swapped"), "{swapped}");
    azurite.put(&shard(1), first);
    azurite.put(&shard(2), second);
    assert_eq!(verify(&azurite, "tb-v", "").json()["result"], "ok");

    three_shards(&azurite, "other", "tb-w", 9);
    upload(&azurite, "other", BY_KEY).json();
    let theirs = azurite.get(&format!("{}/model.manifest.json", folder("tb-w")));
    azurite.put(&format!("{base}/model.manifest.json"), theirs);
    for more in ["", "--key-file asset.key"] {
        let said = verify(&azurite, "tb-v", more).fails(65);
        assert!(said.contains("tb-w"), "{said}");
    }
}

#[test]
fn a_short_blob_a_missing_one_and_a_refused_sas_are_told_apart() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-v", 2);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let name = format!("{}/model.tbenc", folder("tb-v"));
    let short = azurite.get(&name).slice(..1_000_000);
    azurite.put(&name, short);
    assert!(verify(&azurite, "tb-v", "").fails(65).contains("[SIZE]"));
    azurite.ask(http::Method::DELETE, &name, &[], Bytes::new());
    let gone = verify(&azurite, "tb-v", "").fails(65);
    assert!(gone.contains("no such blob"), "{gone}");
    let url = format!("{}/models/tb-v", azurite.container_url("models"));
    let ca = azurite.pki.ca.display();
    let expired = azurite.sas("models", "r", -5);
    let said = trustbridge(&azurite, &format!("verify --in {url}?{expired} --ca-file {ca}")).fails(77);
    assert!(said.contains("ran out") && !said.contains("sig="), "{said}");
    let bare = trustbridge(&azurite, &format!("verify --in {url} --ca-file {ca}")).fails(77);
    assert!(bare.contains("SAS"), "{bare}");
}

#[test]
fn inspect_reads_a_blobs_header_alone_and_tells_a_missing_one() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-i", 13);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let before = downloads(&azurite);
    let (url, ca) = (azurite.container_url("models"), azurite.pki.ca.display());
    let line = format!("inspect --in {url}/models/tb-i {BY_KEY} --ca-file {ca}");
    assert_eq!(trustbridge(&azurite, &line).json()["blobs"][0]["state"], "ok");
    assert_eq!(
        downloads(&azurite),
        before + 1,
        "one range, and nothing ahead of it"
    );
    azurite.ask(
        http::Method::DELETE,
        &format!("{}/model.tbenc", folder("tb-i")),
        &[],
        Bytes::new(),
    );
    assert_eq!(
        trustbridge(&azurite, &line).json()["blobs"][0]["state"],
        "missing"
    );
}

/// Requests for a ciphertext's content.
fn downloads(azurite: &Azurite) -> usize {
    let log = azurite.quiet_log();
    let content = |line: &&str| line.contains("\"GET ") && line.contains("model.tbenc");
    log.lines().filter(content).count()
}

#[test]
fn a_sas_on_standard_input_serves_ciphertext_and_manifest() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-v", 2);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let sas = azurite.path("sas");
    std::fs::write(&sas, azurite.sas("models", "r", 10)).unwrap();
    let folder = format!("{}/models/tb-v", azurite.container_url("models"));
    let ca = azurite.pki.ca.display();
    for places in [
        format!("--in {folder}/model.tbenc"),
        format!("--in {folder} --manifest {folder}/model.manifest.json"),
        format!("--in {folder}/model.tbenc --manifest {folder}/model.manifest.json"),
        format!("--manifest {folder}/model.manifest.json"),
    ] {
        let line = format!("verify {places} --sas-file - --ca-file {ca}");
        let said = trustbridge(&azurite, &line).reading(&sas).json();
        assert_eq!(said["result"], "ok", "{places}");
    }
}

#[test]
fn a_ciphertext_of_any_name_is_verified_by_its_url_and_a_named_manifest() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-v", 2);
    upload(&azurite, "asset", &format!("{BY_KEY} --create-container")).json();
    let base = folder("tb-v");
    azurite.put(
        &format!("{base}/cipher.bin"),
        azurite.get(&format!("{base}/model.tbenc")),
    );
    let local = "--manifest asset/model.manifest.json --key-file asset.key";
    for place in ["tb-v/cipher.bin", "tb-v", "tb-v/"] {
        let said = verify(&azurite, place, local).json();
        assert_eq!(said["result"], "ok", "{place}");
    }
}
