//! What is refused, with its exit code and its next step.

use std::fs;

use crate::azurite::Azurite;
use crate::model::one_file;
use crate::program::{BY_KEY, trustbridge, upload};

#[test]
fn a_public_container_is_refused_and_a_private_one_is_not() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-public", 1);
    azurite.make("open-list", Some("container"));
    azurite.make("open-blobs", Some("blob"));
    azurite.make("models", None);
    let ca = azurite.pki.ca.display();
    for container in ["open-list", "open-blobs"] {
        let url = azurite.container_url(container);
        let line = format!("upload --asset-dir asset --container-url {url} --ca-file {ca}");
        let by_key = trustbridge(&azurite, &format!("{line} {BY_KEY} --create-container")).fails(77);
        assert!(
            by_key.contains("is public") && by_key.contains("--public-access off"),
            "{by_key}"
        );
        // This SAS opens nothing; the store tells the properties of the one, and a stranger's look those of the other.
        fs::write(azurite.path("sas"), azurite.sas(container, "rcw", -10)).unwrap();
        let by_sas = trustbridge(&azurite, &format!("{line} --sas-file sas")).fails(77);
        let seen = if container == "open-list" {
            "is not \"private\""
        } else {
            "without a credential"
        };
        assert!(by_sas.contains("is public") && by_sas.contains(seen), "{by_sas}");
        assert!(azurite.etags(container).is_empty());
    }
    upload(&azurite, "asset", BY_KEY).json();
    assert_eq!(azurite.etags("models").len(), 2);
}

#[test]
fn a_sas_that_is_of_no_use_says_why() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-sas", 1);
    azurite.make("models", None);
    let good = azurite.sas("models", "rcw", 10);
    let forged = good.replace("sp=rcw", "sp=rcwd");
    for (sas, reason) in [
        (azurite.sas("models", "rcw", -10), "ran out at"),
        (azurite.sas("models", "r", 10), "with sp=r)"),
        (azurite.sas("elsewhere", "rcw", 10), "not accepted"),
        (forged, "not accepted"),
    ] {
        fs::write(azurite.path("sas"), &sas).unwrap();
        let said = upload(&azurite, "asset", "--sas-file sas").fails(77);
        assert!(
            said.contains(reason) && !said.contains("sig="),
            "{reason}: {said}"
        );
        assert!(azurite.etags("models").is_empty());
    }
    fs::write(azurite.path("sas"), good).unwrap();
    upload(&azurite, "asset", "--sas-file sas").json();
}

#[test]
fn a_missing_container_a_wrong_authority_and_a_dead_host_have_their_own_exit_codes() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-no", 1);
    let missing = upload(&azurite, "asset", BY_KEY).fails(65);
    assert!(missing.contains("--create-container"), "{missing}");
    azurite.make("models", None);
    crate::pki::write(azurite.folder.path(), "other");
    let url = azurite.container_url("models");
    let line = format!("upload --asset-dir asset {BY_KEY} --container-url");
    let wrong_ca = trustbridge(&azurite, &format!("{line} {url} --ca-file other-ca.crt")).fails(69);
    assert!(wrong_ca.contains("--ca-file"), "{wrong_ca}");
    let ca = azurite.pki.ca.display();
    let dead = format!("{line} https://127.0.0.1:1/tbassets/models --ca-file {ca}");
    let said = trustbridge(&azurite, &dead).fails(69);
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let nothing = upload(&azurite, "asset", "").fails(77);
    assert!(
        nothing.contains("--sas-file") && nothing.contains("AZURE_STORAGE_CONNECTION_STRING"),
        "{nothing}"
    );
    assert!(azurite.etags("models").is_empty());
}

#[test]
fn a_query_in_the_container_url_is_refused_without_being_shown() {
    let azurite = Azurite::start();
    one_file(&azurite, "asset", "tb-query", 1);
    let sas = azurite.sas("models", "rcw", 10);
    let url = format!("{}?{sas}", azurite.container_url("models"));
    let said = trustbridge(
        &azurite,
        &format!("upload --asset-dir asset --container-url {url}"),
    )
    .fails(64);
    assert!(
        said.contains("a SAS goes into a file") && !said.contains("sig="),
        "{said}"
    );
}
