//! What the model on the provider's disk looks like, cheaply: lengths and times, not a second pass over 150 GB.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::state::Inputs;
use crate::failure::{Exit, Failure};

/// The model's files as inputs of the encryption. Hidden names are left out, as the encryption does.
pub(super) fn inputs(model: &Path) -> Result<Inputs, Failure> {
    let meta = std::fs::metadata(model).map_err(|e| Failure::file("--in: reading", model, &e))?;
    if !meta.is_dir() {
        return Ok(Inputs::from([("file".to_owned(), facts(&meta))]));
    }
    let mut inputs = Inputs::new();
    let visible = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry);
    for entry in WalkDir::new(model)
        .follow_links(true)
        .into_iter()
        .filter_entry(visible)
    {
        let failed = |e: walkdir::Error| Failure::new(Exit::Io, format!("--in: {e}"));
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(model).unwrap_or(entry.path());
        let meta = entry.metadata().map_err(failed)?;
        inputs.insert(format!("file {}", path.display()), facts(&meta));
    }
    Ok(inputs)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn facts(meta: &Metadata) -> String {
    format!(
        "{} bytes, changed at {}.{:09}",
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_changed_or_new_file_changes_the_inputs() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        fs::write(folder.path().join(".hidden"), "1").unwrap();
        let before = inputs(folder.path()).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["file a"]);
        fs::write(folder.path().join("a"), "12").unwrap();
        assert_ne!(inputs(folder.path()).unwrap(), before);
        let single = inputs(&folder.path().join("a")).unwrap();
        assert!(single["file"].starts_with("2 bytes"));
    }
}
