//! B16 to B22: wrong bytes from the store, wrong bytes on the disk, no room, and sudden death.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use trustbridge_tbenc::{Key, encrypt_stream, hex_digest};

use crate::process::{Sentinel, eventually, get};
use crate::scene::{RANGE, Scene, WORKERS, single};
use crate::store::Kind;
use crate::wire::Act;

const BLOB: &str = "model.tbenc";
/// Text of the asset's last record, and what a record has beside its text.
pub const LAST: usize = 3_000_000 % 65_536;
const OVERHEAD: usize = 20;

/// Five ways to be another file of the same length.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    Flipped,
    Truncated,
    Swapped,
    Hole,
    OtherFile,
}

impl Damage {
    pub fn to(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flipped => bytes[1_000_000] ^= 1,
            Self::Truncated => bytes.truncate(bytes.len() - LAST - OVERHEAD),
            Self::Swapped => {
                let (first, second) = bytes.split_at_mut(10 * RANGE);
                first[8 * RANGE..9 * RANGE].swap_with_slice(&mut second[..RANGE]);
            }
            Self::Hole => bytes[5 * RANGE..6 * RANGE].fill(0),
            Self::OtherFile => {
                let plain = &single().plain[BLOB];
                let mut other = Vec::new();
                encrypt_stream(plain.as_slice(), &mut other, &Key::generate().unwrap(), 65_536).unwrap();
                assert_eq!(other.len(), bytes.len());
                *bytes = other;
            }
        }
    }
}

/// The store holds it.
fn served(damage: Damage) {
    let scene = Scene::new(single());
    scene.store.change(BLOB, |bytes| damage.to(bytes));
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    scene.fetched_at_most(0);
    assert!(!sentinel.was_open());
}

pub fn a_flipped_byte_is_served() {
    served(Damage::Flipped);
}

pub fn swapped_ranges_are_served() {
    served(Damage::Swapped);
}

pub fn a_hole_is_served() {
    served(Damage::Hole);
}

pub fn another_assets_file_is_served() {
    served(Damage::OtherFile);
}

/// The blob is cut at a record's end and the manifest is forged to match: only the anchor tells.
pub fn a_truncated_file_with_a_forged_manifest_is_served() {
    for from_plane in [false, true] {
        let scene = Scene::new(single());
        let registered = hex_digest(&scene.asset.manifest);
        let mut cut = Vec::new();
        scene.store.change(BLOB, |bytes| {
            Damage::Truncated.to(bytes);
            cut.clone_from(bytes);
        });
        scene.store.change("model.manifest.json", |bytes| {
            let mut manifest: Value = serde_json::from_slice(bytes).unwrap();
            let plain = manifest["plaintext_bytes"].as_u64().unwrap() - LAST as u64;
            manifest["plaintext_bytes"] = plain.into();
            manifest["sha256_ciphertext"] = hex_digest(&cut).into();
            *bytes = manifest.to_string().into_bytes();
        });
        let mut anchor = vec![("TB_MANIFEST_SHA256", registered.as_str())];
        if from_plane {
            *scene.plane.anchor.lock().unwrap() = Some(registered.clone());
            anchor.clear();
        }
        let mut sentinel = scene.start_with(&anchor, &[]);
        scene.is_suspended(&mut sentinel, "Integrity");
        assert_eq!(scene.store.heads.load(Ordering::SeqCst), 0);
    }
    // Without the forgery the length alone gives it away.
    served_short();
}

fn served_short() {
    let scene = Scene::new(single());
    scene.store.change(BLOB, |bytes| Damage::Truncated.to(bytes));
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    assert_eq!(scene.store.asked_bytes(), 0);
}

/// What was verified is altered on the disk before it is read: while the first reader is awaited, and after Ready,
/// before a runtime that starts anew reads it.
fn altered(damage: Damage) {
    for ready in [false, true] {
        let scene = Scene::new(single());
        let mut sentinel = scene.start();
        sentinel.wait_for("Decrypt");
        if ready {
            scene.load();
            sentinel.wait_for("Ready");
            scene.model.is_empty();
        }
        eventually("the FIFO", || scene.pipe().exists());
        let mut bytes = std::fs::read(scene.landed()).unwrap();
        damage.to(&mut bytes);
        // In place, as somebody with the disk does it.
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(scene.landed())
            .unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let text = std::fs::read(scene.pipe()).unwrap();
        let plain = &scene.asset.plain[BLOB];
        assert!(
            text.len() < plain.len() && plain.starts_with(&text),
            "altered plaintext was handed out"
        );
        scene.is_suspended(&mut sentinel, "Integrity");
        assert_eq!(sentinel.was_open(), ready);
    }
}

pub fn a_byte_is_flipped_on_the_disk() {
    altered(Damage::Flipped);
}

pub fn the_file_is_cut_on_the_disk() {
    altered(Damage::Truncated);
}

pub fn ranges_are_swapped_on_the_disk() {
    altered(Damage::Swapped);
}

pub fn a_hole_is_torn_into_the_disk() {
    altered(Damage::Hole);
}

pub fn another_file_lies_on_the_disk() {
    altered(Damage::OtherFile);
}

/// Starts it in a mount namespace of its own, where the volume at `place` is what the options say.
fn mounted(scene: &Scene, place: &Path, options: &str, more: &[(&str, &str)]) -> Sentinel {
    std::fs::create_dir_all(place).unwrap();
    let shown = place.display();
    let script = format!("mount -t tmpfs -o {options} tmpfs '{shown}' && exec \"$0\" \"$@\"");
    let mut below = vec!["unshare", "--mount"];
    if !nix::unistd::geteuid().is_root() {
        below.extend(["--user", "--map-root-user"]);
    }
    below.extend(["sh", "-c", &script]);
    scene.start_with(more, &below)
}

