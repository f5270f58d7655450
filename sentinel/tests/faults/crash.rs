//! `kill -9` at random points of hydration and decryption, and a start after each.
//!
//! In every third world a byte that the journal calls landed is altered before the last start. The seed is printed;
//! `TB_SEED` repeats a run, `TB_CAMPAIGN=1` makes it the full size.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;

use crate::disk::noted;
use crate::process::{PATIENCE, Sentinel, eventually};
use crate::scene::{RANGE, Scene, WORKERS, single};
use crate::store::Kind;
use crate::{crew, model_bytes};

const CI_KILLS: usize = 20;
const CAMPAIGN_KILLS: usize = 200;
/// Kills of one world before it is left to come to its end.
const KILLS_OF_A_WORLD: usize = 4;

/// xorshift64*: small, seeded, good enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }
}

#[derive(Debug, Default)]
struct Counts {
    worlds: usize,
    hydration: usize,
    decryption: usize,
    altered: usize,
    /// Ranges that were asked for more than once because of a kill.
    fetched_again: usize,
    /// Plaintext bytes that somebody had read when a sentinel died in hydration.
    read_along: usize,
}

#[test]
fn killed_at_random_points_it_always_completes() {
    let kills = if std::env::var_os("TB_CAMPAIGN").is_some() {
        CAMPAIGN_KILLS
    } else {
        CI_KILLS
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let seed = std::env::var("TB_SEED").map_or_else(
        |_| u64::try_from(now() & u128::from(u64::MAX)).unwrap(),
        |text| text.parse().unwrap(),
    );
    println!("kill -9: {kills} points, TB_SEED={seed}");
    let counts = Mutex::new(Counts::default());
    let worlds: Vec<_> = (0..kills.div_ceil(KILLS_OF_A_WORLD)).collect();
    crew(&worlds, 4, |number| {
        let own = seed ^ (*number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let kills = KILLS_OF_A_WORLD.min(kills - number * KILLS_OF_A_WORLD);
        world(&mut Random(own.max(1)), kills, number % 3 == 0, &counts);
    });
    let counts = counts.into_inner().unwrap();
    println!("{kills} kills: {counts:?}");
    assert_eq!(counts.hydration + counts.decryption, kills);
    assert!(counts.hydration > 0 && counts.decryption > 0 && counts.altered > 0);
    assert!(
        counts.read_along > 0,
        "nobody read along when a sentinel died in hydration"
    );
}

/// One set of directories: killed so often, each time started again, in the end complete and right.
fn world(random: &mut Random, kills: usize, harm: bool, counts: &Mutex<Counts>) {
    let scene = Scene::new(single());
    // Slow enough that a point in time is a point in the transfer.
    let withheld = Arc::new(AtomicBool::new(harm));
    let last = withheld.clone();
    scene.store.breaks(move |ask| {
        let is_withheld = ask.end == ask.blob.len() && last.load(Ordering::SeqCst);
        let wait = if is_withheld {
            PATIENCE
        } else {
            Duration::from_millis(5)
        };
        (ask.kind == Kind::Range).then(|| ask.usual().whole().after(wait))
    });
    // In a world that is harmed every kill comes before the last byte, so that another start resumes; in any other
    // at least the last kill comes after it, so that no seed leaves decryption out. The first kill of a world that is
    // harmed comes when somebody reads along, and the last range not before it, whatever the seed.
    let first = if harm { kills } else { random.below(kills) };
    let (mut hydration, mut decryption, mut read_along) = (0, 0, 0);
    for kill in 0..kills {
        let done = noted(&scene);
        let before = scene.store.asked.lock().unwrap().len();
        let mut sentinel = scene.start();
        if kill < first && done.len() < ranges() {
            let is_read = withheld.load(Ordering::SeqCst);
            let left = ranges() - done.len();
            read_along += in_hydration(&scene, random, before, left, is_read, &mut sentinel);
            withheld.store(false, Ordering::SeqCst);
            hydration += 1;
        } else {
            in_decryption(&scene, random, &mut sentinel);
            decryption += 1;
        }
        nothing_twice(&scene, before, &done);
        the_map_is_honest(&scene);
    }
    let altered = harm && alter(&scene, random);
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(std::fs::read(scene.landed()).unwrap(), model_bytes());
    assert_eq!(
        sentinel.log().contains("damaged"),
        altered,
        "who altered what, and who noticed"
    );
    let again = if altered { scene.ciphertext_bytes() } else { 0 };
    scene.fetched_at_most(kills * WORKERS * RANGE + again);
    let mut counts = counts.lock().unwrap();
    counts.worlds += 1;
    counts.hydration += hydration;
    counts.decryption += decryption;
    counts.read_along += read_along;
    counts.altered += usize::from(altered);
    let needed = scene.ciphertext_bytes() + again;
    counts.fetched_again += scene.store.asked_bytes().saturating_sub(needed).div_ceil(RANGE);
}

/// Flips a byte that the journal calls landed, as a bad disk does; whether there was one.
fn alter(scene: &Scene, random: &mut Random) -> bool {
    let noted: Vec<usize> = noted(scene).into_iter().collect();
    if noted.is_empty() {
        return false;
    }
    let at = (noted[random.below(noted.len())] * RANGE) as u64;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(scene.landed())
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
    true
}

fn ranges() -> usize {
    model_bytes().len().div_ceil(RANGE)
}

/// Dies when so many more ranges were asked for, with `is_read` also when somebody has read something, and a moment later;
/// how much somebody had read by then.
fn in_hydration(
    scene: &Scene,
    random: &mut Random,
    before: usize,
    left: usize,
    is_read: bool,
    sentinel: &mut Sentinel,
) -> usize {
    let along = ReadsAlong::start(scene);
    // The first half of what is left: the kills of a world come one after the other.
    let point = before + 1 + random.below(left.div_ceil(2));
    eventually("the point in hydration", || {
        scene.store.asked.lock().unwrap().len() >= point || sentinel.state() == "Decrypt"
    });
    if is_read {
        eventually("somebody reads along", || along.bytes.load(Ordering::SeqCst) > 0);
        assert_eq!(sentinel.state(), "Hydrate");
    }
    std::thread::sleep(Duration::from_micros(random.below(10_000) as u64));
    sentinel.dies();
    let text = along.ends();
    assert!(
        scene.asset.plain["model.tbenc"].starts_with(&text),
        "plaintext that is not the model's"
    );
    text.len()
}

/// Somebody who reads the FIFO, whenever there is one, until the sentinel is dead.
struct ReadsAlong {
    dead: Arc<AtomicBool>,
    /// What it has so far.
    bytes: Arc<AtomicUsize>,
    reader: JoinHandle<Vec<u8>>,
}

impl ReadsAlong {
    fn start(scene: &Scene) -> Self {
        let (dead, pipe) = (Arc::new(AtomicBool::new(false)), scene.pipe());
        let bytes = Arc::new(AtomicUsize::new(0));
        let (told, so_far) = (dead.clone(), bytes.clone());
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut piece = vec![0; 1 << 16];
            let mut open = None;
            let mut opened = Instant::now();
            loop {
                let is_over = told.load(Ordering::SeqCst);
                if open.is_none() {
                    // Without waiting: the FIFO may be that of a start that is dead.
                    let flags = OFlag::O_NONBLOCK.bits();
                    open = OpenOptions::new().read(true).custom_flags(flags).open(&pipe).ok();
                    opened = Instant::now();
                }
                let read = open.as_mut().map_or(0, |file| file.read(&mut piece).unwrap_or(0));
                text.extend_from_slice(&piece[..read]);
                so_far.store(text.len(), Ordering::SeqCst);
                if read == 0 && is_over {
                    return text;
                }
                if read == 0 {
                    // Nobody writes into the FIFO of a dead start; a living writer looks for readers more often.
                    if text.is_empty() && opened.elapsed() > Duration::from_millis(50) {
                        open = None;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { dead, bytes, reader }
    }

    /// What it had read when the sentinel was dead.
    fn ends(self) -> Vec<u8> {
        self.dead.store(true, Ordering::SeqCst);
        self.reader.join().unwrap()
    }
}

/// Dies when its reader has so many bytes; the reader sees the end, and never more than there is.
fn in_decryption(scene: &Scene, random: &mut Random, sentinel: &mut Sentinel) {
    sentinel.wait_for("Decrypt");
    eventually("the signal", || scene.signal().exists());
    let plain = &scene.asset.plain["model.tbenc"];
    let mut text = vec![0; random.below(plain.len())];
    let mut reader = std::fs::File::open(scene.pipe()).unwrap();
    reader.read_exact(&mut text).unwrap();
    sentinel.dies();
    reader.read_to_end(&mut text).unwrap();
    assert!(plain.starts_with(&text), "plaintext that is not the model's");
}

/// Of what the journal named, nothing was asked for again.
fn nothing_twice(scene: &Scene, before: usize, done: &BTreeSet<usize>) {
    let asked = scene.store.asked.lock().unwrap();
    for (_, start, _) in &asked[before..] {
        assert!(
            !done.contains(&(start / RANGE)),
            "range {} was there already",
            start / RANGE
        );
    }
}

/// Every range that the journal names is there, byte for byte.
fn the_map_is_honest(scene: &Scene) {
    let (blob, landed) = (model_bytes(), std::fs::read(scene.landed()).unwrap_or_default());
    for index in noted(scene) {
        let (from, to) = (index * RANGE, ((index + 1) * RANGE).min(blob.len()));
        assert_eq!(
            landed[from..to],
            blob[from..to],
            "range {index} is noted and not there"
        );
    }
}
