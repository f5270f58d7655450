//! Which paths and ids a manifest may hold: they become file names, blob names and parts of URLs.

/// Longest accepted path.
const MAX_PATH_BYTES: usize = 512;
/// Longest accepted name within a path.
const MAX_NAME_BYTES: usize = 240;
/// Longest accepted asset id.
const MAX_ASSET_ID_BYTES: usize = 128;

/// Checks a relative `/`-separated path; the error is the rule that it breaks.
pub fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("must not be empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("must be at most 512 bytes long");
    }
    if path.starts_with('/') {
        return Err("must be relative, without a leading '/'");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Err("must not contain '\\' or control characters");
    }
    path.split('/').try_for_each(check_name)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("must not contain empty names ('//' or a trailing '/')"),
        "." | ".." => Err("must not contain '.' or '..'"),
        _ if name.len() > MAX_NAME_BYTES => Err("must not contain names longer than 240 bytes"),
        _ => Ok(()),
    }
}

/// Checks an asset id; the error is the rule that it breaks.
pub fn check_asset_id(id: &str) -> Result<(), &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > MAX_ASSET_ID_BYTES {
        return Err("must be 1 to 128 characters long");
    }
    if !id.chars().all(legal) || !id.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("must be letters, digits, '-', '_' and '.', beginning with a letter or digit");
    }
    Ok(())
}
