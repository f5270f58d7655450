//! C1 to C11 at the first question: what a control plane can say.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use trustbridge_tbenc::Key;

use crate::process::eventually;
use crate::scene::{Scene, single};
use crate::wire::{Act, Answer, End};

/// The first answer is this; it is suspended, and nothing was fetched.
fn at_first(answer: Answer, cause: &str) -> Value {
    let scene = Scene::new(single());
    scene.plane.says(answer);
    let mut sentinel = scene.start();
    let report = scene.is_suspended(&mut sentinel, cause);
    assert_eq!(
        (scene.plane.asked(), scene.store.hits.load(Ordering::SeqCst)),
        (1, 0)
    );
    assert!(!sentinel.was_open());
    report
}

pub fn denied() -> Answer {
    Answer::new(
        200,
        json!({"status": "denied", "reason": "contract_ended"}).to_string(),
    )
}

pub fn unknown() -> Answer {
    Answer::new(200, json!({"status": "perhaps"}).to_string())
}

pub fn denied_at_first() {
    let report = at_first(denied(), "Denied");
    assert_eq!(report["reason"], "contract_ended");
}

pub fn unauthorized_at_first() {
    at_first(Answer::new(401, ""), "Denied");
}

pub fn forbidden_at_first() {
    at_first(Answer::new(403, "<html>forbidden</html>"), "Denied");
}

pub fn an_unknown_word_at_first() {
    at_first(unknown(), "Denied");
}

/// Keys that are none.
fn malformed(key: &str) -> Vec<String> {
    vec![
        key[..63].to_owned(),
        format!("{key}0"),
        format!("{key}00"),
        key.replace(|c: char| c.is_ascii_digit(), "g"),
        format!(" {key}"),
        format!("{}\n", &key[..63]),
        String::new(),
    ]
}

fn key_of(scene: &Scene) -> String {
    scene.asset.key.to_hex().to_string()
}

pub fn malformed_keys_are_refused_and_not_repeated() {
    for number in 0..7 {
        let scene = Scene::new(single());
        let key = malformed(&key_of(&scene)).swap_remove(number);
        scene
            .plane
            .edits(1, move |answer| answer["decryption_key_hex"] = json!(key));
        let mut sentinel = scene.start();
        scene.is_suspended(&mut sentinel, "Integrity");
        assert_eq!(scene.store.hits.load(Ordering::SeqCst), 0);
    }
    let scene = Scene::new(single());
    let upper = key_of(&scene).to_uppercase();
    scene
        .plane
        .edits(1, move |answer| answer["decryption_key_hex"] = json!(upper));
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
}

/// The commitment shows it before the first byte of ciphertext.
pub fn a_wrong_key() {
    let scene = Scene::new(single());
    let other = Key::generate().unwrap().to_hex().to_string();
    scene
        .plane
        .edits(1, move |answer| answer["decryption_key_hex"] = json!(other));
    let mut sentinel = scene.start();
    let report = scene.is_suspended(&mut sentinel, "Integrity");
    assert!(
        report["message"].as_str().unwrap().contains("key_commitment"),
        "{report}"
    );
    scene.fetched_at_most(0);
    assert_eq!(scene.store.heads.load(Ordering::SeqCst), 0);
}

fn expiring(moment: impl Fn() -> String + Send + 'static) -> Scene {
    let scene = Scene::new(single());
    scene
        .plane
        .edits(1, move |answer| answer["expires_at"] = json!(moment()));
    scene
}

pub fn in_seconds(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
}

