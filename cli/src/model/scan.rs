//! Which files a model directory has, what they are to a loader, and in which order it reads them.

use std::path::{Path, PathBuf};

use trustbridge_tbenc::manifest::{MAX_FILES, Role, check_path, loader_order};
use walkdir::WalkDir;

use crate::failure::{Exit, Failure};

/// A file that will be encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Path relative to the model's directory, `/`-separated.
    pub(crate) path: String,
    /// Where it is.
    pub(crate) full: PathBuf,
    /// What it is to the loader.
    pub(crate) role: Role,
    /// Its length.
    pub(crate) bytes: u64,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// In the order in which a loader reads.
    pub(crate) files: Vec<SourceFile>,
    /// Hidden or excluded names that are left out.
    pub(crate) skipped: Vec<String>,
}

/// Weights in formats that cannot be streamed to the loader and would go out as dead bytes.
const OTHER_WEIGHTS: [&str; 9] = [
    "bin", "pt", "pth", "gguf", "ggml", "h5", "msgpack", "onnx", "ckpt",
];

/// Lists the directory. Links to files are followed, as a hub cache has them; hidden names are left out.
pub(crate) fn scan(root: &Path, exclude: &[String]) -> Result<Scan, Failure> {
    let mut scan = Scan::default();
    let mut walk = WalkDir::new(root)
        .follow_links(true)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|e| Failure::new(Exit::Io, format!("--in {}: {e}", root.display())))?;
        let path = relative(root, entry.path())?;
        if entry.file_name().to_string_lossy().starts_with('.') || exclude.contains(&path) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            scan.skipped.push(path);
        } else if entry.file_type().is_file() {
            scan.files.push(source_file(path, entry.path())?);
        } else if !entry.file_type().is_dir() {
            return Err(refused(
                entry.path(),
                "is neither a file nor a directory; remove it",
            ));
        }
    }
    if scan.files.len() > MAX_FILES {
        let count = scan.files.len();
        return Err(refused(
            root,
            &format!("has {count} files, at most {MAX_FILES} fit in a manifest; --exclude some"),
        ));
    }
    scan.files
        .sort_by(|a, b| loader_order((a.role, &a.path), (b.role, &b.path)));
    Ok(scan)
}

fn source_file(path: String, full: &Path) -> Result<SourceFile, Failure> {
    let extension = Path::new(&path)
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    if OTHER_WEIGHTS.contains(&extension.to_ascii_lowercase().as_str()) {
        let rule = format!(
            "holds weights in a format that is not streamed (.{extension}); convert it to safetensors, or --exclude {path}"
        );
        return Err(refused(full, &rule));
    }
    let bytes = crate::asset::length(full)?;
    Ok(SourceFile {
        role: role(&path),
        full: full.to_owned(),
        path,
        bytes,
    })
}

fn relative(root: &Path, full: &Path) -> Result<String, Failure> {
    let inside = full.strip_prefix(root).unwrap_or(full);
    let path = inside
        .to_str()
        .ok_or_else(|| refused(full, "must have a name in UTF-8; rename it"))?;
    check_path(path).map_err(|rule| refused(full, &format!("path {rule}; rename it")))?;
    Ok(path.to_owned())
}

/// What a file is to the loader, told by its name.
pub(crate) fn role(path: &str) -> Role {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is = |extension: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    let tokenizer = [
        "tokenizer",
        "vocab.",
        "merges.txt",
        "special_tokens_map.",
        "added_tokens.",
        "chat_template.",
    ];
    // A loader looks for weights in the top folder alone; deeper ones would be streams that nobody opens.
    if is("safetensors") && name == path {
        Role::Weights
    } else if tokenizer.iter().any(|start| name.starts_with(start)) || is("model") || is("jinja") {
        Role::Tokenizer
    } else if name == "config.json" || name == "generation_config.json" {
        Role::Config
    } else {
        Role::Other
    }
}

fn refused(path: &Path, rule: &str) -> Failure {
    Failure::data(format!("{}: {rule}", path.display()))
}
