//! C1 to C11: what a control plane can say, at the first question and at a renewal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use trustbridge_tbenc::Key;

use crate::scene::{Scene, Sentinel, eventually, get, single};
use crate::store::Kind;
use crate::wire::{Act, Answer, End};

/// Where a renewal finds the sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Hydrate,
    Decrypt,
    Ready,
}

const DURING: [During; 3] = [During::Hydrate, During::Decrypt, During::Ready];

/// Lets renewals through until it is shut; then each is answered wrongly.
struct Gate {
    shut: Arc<AtomicBool>,
    told: Arc<AtomicUsize>,
}

impl Gate {
    fn new(scene: &Scene, answer: impl Fn(&Value) -> Act + Send + 'static) -> Self {
        let gate = Self {
            shut: Arc::default(),
            told: Arc::default(),
        };
        let (shut, told) = (gate.shut.clone(), gate.told.clone());
        scene.plane.breaks(move |n, usual| {
            (n > 1 && shut.load(Ordering::SeqCst)).then(|| {
                told.fetch_add(1, Ordering::SeqCst);
                answer(usual)
            })
        });
        gate
    }

    fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

/// Brings a sentinel there, and shuts the gate before its next renewal.
fn renewing(scene: &Scene, during: During, gate: &Gate) -> Sentinel {
    if during == During::Hydrate {
        let store = scene.store.clone();
        scene.store.breaks(move |ask| {
            if ask.kind == Kind::Range && ask.n == 9 {
                store.expire_before(usize::MAX);
            }
            None
        });
        gate.shut.store(true, Ordering::SeqCst);
        return scene.start();
    }
    scene.plane.life_s.store(3, Ordering::SeqCst);
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    if during == During::Ready {
        scene.load();
        sentinel.wait_for("Ready");
    }
    gate.shut.store(true, Ordering::SeqCst);
    sentinel
}

/// Every renewal is answered so: it is asked once, and that was the end.
fn at_each_renewal(answer: &Answer, cause: &str, status: u16) {
    for during in DURING {
        let scene = Scene::new(single());
        let told = answer.clone();
        let gate = Gate::new(&scene, move |_| told.clone().whole());
        let mut sentinel = renewing(&scene, during, &gate);
        sentinel.wait_for("Suspended");
        if during == During::Ready {
            assert_eq!(get(scene.public(), "/v1/models").status, status);
        }
        scene.is_suspended(&mut sentinel, cause);
        assert_eq!(gate.told(), 1, "{during:?}");
    }
}

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

fn denied() -> Answer {
    Answer::new(
        200,
        json!({"status": "denied", "reason": "contract_ended"}).to_string(),
    )
}

fn unknown() -> Answer {
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

pub fn denied_at_a_renewal() {
    at_each_renewal(&denied(), "Denied", 403);
}

pub fn unauthorized_at_a_renewal() {
    at_each_renewal(&Answer::new(401, ""), "Denied", 403);
}

pub fn forbidden_at_a_renewal() {
    at_each_renewal(&Answer::new(403, ""), "Denied", 403);
}

pub fn an_unknown_word_at_a_renewal() {
    at_each_renewal(&unknown(), "Denied", 403);
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

fn edited(usual: &Value, edit: impl Fn(&mut Value)) -> Act {
    let mut answer = usual.clone();
    edit(&mut answer);
    Answer::new(200, answer.to_string()).whole()
}

fn edited_at_each_renewal(edit: impl Fn(&mut Value) + Clone + Send + 'static) {
    for during in DURING {
        let scene = Scene::new(single());
        let edit = edit.clone();
        let gate = Gate::new(&scene, move |usual| edited(usual, &edit));
        let mut sentinel = renewing(&scene, during, &gate);
        scene.is_suspended(&mut sentinel, "Integrity");
        assert_eq!(gate.told(), 1, "{during:?}");
    }
}

pub fn a_malformed_key_at_a_renewal() {
    edited_at_each_renewal(|answer| answer["decryption_key_hex"] = json!("00"));
}

pub fn another_key_at_a_renewal() {
    let other = Key::generate().unwrap().to_hex().to_string();
    edited_at_each_renewal(move |answer| answer["decryption_key_hex"] = json!(other));
}

pub fn another_asset_at_a_renewal() {
    edited_at_each_renewal(|answer| answer["asset_id"] = json!("tb-asset-other"));
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

fn in_seconds(seconds: i64) -> jiff::Timestamp {
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

/// It is renewed before it runs out, again and again, in Decrypt and in Ready.
pub fn renewals_come_in_time() {
    let scene = Scene::new(single());
    scene.plane.life_s.store(3, Ordering::SeqCst);
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    eventually("a renewal in Decrypt", || scene.plane.asked() >= 2);
    assert_eq!(sentinel.state(), "Decrypt");
    scene.load();
    sentinel.wait_for("Ready");
    let before = scene.plane.asked();
    eventually("two renewals in Ready", || scene.plane.asked() >= before + 2);
    assert_eq!(sentinel.state(), "Ready");
    sentinel.stops(0);
}

/// A control plane that repeats an old answer does not carry the model past its end.
pub fn an_old_answer_at_every_renewal() {
    for during in [During::Decrypt, During::Ready] {
        let scene = Scene::new(single());
        let old = in_seconds(-600).to_string();
        let gate = Gate::new(&scene, move |usual| {
            edited(usual, |answer| answer["expires_at"] = json!(old))
        });
        let mut sentinel = renewing(&scene, during, &gate);
        let report = scene.is_suspended(&mut sentinel, "Unavailable");
        assert_eq!(report["reason"], "license_expired");
    }
}

/// Bodies that no control plane sends: refused within the attempts, and nothing of them is repeated.
fn monsters() -> Vec<Act> {
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

/// At a renewal they change nothing until the authorisation runs out.
pub fn monstrous_answers_at_a_renewal() {
    for during in [During::Decrypt, During::Ready] {
        let scene = Scene::new(single());
        scene
            .plane
            .breaks(|n, _| (n > 1 && n < 4).then(|| monsters().swap_remove(n)));
        scene.plane.life_s.store(6, Ordering::SeqCst);
        let mut sentinel = scene.start();
        sentinel.wait_for("Decrypt");
        if during == During::Ready {
            scene.load();
            sentinel.wait_for("Ready");
        }
        eventually("it asked again", || scene.plane.asked() >= 4);
        let state = if during == During::Ready {
            "Ready"
        } else {
            "Decrypt"
        };
        assert_eq!(sentinel.state(), state);
        sentinel.stops(0);
    }
    let scene = Scene::new(single());
    scene
        .plane
        .breaks(|n, _| (n == 2).then(|| monsters().swap_remove(3)));
    let store = scene.store.clone();
    scene.store.breaks(move |ask| {
        if ask.kind == Kind::Range && ask.n == 9 {
            store.expire_before(2);
        }
        None
    });
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

/// While it hydrates the old SAS is of no use, and so it gives up; later it serves until the end, and not longer.
pub fn an_outage_at_a_renewal() {
    for during in DURING {
        let scene = Scene::new(single());
        let gate = Gate::new(&scene, |_| Answer::new(503, "").whole());
        let mut sentinel = renewing(&scene, during, &gate);
        if during == During::Hydrate {
            scene.gives_up(&mut sentinel, "Unavailable");
            continue;
        }
        let report = scene.is_suspended(&mut sentinel, "Unavailable");
        assert_eq!(report["reason"], "license_expired");
    }
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
