//! Progress is drawn on a terminal and nowhere else.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::support::{command, ok};

/// What a command writes to a terminal; `script` of util-linux makes one.
fn on_terminal(dir: &Path, line: &str, no_color: bool) -> String {
    let quoted = format!("{} {line}", env!("CARGO_BIN_EXE_trustbridge"));
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &quoted, "/dev/null"])
        .current_dir(dir)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let output = script.output().unwrap();
    assert!(output.status.success(), "{line}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A sparse file that takes the program long enough to draw something.
fn large(dir: &Path) {
    File::create(dir.join("plain"))
        .unwrap()
        .set_len(192 << 20)
        .unwrap();
}

#[test]
fn a_terminal_shows_bytes_rate_and_time_left() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = dir.path();
    large(dir);
    let said = on_terminal(dir, "encrypt --in plain --out a.tbenc", false);
    assert!(
        said.contains("encrypting")
            && said.contains("/s")
            && said.contains("left")
            && said.contains("201.33 MB"),
        "{said:?}"
    );
    assert!(said.contains("\u{1b}[36m"), "colours: {said:?}");
    let plain = on_terminal(dir, "verify --in a.tbenc --key-file a.tbenc.key", true);
    assert!(
        plain.contains("verifying") && !plain.contains("\u{1b}[36m"),
        "{plain:?}"
    );
}

#[test]
fn a_pipe_shows_nothing() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = dir.path();
    large(dir);
    let output = command(dir)
        .args(["encrypt", "--in", "plain", "--out", "a.tbenc"])
        .env("TERM", "xterm-256color")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(!ok(dir, "verify --in a.tbenc").contains("verifying"));
}
