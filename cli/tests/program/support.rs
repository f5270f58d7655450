//! Running the program in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::python;

/// The program, without anything that the machine's environment would tell it.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustbridge"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("TB_") || name.starts_with("AZURE_") || name == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command
        .env("XDG_CONFIG_HOME", dir.join("no-configuration"))
        .current_dir(dir);
    command
}

pub fn trustbridge(dir: &Path, line: &str) -> Output {
    command(dir).args(line.split_whitespace()).output().unwrap()
}

pub fn ok(dir: &Path, line: &str) -> String {
    let output = trustbridge(dir, line);
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(dir: &Path, line: &str) -> Value {
    serde_json::from_str(&ok(dir, &format!("{line} --json"))).unwrap()
}

/// Runs a command that must fail with this exit code; gives what it says.
pub fn fails(dir: &Path, code: i32, line: &str) -> String {
    let output = trustbridge(dir, line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    assert!(
        output.stdout.is_empty(),
        "{line}: a failing command prints nothing on standard output"
    );
    said
}

/// All names in a folder, hidden ones too.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn flip_last_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A folder with a 1 MiB model, encrypted in `enc` under `enc.key`.
pub fn encrypted_model() -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        "sample-model --out model --size-mib 1 --canary TB_CANARY",
    );
    let line =
        "encrypt --in model --out enc --asset-id tb-asset-1 --chunk-bytes 65536 --allow-finetune=false";
    let summary = json(dir.path(), line);
    (dir, summary)
}

/// Runs a command with one of the shell's limits (`ulimit`): one that does without an end is ended.
pub fn limited(dir: &Path, limit: &str, line: &str) -> Output {
    let program = command(dir);
    let script = format!(
        "ulimit {limit}; exec {} {line}",
        env!("CARGO_BIN_EXE_trustbridge")
    );
    let mut shell = Command::new("sh");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.args(["-c", &script]).current_dir(dir).output().unwrap()
}

/// A Python interpreter that is to run the program on that page of the reference; arguments follow.
pub fn page_program(page: &str) -> Command {
    let page = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/reference")
        .join(page);
    let text = fs::read_to_string(page).unwrap();
    let (_, program) = text.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let mut command = Command::new(python::interpreter().unwrap());
    // -E -s: nothing of the user's own packages.
    command.args(["-E", "-s", "-c", program]);
    command
}
