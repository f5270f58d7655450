//! Where an asset's manifest and ciphertext lie: a folder, files of any name, or URLs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use trustbridge_azure::http::redact;
use trustbridge_tbenc::manifest::{MAX_MANIFEST_BYTES, Manifest};
use url::Url;

use super::{Access, AssetArgs, Blob, MANIFEST_NAME, Source, is_missing};
use crate::failure::Failure;
use crate::staged::parent;
use crate::store::Remote;
use crate::store::remote::is_url;

/// The place of the ciphertext.
pub(super) enum Place {
    /// A folder that holds each blob under its name.
    Folder(PathBuf),
    /// The ciphertext of a single file, whatever its name is.
    File(PathBuf),
    /// The URL above the blobs.
    RemoteFolder(Remote),
    /// The URL of a single file's ciphertext.
    RemoteFile(Remote),
}

/// A place, the name of its manifest, and the manifest's bytes.
type Found = (Place, String, Vec<u8>);

impl Place {
    pub(super) fn local(args: &AssetArgs) -> Result<Found, Failure> {
        for path in [&args.input, &args.manifest].into_iter().flatten() {
            if let Some(url) = as_url(path) {
                return Err(Failure::usage(format!(
                    "{}: this command reads local files; only `verify` and `inspect` read URLs",
                    redact(url)
                )));
            }
        }
        let (place, manifest) = match (&args.input, &args.manifest) {
            (Some(input), manifest) if input.is_dir() => {
                let manifest = manifest.clone().unwrap_or_else(|| input.join(MANIFEST_NAME));
                (Self::Folder(input.clone()), manifest)
            }
            (Some(input), manifest) => {
                let manifest = manifest.clone().unwrap_or_else(|| manifest_beside(input));
                (Self::File(input.clone()), manifest)
            }
            (None, Some(manifest)) => (Self::beside(manifest), manifest.clone()),
            (None, None) => return Err(Failure::usage("give --in FILE|DIR or --manifest FILE")),
        };
        let bytes = read_manifest(&manifest)?;
        Ok((place, manifest.display().to_string(), bytes))
    }

    pub(super) fn anywhere(args: &AssetArgs, access: &Access) -> Result<Found, Failure> {
        let input = args.input.as_deref().and_then(as_url).map(parse).transpose()?;
        let manifest = args.manifest.as_deref().and_then(as_url).map(parse).transpose()?;
        let open = |url: &Url| Remote::open(url, &access.remote, &access.credential);
        let place = match (&input, &manifest) {
            (None, None) => return Self::local(args),
            (Some(url), _) if is_blob(url) => Self::RemoteFile(open(url)?),
            (Some(url), _) => Self::RemoteFolder(open(url)?),
            (None, Some(url)) => match args.input.clone() {
                Some(folder) if folder.is_dir() => Self::Folder(folder),
                Some(file) => Self::File(file),
                None => Self::RemoteFolder(open(&sibling(url, None))?),
            },
        };
        if let (None, Some(path)) = (&manifest, &args.manifest) {
            return Ok((place, path.display().to_string(), read_manifest(path)?));
        }
        let (name, bytes) = match (&place, &manifest, &input) {
            (_, Some(url), _) => {
                let remote = open(url)?;
                (remote.url_of("").to_string(), remote.manifest_bytes("")?)
            }
            (Self::RemoteFile(_), None, Some(url)) => {
                let remote = open(&sibling(url, Some(MANIFEST_NAME)))?;
                (remote.url_of("").to_string(), remote.manifest_bytes("")?)
            }
            (Self::RemoteFolder(remote), _, _) => (
                remote.url_of(MANIFEST_NAME).to_string(),
                remote.manifest_bytes(MANIFEST_NAME)?,
            ),
            _ => return Err(Failure::usage("give --manifest FILE|URL")),
        };
        Ok((place, name, bytes))
    }

