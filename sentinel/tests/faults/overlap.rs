//! Plaintext is read while ciphertext lands: what a reader gets, and what it never gets.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use trustbridge_tbenc::hex_digest;
use trustbridge_tbenc::manifest::{Manifest, directory_digest};

use crate::disk::{Damage, LAST, dies_with_journal};
use crate::licence::denied;
use crate::process::{Sentinel, eventually};
use crate::scene::{RANGE, Scene, WORKERS, directory, single};
use crate::store::Kind;

const BLOB: &str = "model.tbenc";
/// Plaintext of one record.
const RECORD: usize = 65_536;
/// A silent store is none of what is played here.
const PATIENT: (&str, &str) = ("TB_DOWNLOAD_IDLE_SECONDS", "600");

const NEW_ETAG: &str = "\"0x8DB2\"";

/// Answers nothing for ranges from this byte on until it is told to.
fn holds_from(scene: &Scene, byte: usize) -> watch::Sender<bool> {
    let (open, held) = watch::channel(false);
    scene.store.breaks(move |ask| {
        let is_held = ask.kind == Kind::Range && ask.start >= byte;
        is_held.then(|| ask.usual().whole().until(held.clone()))
    });
    open
}

/// A sentinel that offers its files and is still fetching.
fn offering(scene: &Scene) -> Sentinel {
    let sentinel = scene.start_with(&[PATIENT], &[]);
    eventually("the ready signal", || scene.signal().exists());
    assert_eq!(sentinel.state(), "Hydrate");
    sentinel
}

/// Opens the FIFO and waits until its writer is there.
fn attached(scene: &Scene) -> File {
    let pipe = File::open(scene.pipe()).unwrap();
    eventually("the name is gone", || !scene.pipe().exists());
    pipe
}

/// Reads to the end beside the test.
fn reads(mut pipe: File) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).unwrap();
        text
    })
}

fn plain() -> &'static [u8] {
    &single().plain[BLOB]
}

/// What was read is the beginning of the model, and not its last chunk.
fn is_a_beginning(text: &[u8]) {
    assert!(plain().starts_with(text), "plaintext that is not the model's");
    let most = plain().len() - LAST;
    assert!(text.len() <= most, "{} bytes of {most}", text.len());
}

/// What has landed can be read, by one reader, while the rest is on its way.
pub fn plaintext_follows_the_landing() {
    let scene = Scene::new(single());
    let open = holds_from(&scene, 20 * RANGE);
    let mut sentinel = offering(&scene);
    let mut pipe = attached(&scene);
    assert!(
        File::open(scene.pipe()).is_err(),
        "a second reader found the name"
    );
    let mut text = vec![0; 19 * RECORD];
    pipe.read_exact(&mut text).unwrap();
    assert_eq!(text, plain()[..text.len()]);
    let status = sentinel.status().unwrap();
    assert_eq!(
        (&status["state"], &status["delivered"]),
        (&"Hydrate".into(), &false.into())
    );
    // What a runtime says of itself before it has everything counts for nothing.
    scene.model.is_healthy();
    let rest = reads(pipe);
    open.send_replace(true);
    text.extend(rest.join().unwrap());
    assert_eq!(hex_digest(&text), scene.asset.sha256(BLOB));
    sentinel.wait_for("Ready");
    scene.fetched_at_most(0);
    sentinel.stops(0);
}

/// Offered for its owner only; read by nobody it becomes Decrypt, and never Ready.
pub fn nobody_reads_along() {
    let scene = Scene::new(single());
    let open = holds_from(&scene, 20 * RANGE);
    let mut sentinel = offering(&scene);
    let mode = std::fs::metadata(scene.pipe()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    scene.model.is_healthy();
    open.send_replace(true);
    sentinel.wait_for("Decrypt");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sentinel.state(), "Decrypt");
    sentinel.stops(0);
    let scene = Scene::new(single());
    let _shut = holds_from(&scene, 20 * RANGE);
    offering(&scene).stops(0);
}

/// SIGTERM does not wait for bytes that do not come, and the reader gets its end.
pub fn a_stop_under_a_reader() {
    let scene = Scene::new(single());
    let _shut = holds_from(&scene, 8 * RANGE);
    let mut sentinel = offering(&scene);
    let reader = reads(attached(&scene));
    sentinel.stops(0);
    is_a_beginning(&reader.join().unwrap());
    assert!(!sentinel.was_open());
}

