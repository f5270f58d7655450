//! C1 to C11 at a renewal: what a control plane can say to a sentinel that is on its way, or serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use trustbridge_tbenc::Key;

use crate::licence::{denied, in_seconds, monsters, unknown};
use crate::process::{Sentinel, eventually, get};
use crate::scene::{Scene, single};
use crate::store::Kind;
use crate::wire::{Act, Answer};

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
