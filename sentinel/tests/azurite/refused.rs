//! What Azurite refuses: signatures that ran out or are wrong, rights, blobs and containers that are not there, and
//! a certificate that nobody vouches for.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::scene::{RANGE, WORKERS, directory, single};
use crate::stage::Stage;

/// Every range is asked for once, of a directory too; nothing is refused.
#[test]
fn nothing_is_wrong() {
    for asset in [single(), directory()] {
        let stage = Stage::new(asset);
        let mut sentinel = stage.start();
        stage.scene.gets_ready(&mut sentinel);
        assert_eq!(stage.scene.plane.asked(), 1);
        if !asset.directory {
            let ranges = asset.blobs["model.tbenc"].len().div_ceil(RANGE);
            assert_eq!(stage.answered("GET", 206), ranges);
        }
    }
}

/// The SAS runs out while every worker is in the middle of a body: one authorisation more, no range lost.
#[test]
fn a_sas_runs_out_in_the_middle() {
    let stage = Stage::new(single());
    let life = Duration::from_secs(10);
    let short = stage.signing("r", SignedDuration::try_from(life).unwrap());
    let long = stage.signing("r", SignedDuration::from_hours(1));
    stage.signs(Arc::new(move |n| if n == 1 { short(n) } else { long(n) }));
    let mut sentinel = stage.in_the_middle(|| std::thread::sleep(life + Duration::from_secs(1)));
    stage.scene.gets_ready(&mut sentinel);
    assert_eq!(stage.scene.plane.asked(), 2, "one authorisation for all workers");
    let refused = stage.answered("GET", 403);
    assert!(
        (1..=WORKERS).contains(&refused),
        "{refused} refusals of a SAS that ran out"
    );
    let ranges = stage.scene.ciphertext_bytes().div_ceil(RANGE);
    let got = stage.answered("GET", 206);
    assert!(
        (ranges..=ranges + WORKERS).contains(&got),
        "{got} answers for {ranges} ranges"
    );
}

/// Signed by another key each time: as if the account's key had been rotated.
#[test]
fn a_wrong_signature_is_a_no() {
    let stage = Stage::new(single());
    let right = stage.signing("r", SignedDuration::from_hours(1));
    stage.signs(Arc::new(move |n| {
        let text = right(n);
        let (terms, _) = text.split_once("&sig=").unwrap();
        format!("{terms}&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D")
    }));
    let mut sentinel = stage.start();
    stage.scene.is_suspended(&mut sentinel, "Denied");
    assert_eq!(stage.scene.plane.asked(), 3);
    assert_eq!(stage.answered("GET", 206), 0);
}

/// A right that the SAS does not give does not come by asking again.
#[test]
fn a_missing_right_is_a_no() {
    let stage = Stage::new(single());
    stage.signs(stage.signing("l", SignedDuration::from_hours(1)));
    let mut sentinel = stage.start();
    stage.scene.is_suspended(&mut sentinel, "Denied");
    assert_eq!(stage.scene.plane.asked(), 1);
}

/// The weights are missing from the start, or go while they are fetched; so does the whole container.
#[test]
fn a_blob_or_container_that_is_gone() {
    let missing = Stage::new(single());
    missing.remove("model.tbenc");
    let mut sentinel = missing.start();
    let report = missing.scene.gives_up(&mut sentinel, "Unavailable");
    let message = report["message"].as_str().unwrap();
    assert!(message.contains("404"), "{message}");
    for container in [false, true] {
        let stage = Stage::new(single());
        let mut sentinel = stage.in_the_middle(|| {
            if container {
                stage.remove_container();
            } else {
                stage.remove("model.tbenc");
            }
        });
        let report = stage.scene.gives_up(&mut sentinel, "Unavailable");
        let message = report["message"].as_str().unwrap();
        assert!(message.contains("404"), "{message}");
        assert!(stage.answered("GET", 206) < stage.scene.ciphertext_bytes().div_ceil(RANGE));
    }
}

/// Without Azurite's authority nothing is asked of it.
#[test]
fn a_store_whose_authority_is_not_trusted() {
    let stage = Stage::new(single());
    let mut sentinel = stage.scene.start();
    stage.scene.gives_up(&mut sentinel, "Unavailable");
    assert!(!stage.azurite.quiet_log().contains("\"GET "), "it was asked");
    let mut sentinel = stage.start();
    stage.scene.gets_ready(&mut sentinel);
}
