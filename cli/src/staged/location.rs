//! Where an output will be, however its path is spelled: two spellings of one place must compare equal, and what
//! lies in a folder that does not exist yet must be seen to lie in it.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;

/// The absolute path of an output: links and `..` resolved in every part that exists. The last part is the output
/// itself and is not followed.
pub(crate) fn resolved(flag: &str, path: &Path) -> Result<PathBuf, Failure> {
    let unread = |e| Failure::file(&format!("{flag}: resolving"), path, &e);
    let Some(name) = path.file_name() else {
        return Err(no_name(flag, path));
    };
    let mut at = std::env::current_dir()
        .and_then(|here| here.canonicalize())
        .map_err(unread)?;
    for component in super::parent(path).components() {
        match component {
            Component::CurDir => {}
            // What was resolved so far has no links in it, so that this is its folder.
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => {
                at.push(component);
                match at.canonicalize() {
                    Ok(real) => at = real,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(unread(e)),
                }
            }
        }
    }
    Ok(at.join(name))
}

/// Refuses an output that names no file or folder, such as `..`.
pub(super) fn no_name(flag: &str, path: &Path) -> Failure {
    Failure::usage(format!(
        "{flag} {}: must end in a name, of a new file or folder",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_spelling_of_a_place_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        for (spelling, place) in [
            ("out", "out"),
            ("./out", "out"),
            ("missing/../out", "out"),
            ("link/../out", "out"),
            ("link/new/out", "real/new/out"),
            ("real/./out/", "real/out"),
            ("link", "link"),
        ] {
            let found = resolved("--out", &root.join(spelling)).unwrap();
            assert_eq!(found, root.join(place), "{spelling}");
        }
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(
            resolved("--out", Path::new("no-such/out")).unwrap(),
            here.join("no-such/out")
        );
        for nameless in ["..", ".", "/", "out/.."] {
            resolved("--out", Path::new(nameless)).unwrap_err();
        }
    }

    #[test]
    fn a_file_has_no_folders_in_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        resolved("--out", &dir.path().join("file/sub/out")).unwrap_err();
    }
}
