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
