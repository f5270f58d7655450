//! What goes into the image: two files that are named explicitly, and nothing else.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;
use trustbridge_tbenc::Sha256;

use super::weights;
use crate::failure::{Exit, Failure};

/// The vLLM image that the specification names (Phase 2, task 7).
pub(crate) const DEFAULT_BASE: &str = "nvcr.io/nvidia/vllm:latest";
/// Where the sentinel lies in the image.
pub(crate) const SENTINEL: &str = "usr/local/bin/trustbridge-sentinel";
/// Where the entrypoint lies in the image.
pub(crate) const ENTRYPOINT: &str = "usr/local/bin/trustbridge-entrypoint";
/// The entrypoint unless another one is given.
const DEFAULT_ENTRYPOINT: &str = include_str!("entrypoint.sh");

/// A sentinel is a few MiB; what is larger is something else.
const MAX_SENTINEL_BYTES: u64 = 128 << 20;
/// A script is a few KiB.
const MAX_ENTRYPOINT_BYTES: u64 = 256 << 10;

/// One file that we put into the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its path in the image, without the first slash.
    pub(crate) path: &'static str,
    /// Its content.
    pub(crate) sha256: String,
}

/// A build context: a folder that holds the Containerfile and our files alone.
pub(crate) struct Context {
    folder: TempDir,
    /// What the image may hold beyond its base.
    pub(crate) files: Vec<Placed>,
    /// The recipe.
    pub(crate) containerfile: String,
}

impl Context {
    /// Copies the files into a new folder below `work`, judging each by its content.
    pub(crate) fn new(
        work: &Path,
        base: &str,
        sentinel: &Path,
        entrypoint: Option<&Path>,
    ) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix_in("trustbridge-build-", work)
            .map_err(|e| Failure::file("making a folder in", work, &e))?;
        let program = read_sentinel(sentinel)?;
        let script = match entrypoint {
            Some(path) => read_entrypoint(path)?,
            None => DEFAULT_ENTRYPOINT.as_bytes().to_vec(),
        };
        let files = vec![
            place(folder.path(), SENTINEL, &program)?,
            place(folder.path(), ENTRYPOINT, &script)?,
        ];
        let containerfile = containerfile(base, &files);
        write(
            &folder.path().join("Containerfile"),
            containerfile.as_bytes(),
            0o644,
        )?;
        Ok(Self {
            folder,
            files,
            containerfile,
        })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The recipe's file.
    pub(crate) fn containerfile_path(&self) -> PathBuf {
        self.folder.path().join("Containerfile")
    }
}

/// The recipe. It holds no time, no host and no path of this machine: the same files give the same image.
fn containerfile(base: &str, files: &[Placed]) -> String {
    let mut text = format!("FROM {base}\n");
    let tool = concat!("trustbridge/", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(
        text,
        "LABEL org.opencontainers.image.title=\"TrustBridge runtime\" io.trustbridge.tool=\"{tool}\" \
         org.opencontainers.image.base.name=\"{base}\""
    );
    for file in files {
        let name = base_name(file.path);
        let _ = writeln!(text, "LABEL io.trustbridge.{name}.sha256=\"{}\"", file.sha256);
        let _ = writeln!(text, "COPY {name} /{}", file.path);
    }
    // The model server wants a home it may write to, and has no business with hubs or usage statistics.
    text.push_str("ENV HOME=/tmp HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1\n");
    text.push_str("USER 65532:65532\n");
    let _ = writeln!(text, "ENTRYPOINT [\"/{ENTRYPOINT}\"]");
    text.push_str("CMD []\n");
    text
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn place(folder: &Path, path: &'static str, bytes: &[u8]) -> Result<Placed, Failure> {
    write(&folder.join(base_name(path)), bytes, 0o755)?;
    let mut sha256 = Sha256::new();
    sha256.update(bytes);
    Ok(Placed {
        path,
        sha256: sha256.finish_hex(),
    })
}

/// Layers repeat a file's time; all of ours have the same one.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.set_modified(SystemTime::UNIX_EPOCH)
    };
    write().map_err(|e| Failure::file("writing", path, &e))
}

