//! What others can take from the running process: its memory, as root reads it; its core, its environment.
//!
//! Must run as root: only root may read the memory of a process that hides it.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Asset, NOBODY, Runtime, World, eventually, weights};

/// Pieces of what must not be there, by their first eight bytes.
struct Needles(HashMap<[u8; 8], Vec<Vec<u8>>>);

impl Needles {
    fn new(pieces: Vec<Vec<u8>>) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for piece in pieces {
            all.entry(piece[..8].try_into().unwrap()).or_default().push(piece);
        }
        Self(all)
    }

    /// Both halves of the key, as bytes and as text.
    fn key(asset: &Asset) -> Self {
        let hex = asset.key.to_hex();
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let texts = [hex.to_string(), hex.to_uppercase()];
        let halves = |all: &[u8]| all.chunks(all.len() / 2).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let texts = texts.iter().flat_map(|text| halves(text.as_bytes()));
        Self::new(halves(&bytes).into_iter().chain(texts).collect())
    }

    /// Thirty-two bytes of each KiB of the plaintext: of each page four.
    fn plaintext(asset: &Asset) -> Self {
        let pieces = asset.plain.values().flat_map(|plain| plain.chunks_exact(1024));
        Self::new(pieces.map(|kib| kib[..32].to_vec()).collect())
    }

    fn count(&self, memory: &[u8]) -> usize {
        // Most places are passed over by one look at two bytes.
        let mut begins = vec![false; 1 << 16];
        for begin in self.0.keys() {
            begins[usize::from(begin[0]) << 8 | usize::from(begin[1])] = true;
        }
        let mut count = 0;
        for (at, place) in memory.windows(8).enumerate() {
            if begins[usize::from(place[0]) << 8 | usize::from(place[1])]
                && let Some(pieces) = self.0.get(place)
                && pieces.iter().any(|piece| memory[at..].starts_with(piece))
            {
                count += 1;
            }
        }
        count
    }
}

/// What a look at a whole process found.
#[derive(Debug, Default)]
struct Found {
    /// Names of the mappings with a hit, and how many each.
    hits: Vec<(String, usize)>,
    /// Mappings that even root cannot read.
    closed: BTreeSet<String>,
}

/// Searches every mapping of a process.
fn search(pid: u32, needles: &Needles) -> Found {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root reads it");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = Found::default();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, access) = (words.next().unwrap(), words.next().unwrap());
        let name = words.nth(3).unwrap_or("(anonymous)").to_owned();
        if !access.starts_with('r') || name.starts_with("[v") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let place = |text| usize::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; place(to) - place(from)];
        if memory.read_exact_at(&mut bytes, place(from) as u64).is_err() {
            found.closed.insert(name);
            continue;
        }
        let count = needles.count(&bytes);
        if count > 0 {
            found.hits.push((name, count));
        }
    }
    found
}

/// What is there a moment after the answer, when the connection to the control plane has ended. A connection that were
/// kept would last far longer.
fn settled(pid: u32, needles: &Needles) -> Found {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let found = search(pid, needles);
        if found.hits.is_empty() || Instant::now() > until {
            return found;
        }
    }
}

#[test]
fn the_key_lies_in_its_page_and_nowhere_else() {
    for asset in [Asset::directory(), Asset::single()] {
        let world = World::new(&asset);
        let mut sentinel = world.sentinel(&[]);
        let status = sentinel.wait_for("Decrypt");
        assert_eq!(
            (&status["key_memory"], &status["landlock"]),
            (&"memfd_secret".into(), &"full".into())
        );
        let needles = Needles::key(&asset);
        // The controls: the look finds what lies in this very process, and the key where it lies open.
        let plain = Needles::new(vec![b"contract-allow".to_vec()]);
        assert!(!search(sentinel.pid(), &plain).hits.is_empty());
        assert!(!search(std::process::id(), &needles).hits.is_empty());
        let before = settled(sentinel.pid(), &needles);
        assert!(before.hits.is_empty(), "{before:?}");
        let closed = before.closed;
        assert!(closed.iter().any(|name| name.contains("secretmem")), "{closed:?}");

        let runtime = Runtime::start(&world, weights(&world, &asset));
        assert_eq!(runtime.sums().len(), weights(&world, &asset).len());
        sentinel.wait_for("Ready");
        let after = search(sentinel.pid(), &needles);
        assert!(after.hits.is_empty(), "{after:?}");
        assert!(!sentinel.log().contains(asset.key.to_hex().as_str()));
    }
}

#[test]
fn no_plaintext_page_is_left_when_the_reader_has_it() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let needles = Needles::plaintext(&asset);
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    eventually("the signal", || world.ready_signal().exists());
    assert!(search(sentinel.pid(), &needles).hits.is_empty());
    let mut reader = File::open(world.pipe()).unwrap();
    let mut text = vec![0; 1_000_000];
    reader.read_exact(&mut text).unwrap();
    // The control: what waits for the reader is found.
    eventually("plaintext that waits", || {
        !search(sentinel.pid(), &needles).hits.is_empty()
    });
    reader.read_to_end(&mut text).unwrap();
    assert_eq!(text, asset.plain["model.tbenc"]);
    eventually("the FIFO anew", || world.pipe().exists());
    let after = search(sentinel.pid(), &needles);
    assert!(after.hits.is_empty(), "{after:?}");
}

#[test]
fn small_files_leave_no_plaintext_in_the_process_either() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[("TB_DELIVERY", "ramfile")]);
    sentinel.wait_for("Decrypt");
    eventually("the signal", || world.ready_signal().exists());
    let after = search(sentinel.pid(), &Needles::plaintext(&asset));
    assert!(after.hits.is_empty(), "{after:?}");
}

/// Whether a process of the sentinel's own user can read this process's environment.
fn neighbour_reads(pid: u32) -> bool {
    let mut cat = Command::new("cat");
    cat.arg(format!("/proc/{pid}/environ")).uid(NOBODY).gid(NOBODY);
    let read = cat.stdout(Stdio::null()).stderr(Stdio::null()).status();
    read.unwrap().success()
}

#[test]
fn it_leaves_no_core_and_nobody_of_its_user_looks_into_it() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel_of_nobody();
    sentinel.wait_for("Decrypt");
    let pid = sentinel.pid();
    let of_process = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let limits = of_process("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let core: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"]);
    let status = of_process("status");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains(&format!("Uid:\t{NOBODY}")), "{status}");
    // What is not dumpable belongs to root in /proc, whoever runs it.
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    let mut other = Command::new("sleep")
        .arg("60")
        .uid(NOBODY)
        .gid(NOBODY)
        .spawn()
        .unwrap();
    eventually("the other's own user", || owner(other.id()) == NOBODY);
    assert_eq!(owner(pid), 0);
    let (control, attack) = (neighbour_reads(other.id()), neighbour_reads(pid));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(control && !attack);
}
