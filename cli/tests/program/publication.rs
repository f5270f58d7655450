//! `publish` refuses what a later step could not work with before the first one does anything.

use std::fs;

use crate::support::{fails, ok};

#[test]
fn what_any_step_could_not_use_is_refused_before_the_first() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), "sample-model --out model --size-mib 1");
    fs::write(dir.path().join("here"), "secret").unwrap();
    let line = |id: &str, credential: &str, token: &str| {
        format!(
            "publish --in model --asset-id {id} --out pub --container-url https://127.0.0.1:1/acct/models {credential} \
             --edc-endpoint https://127.0.0.1:1 --token-file {token} --registry acme.azurecr.io --image-name tb/runtime \
             --sentinel-binary model --skip build --image acme.azurecr.io/tb/runtime:1.0"
        )
    };
    let key = "--account-key-file here";
    for (code, line, word) in [
        (64, line("a..b", key, "here"), "Kubernetes"),
        (64, line("Llama", key, "here"), "Kubernetes"),
        (64, line("a-.b", key, "here"), "--skip modelasset"),
        (
            74,
            line("a", "--account-key-file gone", "here"),
            "--account-key-file",
        ),
        (77, line("a", "", "here"), "--sas-file"),
        (74, line("a", key, "gone"), "--token-file"),
    ] {
        let said = fails(dir.path(), code, &line);
        assert!(said.contains(word), "{line}: {said}");
        assert!(!dir.path().join("pub").exists(), "{line}");
    }
}
