//! Building: cargo for the static programs, buildah for the archives; what has not changed is not built again.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{Context as Hash, SHA256};
use data_encoding::HEXLOWER;

use super::Image;
use crate::command;
use crate::layout::Layout;
use crate::workspace::Workspace;

/// An image in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its reference.
    pub reference: String,
    /// Over the program and the Containerfile.
    pub digest: String,
    /// The archive, of the form `oci-archive`.
    pub file: PathBuf,
}

/// Builds every program, static, by `make bins`: one place says what is built together, and cargo unites the
/// features of just that, so that another selection would compile the dependencies once more.
pub fn build_programs(workspace: &Workspace) -> Result<()> {
    let mut command = Command::new("make");
    command
        .current_dir(workspace.root())
        .args(["--no-print-directory", "bins"]);
    command::run(&mut command)
}

/// Builds one image into the cache, unless it is there already.
pub fn build(layout: &Layout, workspace: &Workspace, image: &Image) -> Result<Archive> {
    let context = image.context(layout, workspace);
    let containerfile = workspace.root().join(image.containerfile);
    let digest = digest(&[&containerfile, &context.join(image.program)])?;
    let folder = layout.image_cache();
    let file = folder.join(format!("{}-{digest}.tar", image.name));
    let archive = Archive {
        reference: image.reference(),
        digest,
        file,
    };
    if archive.file.is_file() {
        return Ok(archive);
    }
    fs::create_dir_all(&folder)?;
    remove_older(&folder, image.name)?;
    let partial = folder.join(format!("{}.partial", image.name));
    let _ = fs::remove_file(&partial);
    command::run(
        buildah(layout)
            .args(["bud", "--timestamp", "0", "-t"])
            .arg(image.reference())
            .arg("-f")
            .arg(&containerfile)
            .arg(&context),
    )?;
    let target = format!("oci-archive:{}:{}", partial.display(), image.reference());
    command::run(
        buildah(layout)
            .args(["push", "--quiet"])
            .arg(image.reference())
            .arg(target),
    )?;
    fs::rename(&partial, &archive.file)?;
    Ok(archive)
}

/// buildah with storage of its own; chroot isolation needs no runtime and no user namespace.
fn buildah(layout: &Layout) -> Command {
    let storage = layout.cache().join("buildah");
    let mut command = Command::new("buildah");
    command
        .env("STORAGE_DRIVER", "vfs")
        .env("BUILDAH_ISOLATION", "chroot");
    command
        .arg("--root")
        .arg(storage.join("root"))
        .arg("--runroot")
        .arg(storage.join("run"));
    command
}

fn digest(files: &[&Path]) -> Result<String> {
    let mut hash = Hash::new(&SHA256);
    let mut buffer = vec![0_u8; 1 << 16];
    for path in files {
        let mut file = File::open(path)
            .with_context(|| format!("{} is missing; it must be built first", path.display()))?;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
        }
    }
    Ok(HEXLOWER.encode(hash.finish().as_ref()).chars().take(16).collect())
}

fn remove_older(folder: &Path, name: &str) -> Result<()> {
    let ours = format!("{name}-");
    for entry in fs::read_dir(folder)?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = file.strip_prefix(&ours) else {
            continue;
        };
        if rest.strip_suffix(".tar").is_some_and(|digest| digest.len() == 16) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_archives_of_the_same_image_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let digest = "0123456789abcdef";
        for name in [
            format!("fake-gpu-{digest}.tar"),
            format!("fake-{digest}.tar"),
            "fake-notes.txt".into(),
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_older(folder.path(), "fake").unwrap();
        assert!(folder.path().join(format!("fake-gpu-{digest}.tar")).exists());
        assert!(!folder.path().join(format!("fake-{digest}.tar")).exists());
        assert!(folder.path().join("fake-notes.txt").exists());
    }

    #[test]
    fn the_digest_covers_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "1").unwrap();
        fs::write(&b, "2").unwrap();
        let first = digest(&[&a, &b]).unwrap();
        fs::write(&b, "3").unwrap();
        assert_ne!(first, digest(&[&a, &b]).unwrap());
    }
}
