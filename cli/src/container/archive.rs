//! An image as an engine saved it (docker-archive): one tar that holds the configuration and the layers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use trustbridge_tbenc::Sha256;

use crate::failure::{Exit, Failure};

/// Configurations and lists are a few KiB.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// A saved image, opened.
pub(crate) struct Archive {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    layers: Vec<Layer>,
    config_sha256: String,
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Its name in the archive.
    name: String,
    /// SHA-256 of its uncompressed tar, with `sha256:` before it, as the configuration says.
    pub(crate) diff_id: String,
}

#[derive(Clone, Debug)]
enum Entry {
    File { offset: u64, bytes: u64 },
    Link(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct ManifestBlob {
    config: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Archive {
    /// Reads the list of contents, the configuration and the names of the layers.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let entries = index(path).map_err(|e| Failure::file("reading the saved image", path, &e))?;
        let mut archive = Self {
            path: path.to_owned(),
            entries,
            layers: Vec::new(),
            config_sha256: String::new(),
        };
        let listed: Vec<Listed> = archive.parsed(&archive.document("manifest.json")?, "manifest.json")?;
        let [image] = listed.as_slice() else {
            return Err(archive.broken(&format!("holds {} images, not one", listed.len())));
        };
        let bytes = archive.document(&image.config)?;
        let config: Config = archive.parsed(&bytes, &image.config)?;
        archive.config_sha256 = digest(&bytes);
        let ids = config.rootfs.diff_ids;
        if ids.len() != image.layers.len() {
            let (said, there) = (ids.len(), image.layers.len());
            return Err(archive.broken(&format!(
                "its configuration names {said} layers, but it holds {there}"
            )));
        }
        let pairs = image.layers.iter().cloned().zip(ids);
        archive.layers = pairs.map(|(name, diff_id)| Layer { name, diff_id }).collect();
        Ok(archive)
    }

    /// The layers, lowest first.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Refuses an archive that is not that of the image with this id: what was read must be what is pushed.
    /// An id is the digest of the configuration, or of the manifest that names it.
    pub(crate) fn check_id(&self, id: &str) -> Result<(), Failure> {
        if id == self.config_sha256 {
            return Ok(());
        }
        let blob = format!("blobs/sha256/{}", id.trim_start_matches("sha256:"));
        if self.entries.contains_key(&blob) {
            let bytes = self.document(&blob)?;
            let manifest: ManifestBlob = self.parsed(&bytes, &blob)?;
            if digest(&bytes) == id && manifest.config.digest == self.config_sha256 {
                return Ok(());
            }
        }
        let actual = &self.config_sha256;
        Err(self.broken(&format!("is the image {actual}, but {id} was built")))
    }

    /// A layer's bytes as they lie in the archive, compressed or not.
    pub(crate) fn reader(&self, layer: &Layer) -> Result<impl Read + use<>, Failure> {
        let (offset, bytes) = self.find(&layer.name)?;
        let mut file = File::open(&self.path).map_err(|e| self.unread(&e))?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| self.unread(&e))?;
        Ok(file.take(bytes))
    }

    fn document(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let (offset, bytes) = self.find(name)?;
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(self.broken(&format!("{name} has {bytes} bytes, far more than is usual")));
        }
        let mut file = File::open(&self.path).map_err(|e| self.unread(&e))?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(bytes).read_to_end(&mut text))
            .map_err(|e| self.unread(&e))?;
        Ok(text)
    }

    fn find(&self, name: &str) -> Result<(u64, u64), Failure> {
        let mut name = name.to_owned();
        // Older engines link layers that are the same; a chain of links has an end.
        for _ in 0..8 {
            match self.entries.get(&name) {
                Some(Entry::File { offset, bytes }) => return Ok((*offset, *bytes)),
                Some(Entry::Link(target)) => name.clone_from(target),
                None => break,
            }
        }
        Err(self.broken(&format!("holds no {name}")))
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self, bytes: &[u8], name: &str) -> Result<T, Failure> {
        serde_json::from_slice(bytes).map_err(|e| self.broken(&format!("{name}: {e}")))
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::new(
            Exit::Data,
            format!(
                "saved image {}: {what}; update the engine or choose another with --engine",
                self.path.display()
            ),
        )
    }

    fn unread(&self, error: &io::Error) -> Failure {
        Failure::file("reading the saved image", &self.path, error)
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut sha256 = Sha256::new();
    sha256.update(bytes);
    format!("sha256:{}", sha256.finish_hex())
}

fn index(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut tar = tar::Archive::new(File::open(path)?);
    for entry in tar.entries_with_seek()? {
        let entry = entry?;
        let name = normal(&entry.path()?);
        let kind = entry.header().entry_type();
        let link = entry
            .link_name()?
            .filter(|_| kind.is_symlink() || kind.is_hard_link());
        let found = match link {
            Some(target) if kind.is_symlink() => {
                let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
                Entry::Link(normal(&folder.join(target)))
            }
            Some(target) => Entry::Link(normal(&target)),
            None if kind.is_file() => Entry::File {
                offset: entry.raw_file_position(),
                bytes: entry.size(),
            },
            None => continue,
        };
        entries.insert(name, found);
    }
    Ok(entries)
}

/// A relative path without `.` and `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_archive_stay_inside_it() {
        assert_eq!(normal(Path::new("./a/../b/./c")), "b/c");
        assert_eq!(normal(Path::new("../../etc/passwd")), "etc/passwd");
    }
}
