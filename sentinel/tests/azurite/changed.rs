//! Blobs that become other ones in the middle of their transfer, wrong bytes from the start, and lines that break.

use trustbridge_tbenc::{Key, encrypt_stream};

use crate::scene::{RANGE, WORKERS, single};
use crate::stage::Stage;

const BLOB: &str = "model.tbenc";

/// A valid file of the same length, under another key.
fn other_file() -> Vec<u8> {
    let mut other = Vec::new();
    let plain = &single().plain[BLOB];
    encrypt_stream(plain.as_slice(), &mut other, &Key::generate().unwrap(), 65_536).unwrap();
    assert_eq!(other.len(), single().blobs[BLOB].len());
    other
}

/// Overwritten with the same bytes: Azurite enforces `If-Match`, and all begins again with a fresh authorisation.
#[test]
fn an_overwritten_blob_is_fetched_anew() {
    let stage = Stage::new(single());
    let mut sentinel = stage.in_the_middle(|| stage.put(BLOB, &single().blobs[BLOB]));
    stage.scene.gets_ready(&mut sentinel);
    assert_eq!(stage.scene.plane.asked(), 2);
    let refused = stage.answered("GET", 412);
    assert!((1..=WORKERS).contains(&refused), "{refused} times 412");
}

/// Overwritten with another asset's file: fetched anew, and the digest says that it is not the promised one.
#[test]
fn a_blob_that_becomes_another_one() {
    let stage = Stage::new(single());
    let mut sentinel = stage.in_the_middle(|| stage.put(BLOB, &other_file()));
    stage.scene.is_suspended(&mut sentinel, "Integrity");
    assert!(!sentinel.was_open());
    assert!(stage.answered("GET", 412) >= 1);
}

/// Replaced by its own first half: the length gives it away before a byte of it is fetched.
#[test]
fn a_blob_that_becomes_shorter() {
    let stage = Stage::new(single());
    let whole = &single().blobs[BLOB];
    let mut sentinel = stage.in_the_middle(|| stage.put(BLOB, &whole[..whole.len() / 2]));
    stage.scene.is_suspended(&mut sentinel, "Integrity");
    assert!(stage.answered("GET", 412) >= 1);
    assert!(stage.answered("GET", 206) < whole.len().div_ceil(RANGE));
}

/// Wrong from the start: one byte, another asset's file, cut at half.
#[test]
fn wrong_bytes_from_the_start() {
    let whole = &single().blobs[BLOB];
    let mut flipped = whole.clone();
    flipped[1_000_000] ^= 1;
    for bytes in [flipped, other_file(), whole[..whole.len() / 2].to_vec()] {
        let stage = Stage::new(single());
        stage.put(BLOB, &bytes);
        let mut sentinel = stage.start();
        stage.scene.is_suspended(&mut sentinel, "Integrity");
        assert!(!sentinel.was_open());
    }
}

/// Every connection is reset in the middle: each range goes on where it broke off.
#[test]
fn lines_that_break_are_taken_up() {
    let stage = Stage::new(single());
    let mut sentinel = stage.in_the_middle(|| stage.gate.cuts());
    stage.scene.gets_ready(&mut sentinel);
    assert_eq!(stage.scene.plane.asked(), 1);
    let (ranges, got) = (
        stage.scene.ciphertext_bytes().div_ceil(RANGE),
        stage.answered("GET", 206),
    );
    assert!(
        (ranges..=ranges + WORKERS).contains(&got),
        "{got} answers for {ranges} ranges"
    );
}
