//! The Python side: an interpreter with pinned packages, the second reader and the generator.
//!
//! The environment is made once per version of its requirements below the user's cache folder.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::{counted, reference, vectors};

const REQUIREMENTS: &str = include_str!("../../vectors/requirements.txt");
/// Making the environment fetches about 5 MB.
const SETUP_LIMIT: Duration = Duration::from_mins(5);
const RUN_LIMIT: Duration = Duration::from_mins(3);
const NEXT_STEP: &str = "install python3 (3.10 or newer) with its venv module (Debian: python3-venv), make PyPI or a \
                         mirror of it reachable for pip, and run the tests again";

pub(crate) fn trials() -> Vec<Trial> {
    let total = vectors::total();
    vec![
        counted(total, "python reader: agrees on {} of {} vectors", move || {
            let said = run("reader.py", &[])?;
            expect_line(&said, &format!("agree {total} of {total}")).map(|()| total)
        }),
        counted(
            3,
            "python generator: {} of 3 vector files are what it writes",
            || {
                let said = run("generate.py", &["--check"])?;
                expect_line(&said, "same 3 of 3").map(|()| 3)
            },
        ),
    ]
}

/// The last line of an output must be this one.
pub(crate) fn expect_line(said: &str, line: &str) -> Result<(), String> {
    if said.lines().last() == Some(line) {
        return Ok(());
    }
    Err(format!("must end with {line:?}, said:\n{said}"))
}

/// Runs a script of `vectors/` and gives what it printed; a failed exit is an error with the same text.
pub(crate) fn run(script: &str, arguments: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(script);
    let mut command = Command::new(interpreter()?);
    // -B: no byte code beside the sources. -E -s: nothing of the user's own packages.
    command.args(["-B", "-E", "-s"]).arg(script).args(arguments);
    finish(&mut command, RUN_LIMIT)
}

fn interpreter() -> Result<&'static Path, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| environment().map_err(|error| format!("{error}; {NEXT_STEP}")));
    made.as_deref().map_err(Clone::clone)
}

/// Finds or makes the environment. It gets its name by a rename, so that what has the name is complete.
fn environment() -> Result<PathBuf, String> {
    let version = finish(Command::new("python3").arg("--version"), RUN_LIMIT)?;
    let digest = reference::sha256_hex(format!("{version}\n{REQUIREMENTS}").as_bytes());
    let name = format!("python-{}", &digest[..16]);
    let cache = cache_folder()?.join("trustbridge");
    let (folder, partial) = (cache.join(&name), cache.join(format!("{name}.partial")));
    let python = folder.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    fs::create_dir_all(&cache).map_err(|error| format!("making {}: {error}", cache.display()))?;
    let _lock = lock(&cache.join(format!("{name}.lock")))?;
    if python.exists() {
        return Ok(python);
    }
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(|error| format!("removing {}: {error}", partial.display()))?;
    }
    finish(
        Command::new("python3").args(["-m", "venv"]).arg(&partial),
        SETUP_LIMIT,
    )?;
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/requirements.txt");
    let mut install = Command::new(partial.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ]);
    finish(install.arg("--requirement").arg(requirements), SETUP_LIMIT)?;
    fs::rename(&partial, &folder).map_err(|error| format!("naming {}: {error}", folder.display()))?;
    Ok(python)
}

fn cache_folder() -> Result<PathBuf, String> {
    let named = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| String::from("neither XDG_CACHE_HOME nor HOME names an absolute folder"))
}

/// Held by one process at a time, and let go when it ends, however it ends.
fn lock(path: &Path) -> Result<File, String> {
    let file = File::create(path).map_err(|error| format!("making {}: {error}", path.display()))?;
    let until = Instant::now() + 2 * SETUP_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(format!("locking {}: {error}", path.display())),
        }
    }
}

/// Waits for a program and gives all that it printed; kills it at the limit.
fn finish(command: &mut Command, limit: Duration) -> Result<String, String> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting {shown}: {error}"))?;
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (out, err) = (thread::spawn(|| text_of(out)), thread::spawn(|| text_of(err)));
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
            None => {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(format!("{shown} did not end within {} s", limit.as_secs()));
            }
        }
    };
    let said = format!("{}{}", out.join().unwrap(), err.join().unwrap());
    if status.success() {
        return Ok(said.trim_end().to_owned());
    }
    Err(format!("{shown} ended with {status}:\n{said}"))
}

fn text_of(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    match pipe.read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("reading its output: {error}"),
    }
}
