//! Where an asset's manifest and ciphertext lie: a folder, files of any name, or URLs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trustbridge_azure::http::redact;
use trustbridge_tbenc::manifest::{MAX_MANIFEST_BYTES, Manifest};
use url::Url;

use super::urls::{folder_of_asset, is_blob, shared, sibling};
use super::{Access, AssetArgs, Blob, MANIFEST_NAME, Source, is_missing};
use crate::bounded;
use crate::failure::Failure;
use crate::staged::parent;
use crate::store::Remote;
use crate::store::place::below;
use crate::store::remote::is_url;

/// The place of the ciphertext.
pub(super) enum Place {
    /// A folder that holds each blob under its name.
    Folder(PathBuf),
    /// The ciphertext of a single file, whatever its name is.
    File(PathBuf),
    /// The URL above the blobs.
    RemoteFolder(At),
    /// The URL of a single file's ciphertext.
    RemoteFile(At),
}

/// A blob or folder below a URL that was opened.
pub(super) struct At {
    remote: Arc<Remote>,
    /// Its name there; empty for the URL itself.
    name: String,
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
        let manifest_url = match (&manifest, &args.manifest, &input) {
            (None, None, Some(blob)) if is_blob(blob) => Some(sibling(blob, Some(MANIFEST_NAME))),
            (None, None, Some(folder)) => Some(below(folder, MANIFEST_NAME)),
            (named, ..) => named.clone(),
        };
        let ciphertext = match (input, &manifest, &args.input) {
            (None, Some(manifest), None) => Some(sibling(manifest, None)),
            (input, ..) => input,
        };
        let open = |url: &Url| Remote::open(url, &access.remote, &access.credential);
        match (ciphertext, manifest_url) {
            (None, None) => Self::local(args),
            (None, Some(url)) => {
                let (name, bytes) = At::new(open(&url)?).manifest()?;
                let input = args.input.clone().unwrap_or_default();
                let place = if input.is_dir() {
                    Self::Folder(input)
                } else {
                    Self::File(input)
                };
                Ok((place, name, bytes))
            }
            (Some(url), None) => {
                let path = args.manifest.clone().unwrap_or_default();
                let (name, bytes) = (path.display().to_string(), read_manifest(&path)?);
                let place = Self::at(At::new(open(&url)?), &url, &name, &bytes)?;
                Ok((place, name, bytes))
            }
            (Some(url), Some(manifest_url)) => {
                let (at, of_manifest) = At::both(&url, &manifest_url, open)?;
                let (name, bytes) = of_manifest.manifest()?;
                let place = if manifest.is_some() {
                    Self::at(at, &url, &name, &bytes)?
                } else if is_blob(&url) {
                    Self::RemoteFile(at)
                } else {
                    Self::RemoteFolder(at)
                };
                Ok((place, name, bytes))
            }
        }
    }

    /// The ciphertext of a manifest that was named: a single file's may have any name, so that only the store knows
    /// whether its URL is the file's or that of the folder above.
    fn at(at: At, url: &Url, name: &str, manifest: &[u8]) -> Result<Self, Failure> {
        if is_blob(url) {
            return Ok(Self::RemoteFile(at));
        }
        let manifest = Manifest::parse(manifest).map_err(|e| Failure::format(name, &e))?;
        let folder = manifest.is_directory() || url.path().ends_with('/');
        if folder || at.remote.length_if_there(&at.name)?.is_none() {
            return Ok(Self::RemoteFolder(at));
        }
        Ok(Self::RemoteFile(at))
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
        let (Self::RemoteFolder(at) | Self::RemoteFile(at)) = self else {
            return Ok(());
        };
        match folder_of_asset(&at.remote.url_of(&at.name)) {
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

    /// Where a blob lies behind a URL, and its name there.
    pub(super) fn remote(&self, blob: &Blob) -> Option<(&Remote, String)> {
        match self {
            Self::RemoteFolder(at) => Some((&at.remote, format!("{}/{}", at.name, blob.name))),
            Self::RemoteFile(at) => Some((&at.remote, at.name.clone())),
            Self::Folder(_) | Self::File(_) => None,
        }
    }

    pub(super) fn name_of(&self, blob: &Blob) -> String {
        match (self.local_path(blob), self.remote(blob)) {
            (Some(path), _) => path.display().to_string(),
            (None, Some((remote, name))) => remote.url_of(&name).to_string(),
            (None, None) => blob.name.clone(),
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
        if let Some((remote, name)) = self.remote(blob) {
            return remote.length_if_there(&name);
        }
        let path = self.local_path(blob).unwrap_or_default();
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Ok(None),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(Failure::file("reading", &path, &e)),
        }
    }

    pub(super) fn source(&self, blob: &Blob) -> Result<Source, Failure> {
        let name = self.name_of(blob);
        if let Some((remote, blob)) = self.remote(blob) {
            let bytes = remote.length(&blob)?;
            let reader = Box::new(remote.reader(&blob, bytes)?);
            return Ok(Source { name, bytes, reader });
        }
        let Some(bytes) = self.length_of(blob)? else {
            return Err(Failure::data(format!(
                "{name}: the manifest names it, but there is no such file; fetch or encrypt again, or say where it is \
                 with --in"
            )));
        };
        let path = self.local_path(blob).unwrap_or_default();
        let file = File::open(&path).map_err(|e| Failure::file("opening", &path, &e))?;
        let reader = Box::new(file);
        Ok(Source { name, bytes, reader })
    }
}

impl At {
    fn new(remote: Remote) -> Self {
        Self {
            remote: Arc::new(remote),
            name: String::new(),
        }
    }

    /// Two URLs: opened once where one credential is for both, as standard input can be read only once.
    fn both(
        one: &Url,
        other: &Url,
        open: impl Fn(&Url) -> Result<Remote, Failure>,
    ) -> Result<(Self, Self), Failure> {
        let Some((root, one, other)) = shared(one, other) else {
            return Ok((Self::new(open(one)?), Self::new(open(other)?)));
        };
        let remote = Arc::new(open(&root)?);
        let at = |name| Self {
            remote: remote.clone(),
            name,
        };
        Ok((at(one), at(other)))
    }

    /// The URL of a manifest, and its bytes.
    fn manifest(&self) -> Result<(String, Vec<u8>), Failure> {
        let bytes = self.remote.manifest_bytes(&self.name)?;
        Ok((self.remote.url_of(&self.name).to_string(), bytes))
    }
}

/// The manifest that `encrypt` writes beside a single file's ciphertext.
pub(crate) fn manifest_beside(ciphertext: &Path) -> PathBuf {
    let mut name = ciphertext.file_stem().unwrap_or_default().to_os_string();
    name.push(".manifest.json");
    ciphertext.with_file_name(name)
}

fn read_manifest(path: &Path) -> Result<Vec<u8>, Failure> {
    bounded::read(path, MAX_MANIFEST_BYTES as u64).map_err(|e| match e.kind() {
        io::ErrorKind::FileTooLarge => Failure::data(format!(
            "{}: is longer than 4 MiB, and no manifest is; is it the ciphertext?",
            path.display()
        )),
        _ => Failure::file(
            "reading the manifest (a finished `trustbridge encrypt` writes it last)",
            path,
            &e,
        ),
    })
}

fn as_url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_url(text))
}

fn parse(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|e| Failure::usage(format!("{}: is no URL ({e})", redact(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
