//! R1 to R8: readers that come late, die, come twice, or were there before.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::fcntl::OFlag;
use trustbridge_tbenc::hex_digest;

use crate::process::{eventually, get};
use crate::scene::{Scene, directory, single};

const BLOB: &str = "model.tbenc";

/// Nobody reads; a stop does not wait for somebody, and the FIFO is for its owner only.
pub fn nobody_reads() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    eventually("the FIFO", || scene.pipe().exists());
    let meta = std::fs::metadata(scene.pipe()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(meta.uid(), nix::unistd::geteuid().as_raw());
    // A health that was told before anything was read counts for nothing.
    scene.model.is_healthy();
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(sentinel.state(), "Decrypt");
    assert!(!sentinel.was_open());
    sentinel.stops(0);
}

/// The runtime died after Ready and never comes back.
pub fn nobody_reads_again() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    scene.load();
    sentinel.wait_for("Ready");
    scene.model.is_empty();
    sentinel.wait_for("Decrypt");
    assert_eq!(get(scene.public(), "/v1/models").status, 503);
    sentinel.stops(0);
}

fn reads_half(scene: &Scene) {
    eventually("the FIFO", || scene.pipe().exists());
    let mut half = vec![0; 1_500_000];
    std::fs::File::open(scene.pipe())
        .unwrap()
        .read_exact(&mut half)
        .unwrap();
    assert_eq!(half, scene.asset.plain[BLOB][..half.len()]);
}

/// A second load after Ready breaks off: a runtime that calls itself healthy is not believed until it has read all.
pub fn the_second_load_dies() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    scene.load();
    sentinel.wait_for("Ready");
    for _ in 0..3 {
        reads_half(&scene);
        sentinel.wait_for("Decrypt");
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(sentinel.state(), "Decrypt");
    }
    scene.load();
    sentinel.wait_for("Ready");
    sentinel.stops(0);
}

/// A reader that opens and reads nothing: SIGTERM does not wait for it, and it gets its end.
pub fn a_reader_that_reads_nothing() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    eventually("the FIFO", || scene.pipe().exists());
    let mut idle = std::fs::File::open(scene.pipe()).unwrap();
    eventually("the name is gone", || !scene.pipe().exists());
    sentinel.stops(0);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < scene.asset.plain[BLOB].len());
}

/// Two readers of one FIFO. Who comes after the first finds no name; two who were there together share one text
/// between them, none of it twice, and what neither has whole is no delivery to a runtime that is not healthy.
pub fn two_readers() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    eventually("the FIFO", || scene.pipe().exists());
    let open = || {
        std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(scene.pipe())
    };
    let (first, second) = (open(), open());
    let mut files: Vec<_> = [first, second].into_iter().flatten().collect();
    eventually("the name is gone", || !scene.pipe().exists());
    assert!(open().is_err(), "a third reader found the name");
    let all = scene.asset.plain[BLOB].len();
    let mut taken = 0;
    eventually("all of it is taken", || {
        for file in &mut files {
            let mut piece = vec![0; 1 << 16];
            taken += file.read(&mut piece).unwrap_or(0);
        }
        taken >= all
    });
    assert_eq!(taken, all);
    drop(files);
    // The loader that missed bytes does not call itself healthy, and starts anew.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sentinel.state(), "Decrypt");
    assert!(!sentinel.was_open());
    scene.load();
    sentinel.wait_for("Ready");
    sentinel.stops(0);
}

/// What an earlier start left in memory is gone before anybody can be misled by it.
pub fn leftovers_in_memory() {
    let scene = Scene::new(directory());
    let model = scene.memory.path().join("model");
    std::fs::create_dir_all(&model).unwrap();
    std::fs::write(scene.signal(), "ready\n").unwrap();
    std::fs::write(scene.pipe(), "a file in the place of a FIFO").unwrap();
    std::fs::write(model.join("config.json"), "old").unwrap();
    scene
        .plane
        .breaks(|n, _| (n == 1).then(crate::wire::Act::silence));
    let mut sentinel = scene.start();
    eventually("the question", || scene.plane.asked() == 1);
    assert!(!scene.signal().exists() && !scene.pipe().exists());
    assert_eq!(std::fs::read_dir(&model).unwrap().count(), 0);
    sentinel.dies();
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
}

/// The name of the FIFO is taken away, or something else is put in its place, while a reader is awaited.
pub fn somebody_takes_the_name() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    eventually("the signal", || scene.signal().exists());
    std::fs::remove_file(scene.pipe()).unwrap();
    eventually("the FIFO anew", || scene.pipe().exists());
    scene.load();
    sentinel.wait_for("Ready");
    sentinel.stops(0);
}

/// The id of the machine: the same after a restart; without any source the reason is told.
pub fn the_machines_id() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    sentinel.dies();
    let mut sentinel = scene.start_with(&[("TB_NODE_NAME", "another-name")], &[]);
    scene.gets_ready(&mut sentinel);
    let ids: Vec<String> = scene
        .plane
        .questions
        .lock()
        .unwrap()
        .iter()
        .map(|question| question["hw_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    if std::fs::read_to_string("/sys/class/dmi/id/product_uuid").is_ok() {
        return;
    }
    assert_eq!(ids[0], hex_digest(b"node-1"));
    let scene = Scene::new(single());
    let mut sentinel = scene.start_with(&[("TB_NODE_NAME", "")], &[]);
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert_eq!(report["reason"], "no_hardware_id");
    assert_eq!(
        (scene.plane.asked(), scene.store.hits.load(Ordering::SeqCst)),
        (0, 0)
    );
}
