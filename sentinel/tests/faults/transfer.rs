//! B1 to B7 while it hydrates: bodies that break off, lie, or are another blob's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::process::eventually;
use crate::scene::{RANGE, Scene, WORKERS, single};
use crate::store::{BlobAsk, Kind};
use crate::wire::{Act, Answer, End};

/// Failures in a row that one piece of work bears, its own and those of the others beside it.
const STORM: usize = 6 * WORKERS;

/// Breaks the first `faults` ranges, each once.
pub fn ranges_break(scene: &Scene, faults: usize, act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    scene
        .store
        .breaks(move |ask| (ask.kind == Kind::Range && ask.n <= faults).then(|| act(ask)));
}

/// A fault in ranges that passes: Ready, and at most one range is asked for again for each.
pub fn passes(act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    let scene = Scene::new(single());
    ranges_break(&scene, 5, act);
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(5 * RANGE);
    assert_eq!(scene.plane.asked(), 1);
}

/// A fault in every range: it gives up after a number of attempts that has a bound.
pub fn lasts(act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, act);
    let mut sentinel = scene.start();
    scene.gives_up(&mut sentinel, "Unavailable");
    let ranges = scene.store.ranges.load(Ordering::SeqCst);
    assert!(ranges <= STORM, "{ranges} attempts");
    assert_eq!(scene.plane.asked(), 1);
}

pub fn short_bodies_are_taken_up() {
    passes(|ask| ask.usual().cut(RANGE / 3, End::Close));
}

pub fn short_bodies_for_ever() {
    lasts(|ask| ask.usual().cut(1000, End::Close));
}

pub fn resets_are_taken_up() {
    passes(|ask| ask.usual().cut(RANGE / 2, End::Reset));
}

pub fn resets_for_ever() {
    lasts(|ask| ask.usual().cut(0, End::Reset));
}

pub fn a_trickle_is_given_up_and_tried_again() {
    passes(|ask| ask.usual().whole().dripping(Duration::from_millis(200)));
}

/// A byte now and then is progress of a kind, and must not make the budget whole again.
pub fn a_trickle_for_ever() {
    lasts(|ask| ask.usual().whole().dripping(Duration::from_millis(200)));
}

pub fn stalls_are_given_up_and_tried_again() {
    passes(|ask| ask.usual().cut(RANGE / 2, End::Stall));
}

pub fn a_stall_before_the_head_is_given_up() {
    passes(|_| Act::silence());
}

/// SIGTERM while every worker waits.
pub fn a_stop_in_the_middle_of_a_stall() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| ask.usual().cut(RANGE / 2, End::Stall));
    let mut sentinel = scene.start_with(&[("TB_DOWNLOAD_IDLE_SECONDS", "600")], &[]);
    eventually("all workers wait", || {
        scene.store.ranges.load(Ordering::SeqCst) == WORKERS
    });
    assert_eq!(sentinel.state(), "Hydrate");
    sentinel.stops(0);
    assert!(!sentinel.was_open());
}

pub fn a_whole_blob_for_a_range_is_refused() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| {
        Answer::new(200, ask.blob).with("etag", ask.etag).whole()
    });
    let mut sentinel = scene.start();
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("must support Range"),
        "{report}"
    );
    let landed = std::fs::read(scene.landed()).unwrap();
    assert!(
        landed.iter().all(|byte| *byte == 0),
        "a whole body was written somewhere"
    );
}

/// Five ways to tell another range than the asked one.
fn mislabelled(ask: &BlobAsk) -> Answer {
    let (from, last, all) = (ask.start, ask.end - 1, ask.blob.len());
    let usual = ask.usual();
    match ask.n % 5 {
        0 => usual.without("content-range"),
        1 => usual.with("content-range", &format!("bytes {}-{}/{all}", from + 1, last + 1)),
        2 => usual.with("content-range", &format!("bytes {from}-{last}/{}", all + 1)),
        3 => usual.with(
            "content-range",
            &format!("bytes {from}-{}/{all}", last.saturating_sub(5)),
        ),
        _ => usual
            .without("content-range")
            .with("content-type", "multipart/byteranges; boundary=x"),
    }
}

pub fn mislabelled_ranges_are_asked_for_again() {
    passes(|ask| mislabelled(ask).whole());
}

pub fn mislabelled_ranges_for_ever() {
    lasts(|ask| mislabelled(ask).whole());
}

/// The blob is overwritten with the same bytes; the store enforces `If-Match`.
pub fn another_etag_begins_again() {
    let scene = Scene::new(single());
    let store = scene.store.clone();
    scene.store.breaks(move |ask| {
        if ask.kind == Kind::Range && ask.n == 5 {
            store.set_etag("\"0x8DB2\"");
            return Some(store.error(412, "ConditionNotMet").whole());
        }
        None
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 2);
    scene.fetched_at_most(6 * RANGE + WORKERS * RANGE);
}

/// It is overwritten whenever somebody looks away, by a store that ignores `If-Match`.
pub fn another_etag_each_time() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| {
        ask.usual().with("etag", &format!("\"{}\"", ask.n)).whole()
    });
    let mut sentinel = scene.start();
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("overwrite"),
        "{report}"
    );
    assert_eq!(scene.plane.asked(), 3);
}