    /// The ciphertext beside a manifest: under the manifest's own stem where that is there, else under the name
    /// that every single file has in a container, else the folder.
    fn beside(manifest: &Path) -> Self {
        let folder = parent(manifest).to_owned();
        let stem = manifest
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".manifest.json"));
        match stem.map(|stem| folder.join(format!("{stem}.tbenc"))) {
            Some(file) if file.is_file() => Self::File(file),
            _ => Self::Folder(folder),
        }
    }

    /// Refuses a manifest that cannot be that of this place.
    pub(super) fn check(&self, manifest: &Manifest, name: &str) -> Result<(), Failure> {
        if matches!(self, Self::File(_) | Self::RemoteFile(_)) && manifest.is_directory() {
            return Err(Failure::data(format!(
                "{name}: is the manifest of a directory, and --in names one file; give the asset's folder"
            )));
        }
        let (Self::RemoteFolder(remote) | Self::RemoteFile(remote)) = self else {
            return Ok(());
        };
        match folder_of_asset(&remote.url_of("")) {
            Some(folder) if folder != manifest.asset_id => Err(Failure::data(format!(
                "{name}: [ASSET] is the manifest of {:?}, but lies in the folder of {folder:?}: blobs of another asset \
                 were put there; upload the right ones",
                manifest.asset_id
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::RemoteFolder(_) | Self::RemoteFile(_))
    }

    pub(super) fn name_of(&self, blob: &Blob) -> String {
        match self {
            Self::Folder(folder) => folder.join(&blob.name).display().to_string(),
            Self::File(file) => file.display().to_string(),
            Self::RemoteFolder(remote) => remote.url_of(&blob.name).to_string(),
            Self::RemoteFile(remote) => remote.url_of("").to_string(),
        }
    }

    pub(super) fn local_path(&self, blob: &Blob) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(&blob.name)),
            Self::File(file) => Some(file.clone()),
            Self::RemoteFolder(_) | Self::RemoteFile(_) => None,
        }
    }

    pub(super) fn length_of(&self, blob: &Blob) -> Result<Option<u64>, Failure> {
        let local = |path: &Path| match fs::metadata(path) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Ok(None),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(Failure::file("reading", path, &e)),
        };
        match self {
            Self::Folder(folder) => local(&folder.join(&blob.name)),
            Self::File(file) => local(file),
            Self::RemoteFolder(remote) => remote.length(&blob.name).map(Some),
            Self::RemoteFile(remote) => remote.length("").map(Some),
        }
    }

    pub(super) fn source(&self, blob: &Blob) -> Result<Source, Failure> {
        let name = self.name_of(blob);
        let Some(bytes) = self.length_of(blob)? else {
            return Err(Failure::data(format!(
                "{name}: the manifest names it, but there is no such file; fetch or encrypt again, or say where it is \
                 with --in"
            )));
        };
        let local = |path: &Path| File::open(path).map_err(|e| Failure::file("opening", path, &e));
        let reader: Box<dyn io::Read + Send> = match self {
            Self::Folder(folder) => Box::new(local(&folder.join(&blob.name))?),
            Self::File(file) => Box::new(local(file)?),
            Self::RemoteFolder(remote) => Box::new(remote.reader(&blob.name, bytes)?),
            Self::RemoteFile(remote) => Box::new(remote.reader("", bytes)?),
        };
        Ok(Source { name, bytes, reader })
    }
}

/// The manifest that `encrypt` writes beside a single file's ciphertext.
pub(crate) fn manifest_beside(ciphertext: &Path) -> PathBuf {
    let mut name = ciphertext.file_stem().unwrap_or_default().to_os_string();
    name.push(".manifest.json");
    ciphertext.with_file_name(name)
}

fn read_manifest(path: &Path) -> Result<Vec<u8>, Failure> {
    let doing = "reading the manifest (a finished `trustbridge encrypt` writes it last)";
    let length = fs::metadata(path)
        .map_err(|e| Failure::file(doing, path, &e))?
        .len();
    if length > MAX_MANIFEST_BYTES as u64 {
        return Err(Failure::data(format!(
            "{}: is {length} bytes, a manifest has at most 4 MiB; is it the ciphertext?",
            path.display()
        )));
    }
    fs::read(path).map_err(|e| Failure::file(doing, path, &e))
}

fn as_url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_url(text))
}

fn parse(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|e| Failure::usage(format!("{}: is no URL ({e})", redact(text))))
}

/// Whether a URL names a single file's ciphertext; else it is the folder above.
fn is_blob(url: &Url) -> bool {
    Path::new(url.path())
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tbenc"))
}

/// The URL beside another one, or above it, with the same query.
fn sibling(url: &Url, name: Option<&str>) -> Url {
    let mut sibling = url.clone();
    if let Ok(mut segments) = sibling.path_segments_mut() {
        segments.pop_if_empty().pop();
        if let Some(name) = name {
            segments.push(name);
        }
    }
    sibling
}

/// The asset whose folder a URL lies in: what follows `models/`, as `upload` lays it out.
fn folder_of_asset(url: &Url) -> Option<String> {
    let segments: Vec<&str> = url.path_segments()?.filter(|s| !s.is_empty()).collect();
    let folder = match segments.as_slice() {
        [.., "models", folder] | [.., "models", folder, _] => *folder,
        _ => return None,
    };
    Some(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_manifest_lies_beside_its_ciphertext_under_the_same_stem() {
        for (ciphertext, manifest) in [
            ("model.tbenc", "model.manifest.json"),
            ("a/b.c.tbenc", "a/b.c.manifest.json"),
            ("/x/plain", "/x/plain.manifest.json"),
        ] {
            assert_eq!(manifest_beside(Path::new(ciphertext)), Path::new(manifest));
        }
    }

    #[test]
    fn urls_keep_their_query_when_the_name_changes() {
        let blob = url("https://a.example/c/models/tb-1/model.tbenc?sig=x");
        assert!(is_blob(&blob) && !is_blob(&url("https://a.example/c/models/tb-1/")));
        assert_eq!(
            sibling(&blob, Some(MANIFEST_NAME)).as_str(),
            "https://a.example/c/models/tb-1/model.manifest.json?sig=x"
        );
        assert_eq!(
            sibling(&blob, None).as_str(),
            "https://a.example/c/models/tb-1?sig=x"
        );
    }

    #[test]
    fn the_folder_names_the_asset() {
        for (place, expected) in [
            ("https://a.example/c/models/tb-1", Some("tb-1")),
            ("https://a.example/acct/c/models/tb-1/", Some("tb-1")),
            ("https://a.example/c/models/tb-1/model.tbenc", Some("tb-1")),
            ("https://a.example/c/other/tb-1", None),
            ("https://models.example/x", None),
        ] {
            assert_eq!(folder_of_asset(&url(place)).as_deref(), expected, "{place}");
        }
    }
}