/// Every tag is right and the manifest promises another digest: all is read but the last chunk.
pub fn the_last_chunk_waits_for_the_digest() {
    let scene = Scene::new(single());
    scene.store.change("model.manifest.json", |bytes| {
        let mut manifest: Value = serde_json::from_slice(bytes).unwrap();
        manifest["sha256_ciphertext"] = hex_digest(b"another file").into();
        *bytes = manifest.to_string().into_bytes();
    });
    let last = scene.ciphertext_bytes() / RANGE * RANGE;
    let open = holds_from(&scene, last);
    let mut sentinel = offering(&scene);
    let mut pipe = attached(&scene);
    let mut text = vec![0; (last / RANGE - 1) * RECORD];
    pipe.read_exact(&mut text).unwrap();
    let rest = reads(pipe);
    open.send_replace(true);
    text.extend(rest.join().unwrap());
    is_a_beginning(&text);
    scene.is_suspended(&mut sentinel, "Integrity");
    assert!(!sentinel.was_open());
    assert!(scene.asset.plain[BLOB].len() > text.len());
}

/// The store holds other bytes: the reader gets what comes before them.
pub fn wrong_bytes_under_a_reader() {
    for damage in [Damage::Flipped, Damage::Swapped, Damage::Hole, Damage::OtherFile] {
        let scene = Scene::new(single());
        scene.store.change(BLOB, |bytes| damage.to(bytes));
        let open = holds_from(&scene, RANGE);
        let mut sentinel = offering(&scene);
        let reader = reads(attached(&scene));
        open.send_replace(true);
        let text = reader.join().unwrap();
        is_a_beginning(&text);
        assert!(text.len() < 1_000_000, "{damage:?}: {} bytes", text.len());
        scene.is_suspended(&mut sentinel, "Integrity");
        scene.fetched_at_most(0);
        assert!(!sentinel.was_open());
    }
}

/// What a dead start left is damaged, and a reader is there before anybody knows: it gets what comes before the
/// damage, nobody is blamed for it, and all is fetched anew.
pub fn damage_of_an_earlier_start_under_a_reader() {
    let scene = Scene::new(single());
    dies_with_journal(&scene, "");
    let file = File::options()
        .read(true)
        .write(true)
        .open(scene.landed())
        .unwrap();
    let mut byte = [0];
    let at = 5 * RANGE as u64;
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let open = holds_from(&scene, 12 * RANGE);
    std::fs::remove_file(scene.signal()).unwrap();
    let mut sentinel = offering(&scene);
    let text = reads(attached(&scene)).join().unwrap();
    is_a_beginning(&text);
    assert!(text.len() <= 5 * RECORD);
    assert_eq!(sentinel.state(), "Hydrate");
    open.send_replace(true);
    eventually("it begins anew", || sentinel.log().contains("damaged"));
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(scene.ciphertext_bytes() + WORKERS * RANGE);
}

/// The blob becomes another one under a reader: its pipe ends, and the next one gets all of the new one.
pub fn another_etag_under_a_reader() {
    let scene = Scene::new(single());
    let (open, held) = watch::channel(false);
    let store = scene.store.clone();
    scene.store.breaks(move |ask| {
        let is_late = ask.kind == Kind::Range && ask.start >= 20 * RANGE;
        (is_late && ask.etag != NEW_ETAG).then(|| {
            let refusal = store.error(412, "ConditionNotMet");
            refusal.whole().until(held.clone())
        })
    });
    let mut sentinel = offering(&scene);
    let mut pipe = attached(&scene);
    let mut text = vec![0; 10 * RECORD];
    pipe.read_exact(&mut text).unwrap();
    let rest = reads(pipe);
    scene.store.set_etag(NEW_ETAG);
    open.send_replace(true);
    text.extend(rest.join().unwrap());
    is_a_beginning(&text);
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 2);
    scene.fetched_at_most(20 * RANGE + WORKERS * RANGE);
}

/// A runtime that has read the first of two files, while the store holds the second back; with the way to let it go.
fn between_two_files(scene: &Scene) -> (Sentinel, watch::Sender<bool>) {
    let (open, held) = watch::channel(false);
    let store = scene.store.clone();
    let second = scene.asset.blobs["files/model-00002-of-00002.safetensors.tbenc"].len();
    scene.store.breaks(move |ask| {
        let is_second = ask.kind == Kind::Range && ask.blob.len() == second;
        (is_second && ask.etag != NEW_ETAG).then(|| {
            let refusal = store.error(412, "ConditionNotMet");
            refusal.whole().until(held.clone())
        })
    });
    let sentinel = offering(scene);
    let first = &scene.weights()[0];
    let text = std::fs::read(first).unwrap();
    assert_eq!(
        hex_digest(&text),
        scene.asset.sha256("model-00001-of-00002.safetensors")
    );
    let note = scene.memory.path().join("ready.signal.delivered");
    eventually("the note of what was read", || {
        std::fs::read_to_string(&note).is_ok_and(|text| text.contains("model-00001"))
    });
    (sentinel, open)
}

