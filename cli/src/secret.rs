//! Secrets come from files or standard input and go into files that only their owner can read.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read, stdin};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use trustbridge_tbenc::Key;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::report::note;

/// No secret is longer; a larger file is the wrong file.
const MAX_SECRET_BYTES: u64 = 16 << 10;

/// Reads a secret without the white space around it. `-` is standard input.
pub(crate) fn read(flag: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    warn_of_readers(flag, path);
    whole(flag, path)
}

fn whole(flag: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = read_exactly(flag, path)?;
    let trimmed = Zeroizing::new(text.trim().to_owned());
    if trimmed.is_empty() {
        return Err(refused(flag, path, "is empty; it must hold the secret alone"));
    }
    Ok(trimmed)
}

/// Refuses a file that [`read`] would refuse, long before its use. Standard input and pipes can be read only once,
/// and are left alone.
pub(crate) fn probe(flag: &str, path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") || std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Ok(());
    }
    whole(flag, path).map(drop)
}

/// Reads an asset key: 64 hexadecimal characters, with or without a line feed behind them.
pub(crate) fn read_key(path: &Path) -> Result<Key, Failure> {
    const FLAG: &str = "--key-file";
    warn_of_readers(FLAG, path);
    let text = read_exactly(FLAG, path)?;
    let hex = text.strip_suffix('\n').unwrap_or(&text);
    if hex.contains('\r') {
        let rule = "has a carriage return (CRLF line end); a key file is 64 hexadecimal characters and a line feed: \
                    write it again without";
        return Err(refused(FLAG, path, rule));
    }
    Key::from_hex(hex).map_err(|error| {
        refused(
            FLAG,
            path,
            &format!("{error}; give the file that `trustbridge encrypt` wrote"),
        )
    })
}

/// What a key file holds.
pub(crate) fn key_line(key: &Key) -> Zeroizing<String> {
    let mut text = key.to_hex();
    text.push('\n');
    text
}

/// Reads all of a small text. A name that is a secret itself is never repeated.
fn read_exactly(flag: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    if is_secret(&path.to_string_lossy()) {
        return Err(Failure::usage(format!(
            "{flag}: takes the path of the file that holds the secret, not the secret: arguments are visible to every \
             user of the machine. Take this one as given away, and write the next one to a file of mode 0600"
        )));
    }
    let doing = format!("{flag}: reading");
    let mut text = Zeroizing::new(String::new());
    let result = if path == Path::new("-") {
        if stdin().is_terminal() {
            note(
                "reading",
                &format!("{flag} from the terminal; end it with a new line and Ctrl-D"),
            );
        }
        interrupt::while_waiting(|| stdin().take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
    } else {
        let file = File::open(path).map_err(|e| Failure::file(&doing, path, &e))?;
        interrupt::while_waiting(|| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
    };
    match result {
        Err(e) if e.kind() == ErrorKind::InvalidData => {
            return Err(refused(
                flag,
                path,
                "is no text; this is not the file that holds the secret",
            ));
        }
        other => other.map_err(|e| Failure::file(&doing, path, &e))?,
    };
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(refused(
            flag,
            path,
            "is longer than 16 KiB; this is not the file that holds the secret alone",
        ));
    }
    Ok(text)
}

/// Whether a text that should be a path is a secret: a key in hexadecimal, a SAS, a connection string.
pub(crate) fn is_secret(text: &str) -> bool {
    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex || ["sig=", "AccountKey=", "SharedAccessSignature="]
        .iter()
        .any(|mark| text.contains(mark))
}

fn warn_of_readers(flag: &str, path: &Path) {
    // A secret that cannot be looked at is read or refused in the next step anyway.
    let others_read = |meta: &std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o077 != 0;
    if std::fs::metadata(path).is_ok_and(|meta| others_read(&meta)) {
        let path = path.display();
        note(
            "warning",
            &format!("{flag} {path}: other users can read this secret; `chmod 600 {path}`"),
        );
    }
}

fn refused(flag: &str, path: &Path, rule: &str) -> Failure {
    Failure::new(Exit::Data, format!("{flag} {}: {rule}", path.display()))
}
