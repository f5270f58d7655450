//! A publication that failed or was killed at each step, and goes on where it stopped.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::provider::{Provider, TOKEN, outcomes};

const STEPS: [&str; 6] = ["encrypt", "upload", "register", "build", "package", "modelasset"];

fn done(provider: &Provider) -> Vec<&'static str> {
    let state = provider.state();
    STEPS
        .into_iter()
        .filter(|step| state["steps"][step]["done"] == true)
        .collect()
}

#[test]
fn a_step_that_failed_is_taken_again_and_the_others_are_not() {
    let mut provider = Provider::new();
    // The model is broken, then whole again: nothing was uploaded under it, so it may be corrected.
    let config = provider.path("model/config.json");
    let whole = fs::read(&config).unwrap();
    fs::write(&config, "{").unwrap();
    provider.fails(65, &[]);
    assert!(done(&provider).is_empty());
    fs::write(&config, whole).unwrap();
    // The blob store refuses the key.
    let wrong = provider.path("wrong.key");
    fs::write(&wrong, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    provider.fails(77, &["--account-key-file", "wrong.key"]);
    assert_eq!(done(&provider), ["encrypt"]);
    // Nobody is at the blob store's address.
    provider.fails(
        69,
        &[
            "--container-url",
            "https://127.0.0.1:1/acct/models",
            "--timeout",
            "5",
        ],
    );
    assert_eq!(done(&provider), ["encrypt"]);
    let key = fs::read(provider.path("pub/asset.key")).unwrap();
    // Then at the control plane's.
    provider.fails(69, &["--timeout", "5"]);
    assert_eq!(done(&provider), ["encrypt", "upload"]);
    provider.double.listen(Some("another"), None);
    provider.fails(77, &[]);
    provider.double.stop();
    sleep(Duration::from_millis(200));
    provider.double.listen(Some(TOKEN), None);
    // Then at the registry's.
    provider.fails(69, &[]);
    assert_eq!(done(&provider), ["encrypt", "upload", "register"]);
    provider.registry.listen();
    // Then something lies in the package's place.
    fs::write(provider.path("pub/package.zip"), "theirs").unwrap();
    let said = provider.fails(64, &[]);
    assert!(said.contains("package.zip"), "{said}");
    assert_eq!(done(&provider), ["encrypt", "upload", "register", "build"]);
    fs::remove_file(provider.path("pub/package.zip")).unwrap();
    fs::write(provider.path("pub/modelasset.yaml"), "theirs").unwrap();
    provider.fails(65, &[]);
    fs::remove_file(provider.path("pub/modelasset.yaml")).unwrap();
    let report = provider.publishes(&[]);
    let now: Vec<String> = outcomes(&report)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(now, [["unchanged"; 5].as_slice(), &["done"]].concat());
    assert_eq!(
        fs::read(provider.path("pub/asset.key")).unwrap(),
        key,
        "encrypted once"
    );
}

#[test]
fn killed_at_every_step_it_comes_to_an_end() {
    let provider = Provider::ready();
    let mut killed = Vec::new();
    for step in STEPS {
        let mut child = provider.spawns();
        let begun = Instant::now();
        // The step's record is written before it does anything.
        while provider.state()["steps"][step].is_null() && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_mins(2), "{step} does not begin");
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        if child.wait().unwrap().code().is_none() {
            killed.push(step);
        }
    }
    assert!(
        killed.len() >= 4,
        "too few runs were killed in the middle: {killed:?}"
    );
    let key = fs::read(provider.path("pub/asset.key")).unwrap();
    let report = provider.publishes(&[]);
    assert_eq!(done(&provider), STEPS);
    assert_eq!(fs::read(provider.path("pub/asset.key")).unwrap(), key);
    let again = provider.publishes(&[]);
    assert!(
        outcomes(&again).iter().all(|(_, outcome)| outcome == "unchanged"),
        "{again}"
    );
    assert_eq!(again["image"], report["image"]);
    let left: Vec<String> = fs::read_dir(provider.path("pub"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_package_makes_way_for_one_of_another_image_whatever_became_of_it() {
    let mut provider = Provider::new();
    provider.double.listen(Some(TOKEN), None);
    let image = |tag: &str| format!("acme.azurecr.io/tb/runtime:{tag}");
    let publishes = |tag: &str| provider.publishes(&["--skip", "build", "--image", &image(tag)]);
    let package = provider.path("pub/package.zip");
    let is_for = |tag: &str| String::from_utf8_lossy(&fs::read(&package).unwrap()).contains(&image(tag));
    publishes("1.0");
    fs::remove_file(&package).unwrap();
    publishes("2.0");
    assert!(is_for("2.0"));
    // Killed between the file and the note that it is done.
    let mut state = provider.state();
    state["steps"]["package"]["done"] = false.into();
    fs::write(provider.path("pub/publish.json"), state.to_string()).unwrap();
    publishes("3.0");
    assert!(is_for("3.0"));
    // Somebody else's file stays.
    fs::write(&package, "theirs").unwrap();
    provider.fails(64, &["--skip", "build", "--image", &image("4.0")]);
    assert_eq!(fs::read(&package).unwrap(), b"theirs");
}

#[test]
fn inputs_that_changed_are_refused_by_name() {
    let provider = Provider::ready();
    provider.publishes(&[]);
    for (flag, value, word) in [
        ("--edc-endpoint", "https://other.example", "control plane"),
        ("--tag", "2.0", "image"),
        ("--sentinel-binary", "/bin/false", "sentinel binary"),
        ("--min-gpu", "2", "min gpu"),
        ("--chunk-bytes", "65536", "chunk bytes"),
    ] {
        let said = provider.fails(65, &[flag, value]);
        assert!(said.contains(word), "{flag}: {said}");
    }
    let said = provider.fails(64, &["--asset-id", "tb-other"]);
    assert!(said.contains("--out"), "{said}");
    let config = provider.path("model/config.json");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push('\n');
    fs::write(&config, text).unwrap();
    let said = provider.fails(65, &[]);
    assert!(said.contains("file config.json"), "{said}");
}

#[test]
fn a_folder_that_holds_somebody_elses_asset_is_left_alone() {
    let provider = Provider::new();
    fs::create_dir_all(provider.path("pub/asset")).unwrap();
    fs::write(provider.path("pub/asset/theirs"), "x").unwrap();
    provider.fails(64, &[]);
    assert!(provider.path("pub/asset/theirs").exists());
}