/// A blob is overwritten by the same bytes while the runtime is between two files: what it has it keeps, and it is ready
/// with the second one alone.
pub fn the_same_asset_between_two_files() {
    let scene = Scene::new(directory());
    let (mut sentinel, open) = between_two_files(&scene);
    scene.store.set_etag(NEW_ETAG);
    open.send_replace(true);
    eventually("what was read counts", || {
        sentinel.log().contains("\"carried\":1,\"of\":2")
    });
    eventually("the ready signal", || scene.signal().exists());
    let text = std::fs::read(&scene.weights()[1]).unwrap();
    assert_eq!(
        hex_digest(&text),
        scene.asset.sha256("model-00002-of-00002.safetensors")
    );
    scene.model.is_healthy();
    sentinel.wait_for("Ready");
    sentinel.stops(0);
}

/// The asset becomes another one while the runtime is between two files: none of the other is offered to it.
pub fn another_asset_between_two_files() {
    let scene = Scene::new(directory());
    let (mut sentinel, open) = between_two_files(&scene);
    scene.store.change("model.manifest.json", |bytes| {
        let mut other = Manifest::parse(bytes).unwrap();
        let mut files = other.files.take().unwrap();
        files.last_mut().unwrap().sha256_ciphertext = hex_digest(b"another file");
        other.sha256_ciphertext = directory_digest(&files);
        other.files = Some(files);
        *bytes = other.to_bytes().unwrap();
    });
    scene.store.set_etag(NEW_ETAG);
    open.send_replace(true);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert_eq!(report["reason"], "asset_changed", "{report}");
    let words = report["message"].as_str().unwrap();
    assert!(words.contains("start it anew"), "{words}");
    // Another start knows nothing of what was read of the one before.
    let mut again = scene.start_with(&[PATIENT], &[]);
    again.wait_for("Suspended");
    assert!(!again.log().contains("\"carried\""), "{}", again.log());
    assert!(!again.was_open());
    again.stops(0);
}

/// The authorisation ends under a reader: its pipe ends as well.
pub fn denied_under_a_reader() {
    let scene = Scene::new(single());
    scene.plane.life_s.store(3, Ordering::SeqCst);
    scene.plane.breaks(|n, _| (n > 1).then(|| denied().whole()));
    let _shut = holds_from(&scene, 20 * RANGE);
    let mut sentinel = offering(&scene);
    is_a_beginning(&reads(attached(&scene)).join().unwrap());
    scene.is_suspended(&mut sentinel, "Denied");
    assert!(!sentinel.was_open());
}

/// A reader that dies while nothing lands is noticed, and whoever comes next is served from the beginning.
pub fn a_reader_that_dies_while_bytes_land() {
    let scene = Scene::new(single());
    // All of it fits into the pipe: the writer waits for bytes, and not for its reader.
    let open = holds_from(&scene, 8 * RANGE);
    let mut sentinel = offering(&scene);
    for _ in 0..3 {
        let mut pipe = attached(&scene);
        let mut text = vec![0; 3 * RECORD];
        pipe.read_exact(&mut text).unwrap();
        assert_eq!(text, plain()[..text.len()]);
        drop(pipe);
        eventually("the FIFO anew", || scene.pipe().exists());
    }
    assert_eq!(sentinel.state(), "Hydrate");
    let reader = reads(attached(&scene));
    open.send_replace(true);
    assert_eq!(hex_digest(&reader.join().unwrap()), scene.asset.sha256(BLOB));
    scene.model.is_healthy();
    sentinel.wait_for("Ready");
    sentinel.stops(0);
}

/// Configuration and tokenizer are whole before the weights begin, however slow those are.
pub fn small_files_come_first() {
    let scene = Scene::new(directory());
    let (open, held) = watch::channel(false);
    scene.store.breaks(move |ask| {
        let is_large = ask.kind == Kind::Range && ask.blob.len() > 100_000;
        is_large.then(|| ask.usual().whole().until(held.clone()))
    });
    let mut sentinel = offering(&scene);
    let model: PathBuf = scene.memory.path().join("model");
    for name in ["config.json", "tokenizer.json"] {
        assert_eq!(std::fs::read(model.join(name)).unwrap(), scene.asset.plain[name]);
    }
    open.send_replace(true);
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(0);
}