/// The ciphertext does not fit: seen before the first byte, and another start with room has no use for what was left.
pub fn a_full_volume() {
    let scene = Scene::new(single());
    let mut sentinel = mounted(&scene, &scene.target(), "size=1M", &[]);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(report["message"].as_str().unwrap().contains("full"), "{report}");
    scene.fetched_at_most(0);
    assert_eq!(scene.store.asked_bytes(), 0);
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
}

pub fn a_read_only_volume() {
    let scene = Scene::new(single());
    let mut sentinel = mounted(&scene, &scene.target(), "ro", &[]);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("read-only"),
        "{report}"
    );
    assert_eq!(scene.store.asked_bytes(), 0);
}

/// A limit of the process in place of the volume's.
pub fn a_file_that_may_not_grow() {
    let scene = Scene::new(single());
    let limit = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"";
    let mut sentinel = scene.start_with(&[], &["sh", "-c", limit]);
    scene.gives_up(&mut sentinel, "Unavailable");
    assert_eq!(scene.store.asked_bytes(), 0);
}

/// At boot: nothing works without the places that it writes to.
pub fn a_read_only_state_directory() {
    let scene = Scene::new(single());
    let mut sentinel = mounted(&scene, &scene.disk.path().join("state"), "ro", &[]);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert_eq!(report["state"], "Boot");
    assert_eq!(scene.plane.asked(), 0);
}

/// Files in memory that are larger than the volume, or than what the process may write.
pub fn a_memory_volume_that_is_too_small() {
    let scene = Scene::new(single());
    let place = scene.memory.path().to_owned();
    let mut sentinel = mounted(&scene, &place, "size=2M", &[("TB_DELIVERY", "ramfile")]);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("sizeLimit"),
        "{report}"
    );
}

/// The audit volume is full while it serves: it says so, and goes on.
pub fn a_full_audit_volume() {
    let scene = Scene::new(single());
    let place = scene.audit().parent().unwrap().to_owned();
    let mut sentinel = mounted(&scene, &place, "size=4k", &[]);
    scene.load();
    sentinel.wait_for("Ready");
    for _ in 0..40 {
        assert_eq!(get(scene.public(), "/v1/models").status, 200);
    }
    assert!(
        sentinel.log().contains("TB_AUDIT_PATH"),
        "a full audit volume was not told"
    );
    sentinel.stops(0);
}

/// Killed while it asks: the next start asks again.
pub fn killed_while_it_asks() {
    let scene = Scene::new(single());
    scene.plane.breaks(|n, _| (n == 1).then(Act::silence));
    let mut sentinel = scene.start();
    eventually("the question", || scene.plane.asked() == 1);
    sentinel.dies();
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(0);
}

/// Killed at boot: in the first moments of its life, again and again.
pub fn killed_at_boot() {
    let scene = Scene::new(single());
    for wait in [0, 1, 2, 4, 6, 8, 12, 16] {
        let mut sentinel = scene.start();
        std::thread::sleep(Duration::from_millis(wait));
        sentinel.dies();
    }
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(8 * WORKERS * RANGE);
}

/// Killed while suspended: the next start asks again and learns the same.
pub fn killed_while_suspended() {
    let scene = Scene::new(single());
    scene.store.change(BLOB, |bytes| Damage::Flipped.to(bytes));
    let mut sentinel = scene.start();
    sentinel.wait_for("Suspended");
    sentinel.dies();
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    assert_eq!(scene.plane.asked(), 2);
    assert!(scene.store.asked.lock().unwrap().len() > 1);
}

/// Dies when twelve ranges are noted; then this is added to the journal.
pub fn dies_with_journal(scene: &Scene, more: &str) {
    scene
        .store
        .breaks(|ask| (ask.kind == Kind::Range && ask.n > 12).then(Act::silence));
    let mut sentinel = scene.start_with(&[("TB_DOWNLOAD_IDLE_SECONDS", "600")], &[]);
    eventually("twelve entries", || noted(scene).len() == 12);
    sentinel.dies();
    scene.store.heals();
    let journal = scene.target().join("model.tbenc.ranges");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text + more).unwrap();
}

/// The journal names ranges that are not there: the hole shows, and the file is fetched anew.
pub fn a_journal_that_lies() {
    let scene = Scene::new(single());
    dies_with_journal(&scene, "30\n9999\n-1\n");
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(std::fs::read(scene.landed()).unwrap(), scene.asset.blobs[BLOB]);
    assert!(sentinel.log().contains("damaged"));
    scene.fetched_at_most(scene.ciphertext_bytes() + WORKERS * RANGE);
}

/// Its last entry is torn: it counts for nothing, and the next one does not grow out of it.
pub fn a_journal_that_is_torn() {
    let scene = Scene::new(single());
    dies_with_journal(&scene, "1");
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(WORKERS * RANGE);
    let ranges = scene.asset.blobs[BLOB].len().div_ceil(RANGE);
    assert_eq!(noted(&scene), (0..ranges).collect());
}

/// Ranges that the journal of the single file names.
pub fn noted(scene: &Scene) -> BTreeSet<usize> {
    let text = std::fs::read_to_string(scene.target().join("model.tbenc.ranges")).unwrap_or_default();
    text.lines()
        .skip(1)
        .filter_map(|line| line.parse().ok())
        .collect()
}