fn read_sentinel(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read("--sentinel-binary", path, MAX_SENTINEL_BYTES)?;
    // ELF, 64 bit, little endian, and at offset 18 the machine: x86-64 is 62.
    let machine = (bytes.get(..6), bytes.get(18..20));
    if machine != (Some(b"\x7fELF\x02\x01".as_slice()), Some([62, 0].as_slice())) {
        return Err(refused(
            "--sentinel-binary",
            path,
            "must be a Linux program for x86-64 (ELF); give the static trustbridge-sentinel",
        ));
    }
    Ok(bytes)
}

fn read_entrypoint(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read("--entrypoint", path, MAX_ENTRYPOINT_BYTES)?;
    if !bytes.starts_with(b"#!") || std::str::from_utf8(&bytes).is_err() {
        return Err(refused(
            "--entrypoint",
            path,
            "must be a script in UTF-8 that begins with #!",
        ));
    }
    Ok(bytes)
}

fn read(flag: &str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let doing = format!("{flag}: reading");
    let failed = |e: &std::io::Error| Failure::file(&doing, path, e);
    let bytes = fs::metadata(path).map_err(|e| failed(&e))?.len();
    let mut head = vec![0_u8; weights::HEAD_BYTES];
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let read = file.read(&mut head).map_err(|e| failed(&e))?;
    head.truncate(read);
    let name = path.to_string_lossy();
    let found = weights::by_content(&head, bytes)
        .map(|evidence| evidence.what)
        .or_else(|| weights::by_name(&name));
    if let Some(what) = found {
        return Err(refused(
            flag,
            path,
            &format!("looks like model weights ({what}), and an image must hold none"),
        ));
    }
    if bytes > limit {
        let rule = format!("has {bytes} bytes, at most {limit} are sensible; this is another file");
        return Err(refused(flag, path, &rule));
    }
    file.read_to_end(&mut head).map_err(|e| failed(&e))?;
    Ok(head)
}

fn refused(flag: &str, path: &Path, rule: &str) -> Failure {
    Failure::new(Exit::Data, format!("{flag} {}: {rule}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf() -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[18] = 62;
        bytes
    }

    /// The context made of a program and a script with these contents.
    fn made(folder: &Path, sentinel: &[u8], entrypoint: Option<&[u8]>) -> Result<Context, Failure> {
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes)
                .map(|()| path.clone())
                .map_err(|e| Failure::file("writing", &path, &e))
        };
        let program = put("s", sentinel)?;
        let script = entrypoint.map(|bytes| put("e", bytes)).transpose()?;
        Context::new(folder, "scratch", &program, script.as_deref())
    }

    #[test]
    fn the_context_holds_our_files_and_the_recipe_alone() {
        let folder = tempfile::tempdir().unwrap();
        let context = made(folder.path(), &elf(), None).unwrap();
        let mut names: Vec<_> = fs::read_dir(context.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["Containerfile", "trustbridge-entrypoint", "trustbridge-sentinel"]
        );
        let again = made(folder.path(), &elf(), None).unwrap();
        assert_eq!(context.containerfile, again.containerfile);
        assert!(context.containerfile.contains("\nUSER 65532:65532\n"));
    }

    #[test]
    fn weights_are_refused_in_place_of_a_program_or_script() {
        let mut safetensors = 16_u64.to_le_bytes().to_vec();
        safetensors.extend_from_slice(b"{\"a\":{\"dtype\":1}");
        for (sentinel, entrypoint, word) in [
            (safetensors.clone(), None, "safetensors"),
            (elf(), Some(safetensors), "safetensors"),
            (b"GGUF\x03\0\0\0".to_vec(), None, "GGUF"),
            (b"MZ".to_vec(), None, "ELF"),
            (elf(), Some(b"echo".to_vec()), "#!"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let failure = made(folder.path(), &sentinel, entrypoint.as_deref())
                .err()
                .unwrap();
            assert_eq!(failure.exit, Exit::Data);
            assert!(failure.to_string().contains(word), "{failure}");
        }
    }
}
