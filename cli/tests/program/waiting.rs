//! A server that takes connections and never says a word: nothing waits for it longer than it was told to.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{command, encrypted_model};

/// Far more than what is asked for, far less than the program's own patience.
const SOON: Duration = Duration::from_secs(30);

/// Its address. The system takes the connections; nobody answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn spawn(dir: &Path, line: &str) -> Child {
    command(dir)
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its end, which must come soon.
fn end_of(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > SOON {
            child.kill().unwrap();
            break;
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn the_timeout_ends_verify_and_inspect() {
    let dir = tempfile::tempdir().unwrap();
    let (_listener, address) = silent();
    for name in ["verify", "inspect"] {
        let line = format!("{name} --in https://{address}/acct/c/models/tb-1?sig=x --timeout 1");
        let output = end_of(spawn(dir.path(), &line));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{name}: {said}");
        assert!(
            said.contains("--timeout") && !said.contains("sig="),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_signal_ends_register_while_the_control_plane_is_silent() {
    let (dir, _) = encrypted_model();
    let (listener, address) = silent();
    std::fs::write(dir.path().join("token"), "token").unwrap();
    let line = format!(
        "register --manifest enc/model.manifest.json --key-file enc.key --token-file token --edc-endpoint \
         https://{address} --container-url https://acct.blob.core.windows.net/models"
    );
    let child = spawn(dir.path(), &line);
    // It has begun to wait once it is connected.
    let connection = listener.accept().unwrap();
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = end_of(child);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    drop(connection);
}
