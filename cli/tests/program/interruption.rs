//! Signals at any moment: what is there afterwards is whole, or it is nothing.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{command, names, ok, trustbridge};

/// Bytes of the plaintext: some tenths of a second of work.
const LENGTH: u64 = 256 << 20;

struct Run {
    dir: tempfile::TempDir,
    before: Vec<String>,
}

impl Run {
    /// A large file, its encryption, and a directory with two shards.
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        File::create(dir.path().join("plain"))
            .unwrap()
            .set_len(LENGTH)
            .unwrap();
        ok(dir.path(), "encrypt --in plain --out a.tbenc");
        ok(dir.path(), "sample-model --out model --size-mib 96");
        let before = names(dir.path());
        Self { dir, before }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn spawn(&self, line: &str) -> Child {
        command(self.path())
            .args(line.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What is there that was not there before.
    fn left(&self) -> Vec<String> {
        let mut left = names(self.path());
        left.retain(|name| !self.before.contains(name));
        left
    }

    fn clear(&self) {
        for name in self.left() {
            let path = self.path().join(name);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Moments spread over the time that one run takes.
fn moments(whole: Duration, count: u32) -> impl Iterator<Item = Duration> {
    (0..count).map(move |n| whole * n / count + Duration::from_millis(2))
}

const LINES: [&str; 4] = [
    "encrypt --in plain --out new",
    "encrypt --in model --out new --key-out new.key --manifest new.json",
    "decrypt --in a.tbenc --key-file a.tbenc.key --out new",
    "verify --in a.tbenc --key-file a.tbenc.key",
];

#[test]
fn a_signal_ends_encrypt_decrypt_and_verify_with_130_and_nothing_left() {
    let run = Run::new();
    let mut interrupted = 0;
    for (index, line) in LINES.iter().enumerate() {
        let started = Instant::now();
        assert!(trustbridge(run.path(), line).status.success());
        let whole = started.elapsed();
        run.clear();
        for moment in moments(whole, 8) {
            let mut child = run.spawn(line);
            sleep(moment);
            if child.try_wait().unwrap().is_none() {
                signal(&child, if index % 2 == 0 { "INT" } else { "TERM" });
            }
            let sent = Instant::now();
            let status = child.wait().unwrap();
            let waited = sent.elapsed();
            if status.success() {
                run.clear();
                continue;
            }
            // A signal that comes before the program watches ends it as any other.
            if status.code().is_some() {
                assert_eq!(status.code(), Some(130), "{line} after {moment:?}");
                interrupted += 1;
            }
            assert_eq!(run.left(), [""; 0], "{line} after {moment:?}");
            assert!(waited < Duration::from_secs(5), "{line} took {waited:?} to end");
        }
    }
    assert!(
        interrupted >= 8,
        "{interrupted} runs were interrupted, too few to show anything"
    );
}

#[test]
fn a_killed_run_leaves_nothing_that_looks_complete_and_the_next_one_cleans_up() {
    let run = Run::new();
    let mut killed = 0;
    for line in &LINES[..3] {
        let started = Instant::now();
        assert!(trustbridge(run.path(), line).status.success());
        let whole = started.elapsed();
        run.clear();
        for moment in moments(whole, 8) {
            let mut child = run.spawn(line);
            sleep(moment);
            signal_if_running(&mut child);
            if child.wait().unwrap().success() {
                run.clear();
                continue;
            }
            killed += 1;
            check_what_is_left(&run, line);
            if !run.left().iter().any(|name| name == "new" || name == "new.key") {
                // The same command again works, and takes away what the dead one left.
                ok(run.path(), line);
                assert!(
                    !run.left().iter().any(|name| name.contains(".partial-")),
                    "{line}: {:?}",
                    run.left()
                );
            }
            run.clear();
        }
    }
    assert!(killed >= 6, "{killed} runs were killed, too few to show anything");
}

fn signal_if_running(child: &mut Child) {
    if child.try_wait().unwrap().is_none() {
        child.kill().unwrap();
    }
}

/// A manifest means a whole asset; a key means a whole ciphertext; a plaintext is whole.
fn check_what_is_left(run: &Run, line: &str) {
    let left = run.left();
    let has = |name: &str| left.iter().any(|found| found == name);
    if line.starts_with("decrypt") {
        if has("new") {
            assert_eq!(fs::metadata(run.path().join("new")).unwrap().len(), LENGTH);
        }
        return;
    }
    if has("new.key") {
        assert!(has("new"), "{line}: a key without its ciphertext: {left:?}");
    }
    let manifest = ["new.manifest.json", "new.json"]
        .into_iter()
        .find(|name| has(name));
    if let Some(manifest) = manifest {
        assert!(has("new.key"), "{line}: a manifest without its key: {left:?}");
        ok(
            run.path(),
            &format!("verify --in new --manifest {manifest} --key-file new.key"),
        );
    }
}
