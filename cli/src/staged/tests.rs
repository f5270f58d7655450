//! Staged outputs on real files.

use super::*;

fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names
}

/// The id of a process that has ended.
fn dead_process() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn nothing_is_there_before_the_commit_and_nothing_else_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    drop(Staged::file(&path).unwrap());
    assert!(names(dir.path()).is_empty());
    let (staged, _file) = Staged::file(&path).unwrap();
    assert!(!path.exists() && names(dir.path()).len() == 1);
    staged.commit().unwrap();
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn what_exists_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let (staged, _file) = Staged::public(&path).unwrap();
    fs::write(&path, "theirs").unwrap();
    staged.commit().unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(dir.path()), ["out"]);
    let folder = dir.path().join("folder");
    let staged = Staged::directory(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    let mode = fs::metadata(&folder).unwrap().permissions();
    staged.commit_directory(mode).unwrap_err();
    assert_eq!(names(dir.path()), ["folder", "out"]);
}

#[test]
fn what_a_dead_process_left_is_taken_away_and_what_a_living_one_writes_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let of = |id: u32| dir.path().join(format!(".out.partial-{id}"));
    let (dead, running, own) = (
        dead_process(),
        std::os::unix::process::parent_id(),
        std::process::id(),
    );
    fs::create_dir(of(dead)).unwrap();
    fs::write(of(dead).join("half"), "x").unwrap();
    fs::write(of(running), "x").unwrap();
    fs::write(of(own), "from an earlier process of the same id").unwrap();
    fs::write(dir.path().join(".out.partial-note"), "x").unwrap();
    let (staged, _file) = Staged::file(&dir.path().join("out")).unwrap();
    assert!(!of(dead).exists() && of(running).exists());
    assert_eq!(fs::metadata(staged.temporary()).unwrap().len(), 0);
    assert!(dir.path().join(".out.partial-note").exists());
}

#[test]
fn a_lock_protects_what_another_machine_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!(".out.partial-{}", dead_process()));
    let held = File::create(&path).unwrap();
    held.lock().unwrap();
    drop(Staged::file(&dir.path().join("out")).unwrap());
    assert!(path.exists());
    drop(held);
    drop(Staged::file(&dir.path().join("out")).unwrap());
    assert!(!path.exists());
}
