//! A Python interpreter with pinned packages, for tests whose second opinion is a Python program. The tests of the
//! provider's program read this file too: one environment serves both.
//!
//! It is made once per version of its requirements below the user's cache folder.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

const REQUIREMENTS: &str = include_str!("../../vectors/requirements.txt");
/// Making the environment fetches about 5 MB.
const SETUP_LIMIT: Duration = Duration::from_mins(5);
pub(crate) const RUN_LIMIT: Duration = Duration::from_mins(3);
const NEXT_STEP: &str = "install python3 (3.10 or newer) with its venv module (Debian: python3-venv), make PyPI or a \
                         mirror of it reachable for pip, and run the tests again";

/// The interpreter; the environment is made where it is not there yet.
pub(crate) fn interpreter() -> Result<&'static Path, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| environment().map_err(|error| format!("{error}; {NEXT_STEP}")));
    made.as_deref().map_err(Clone::clone)
}

/// Finds or makes the environment. It gets its name by a rename, so that what has the name is complete.
fn environment() -> Result<PathBuf, String> {
    let version = finish(Command::new("python3").arg("--version"), RUN_LIMIT)?;
    let digest = sha256_hex(format!("{version}\n{REQUIREMENTS}").as_bytes());
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
    let requirements = partial.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)
        .map_err(|error| format!("writing {}: {error}", requirements.display()))?;
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

fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// Waits for a program and gives all that it printed; kills it at the limit.
pub(crate) fn finish(command: &mut Command, limit: Duration) -> Result<String, String> {
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
    let text = |reading: thread::JoinHandle<String>| {
        reading
            .join()
            .map_err(|_| format!("reading what {shown} said panicked"))
    };
    let said = format!("{}{}", text(out)?, text(err)?);
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