/// The moments that a control plane with another clock tells. A node with another clock is the same to us: the
/// sentinel's clock is asked for the difference only.
pub fn clocks_that_differ() {
    for moment in [
        "2099-01-07T12:00:00Z".to_owned(),
        in_seconds(600).to_string(),
        in_seconds(3600)
            .to_zoned(jiff::tz::Offset::constant(-7).to_time_zone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        in_seconds(5).to_string(),
    ] {
        let scene = expiring(move || moment.clone());
        let mut sentinel = scene.start();
        scene.gets_ready(&mut sentinel);
    }
    // The past, the epoch, a moment without a zone, junk: an answer that cannot be used, asked for three times.
    for moment in [
        in_seconds(-600).to_string(),
        "1970-01-01T00:00:00Z".to_owned(),
        "2036-01-07T12:00:00".to_owned(),
        "tomorrow".to_owned(),
    ] {
        let scene = expiring(move || moment.clone());
        let mut sentinel = scene.start();
        scene.gives_up(&mut sentinel, "Unavailable");
        assert_eq!(
            (scene.plane.asked(), scene.store.hits.load(Ordering::SeqCst)),
            (3, 0)
        );
    }
}

/// Bodies that no control plane sends: refused within the attempts, and nothing of them is repeated.
pub fn monsters() -> Vec<Act> {
    let deep = "[".repeat(100_000);
    let twice = json!({"status": "denied", "reason": "a"}).to_string();
    let twice = twice.replace('}', ",\"status\":\"authorized\"}");
    vec![
        Answer::new(200, vec![b' '; 8 << 20]).whole(),
        Answer::new(200, "{")
            .with("content-length", "104857600")
            .cut(1, End::Stall),
        Answer::new(200, deep).whole(),
        Answer::new(200, twice).whole(),
        Answer::new(200, "<html>sig=secret-1</html>").whole(),
        Answer::new(200, "{\"status\":").cut(5, End::Reset),
        Answer::new(502, "").whole(),
    ]
}

pub fn monstrous_answers() {
    for number in 0..monsters().len() {
        let scene = Scene::new(single());
        scene
            .plane
            .breaks(move |_, _| Some(monsters().swap_remove(number)));
        let mut sentinel = scene.start();
        scene.gives_up(&mut sentinel, "Unavailable");
        assert_eq!(
            (scene.plane.asked(), scene.store.hits.load(Ordering::SeqCst)),
            (3, 0)
        );
    }
    let scene = Scene::new(single());
    scene
        .plane
        .edits(1, |answer| answer["x-future"] = json!({"any": [1, 2, 3]}));
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
}

/// A body that trickles: SIGTERM does not wait for it.
pub fn a_slow_answer() {
    let scene = Scene::new(single());
    scene.plane.breaks(|_, usual| {
        let answer = Answer::new(200, usual.to_string()).whole();
        Some(answer.dripping(Duration::from_secs(1)))
    });
    let mut sentinel = scene.start();
    eventually("the question", || scene.plane.asked() == 1);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(sentinel.state(), "Authorize");
    sentinel.stops(0);
    assert!(!sentinel.was_open());
}

pub fn an_outage_before_the_first_answer() {
    let scene = Scene::new(single());
    scene.plane.breaks(|n, _| {
        let fault = Answer::new(503, "").with("retry-after", "0");
        (n < 3).then(|| {
            if n == 1 {
                fault.whole()
            } else {
                fault.cut(0, End::Reset)
            }
        })
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 3);
    let scene = Scene::new(single());
    scene.plane.says(Answer::new(500, ""));
    let mut sentinel = scene.start();
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert_eq!(report["reason"], "control_plane_unavailable");
    assert_eq!(scene.plane.asked(), 3);
}

/// The answer is for another asset, or its URLs lead to one.
pub fn swapped_assets() {
    let scene = Scene::new(single());
    scene
        .plane
        .edits(1, |answer| answer["asset_id"] = json!("tb-asset-other"));
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    assert_eq!(scene.store.hits.load(Ordering::SeqCst), 0);
    let scene = Scene::new(single());
    scene.store.change("model.manifest.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace(crate::asset::ID, "tb-asset-other").into_bytes();
    });
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    scene.fetched_at_most(0);
}
