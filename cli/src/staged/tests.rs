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

/// A sync that the file system refuses.
fn unsynced(_: &Path) -> Result<(), Failure> {
    Err(Failure::new(Exit::Io, "no sync"))
}

#[test]
fn what_is_shown_but_cannot_be_synced_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/out");
    let (mut staged, _file) = Staged::file(&path).unwrap();
    staged.show_then(unsynced).unwrap_err();
    assert!(path.exists());
    drop(staged);
    assert!(names(dir.path()).is_empty());
    let mode = fs::metadata(dir.path()).unwrap().permissions();
    let mut staged = Staged::directory(&path).unwrap();
    fs::write(staged.temporary().join("file"), "x").unwrap();
    // The folder itself can be synced; what lies above it cannot.
    let above = |folder: &Path| {
        if folder.ends_with("new") {
            unsynced(folder)
        } else {
            Ok(())
        }
    };
    staged.show_directory_then(mode, above).unwrap_err();
    drop(staged);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_shown_output_stays_only_when_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut given_up, _file) = Staged::file(&dir.path().join("a")).unwrap();
    given_up.show().unwrap();
    let (mut kept, _file) = Staged::file(&dir.path().join("b")).unwrap();
    kept.show().unwrap();
    kept.keep();
    drop((given_up, kept));
    assert_eq!(names(dir.path()), ["b"]);
}

#[test]
fn every_folder_is_synced_before_a_directory_is_shown_and_those_above_it_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/also/out");
    let mut staged = Staged::directory(&path).unwrap();
    create_new(&staged.temporary().join("a/b/file")).unwrap();
    let temporary = staged.temporary().to_owned();
    let synced = std::cell::RefCell::new(Vec::new());
    let note = |folder: &Path| {
        synced.borrow_mut().push((folder.to_owned(), path.exists()));
        Ok(())
    };
    let mode = fs::metadata(dir.path()).unwrap().permissions();
    staged.show_directory_then(mode, note).unwrap();
    let expected = [
        (temporary.clone(), false),
        (temporary.join("a"), false),
        (temporary.join("a/b"), false),
        (dir.path().join("made/also"), true),
        (dir.path().join("made"), true),
        (dir.path().to_owned(), true),
    ];
    assert_eq!(synced.into_inner(), expected);
}

#[test]
fn folders_that_were_made_for_it_go_with_it_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("theirs")).unwrap();
    drop(Staged::file(&dir.path().join("theirs/new/sub/out")).unwrap());
    assert_eq!(names(dir.path()), ["theirs"]);
    assert!(names(&dir.path().join("theirs")).is_empty());
    let staged = Staged::directory(&dir.path().join("new/sub/out")).unwrap();
    fs::write(dir.path().join("new/theirs"), "x").unwrap();
    drop(staged);
    assert_eq!(names(&dir.path().join("new")), ["theirs"]);
}

#[test]
fn only_a_file_system_that_syncs_no_directories_is_forgiven() {
    for (error, forgiven) in [
        (Errno::INVAL, true),
        (Errno::NOTSUP, true),
        (Errno::IO, false),
        (Errno::NOSPC, false),
    ] {
        assert_eq!(tolerated(Err(error.into())).is_ok(), forgiven, "{error}");
    }
}
