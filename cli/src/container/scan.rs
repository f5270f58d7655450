//! Every layer of an image, read for weights. What cannot be read is refused too.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::mem;

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;
use trustbridge_tbenc::Sha256;

use super::archive::{Archive, Layer};
use super::context::Placed;
use super::weights;
use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Below this a file of a base image is no model, whatever its name says: tests and tables are called `.bin` too.
const SMALL_BYTES: u64 = 1 << 20;
/// Above this a file of a base image must be a program or a library.
const LARGE_BYTES: u64 = 512 << 20;
/// Findings that an error lists.
const SHOWN: usize = 10;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Scanned {
    /// Layers.
    pub(crate) layers: usize,
    /// Files in them.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// A file that must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    layer: usize,
    path: String,
    why: String,
}

/// What a layer may hold.
#[derive(Clone, Copy)]
enum Rule<'a> {
    /// Ours: these files and no other.
    Exactly(&'a [Placed]),
    /// The base image's: no weights.
    NoWeights,
}

/// Reads the layers above `base`, and with `scan_base` all of them.
///
/// # Errors
/// [`Exit::Data`] where a layer holds what it must not, cannot be read, or is not what the configuration says.
pub(crate) fn check(
    archive: &Archive,
    base: &[String],
    ours: &[Placed],
    scan_base: bool,
) -> Result<Scanned, Failure> {
    let layers = archive.layers();
    if !layers
        .iter()
        .map(|l| &l.diff_id)
        .zip(base)
        .all(|(layer, base)| layer == base)
        || layers.len() <= base.len()
    {
        return Err(Failure::data(
            "the built image does not lie on the base image as it was looked at: the base moved in between; name it by \
             digest with --base",
        ));
    }
    let mut reading = Reading::default();
    for (index, layer) in layers.iter().enumerate() {
        let rule = match (index < base.len(), scan_base) {
            (true, false) => continue,
            (true, true) => Rule::NoWeights,
            (false, _) => Rule::Exactly(ours),
        };
        reading.index = index;
        reading.layer(archive, layer, rule)?;
    }
    refuse(&reading.findings)?;
    if let Some(missing) = ours.iter().find(|file| !reading.seen.contains(file.path)) {
        return Err(Failure::data(format!(
            "the built image lacks /{}: its layers are not what was built",
            missing.path
        )));
    }
    Ok(reading.scanned)
}

fn refuse(findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let line = |finding: &Finding| format!("\n  layer {}: /{}: {}", finding.layer, finding.path, finding.why);
    let lines: Vec<String> = findings.iter().take(SHOWN).map(line).collect();
    let more = findings.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!("\n  and {more} more")
    } else {
        String::new()
    };
    Err(Failure::data(format!(
        "the image holds what looks like model weights; an image must hold none, weights are delivered encrypted. \
         Nothing was pushed:{}{rest}",
        lines.concat()
    )))
}

#[derive(Default)]
struct Reading {
    index: usize,
    scanned: Scanned,
    findings: Vec<Finding>,
    seen: BTreeSet<&'static str>,
}

impl Reading {
    fn layer(&mut self, archive: &Archive, layer: &Layer, rule: Rule<'_>) -> Result<(), Failure> {
        let index = self.index;
        let unreadable = |e: &io::Error| {
            Failure::new(
                Exit::Data,
                format!("layer {index} of the built image cannot be read, so it cannot be checked: {e}"),
            )
        };
        let raw = archive.reader(layer)?;
        let mut hashed = Hashed::new(decompressed(raw).map_err(|e| unreadable(&e))?);
        let mut tar = tar::Archive::new(&mut hashed);
        for entry in tar.entries().map_err(|e| unreadable(&e))? {
            interrupt::check()?;
            self.entry(entry.map_err(|e| unreadable(&e))?, rule)
                .map_err(|e| unreadable(&e))?;
        }
        let trailing = drain(&mut hashed).map_err(|e| unreadable(&e))?;
        if trailing {
            self.find("", "bytes after the end of the layer's tar".to_owned());
        }
        let actual = hashed.finish();
        if actual != layer.diff_id {
            return Err(Failure::data(format!(
                "layer {index} of the built image has the digest {actual}, not {} as its configuration says",
                layer.diff_id
            )));
        }
        self.scanned.layers += 1;
        Ok(())
    }

    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>, rule: Rule<'_>) -> io::Result<()> {
        let bytes = entry.size();
        if bytes == 0 {
            return Ok(());
        }
        let path = entry.path()?.to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").to_owned();
        self.scanned.files += 1;
        self.scanned.bytes += bytes;
        let mut head =
            Vec::with_capacity(weights::HEAD_BYTES.min(usize::try_from(bytes).unwrap_or(usize::MAX)));
        (&mut entry)
            .take(weights::HEAD_BYTES as u64)
            .read_to_end(&mut head)?;
        match rule {
            Rule::NoWeights => {
                if let Some(why) = foreign(&path, bytes, &head) {
                    self.find(&path, why);
                }
            }
            Rule::Exactly(ours) => self.own(ours, &path, &head, &mut entry)?,
        }
        Ok(())
    }

    fn own(&mut self, ours: &[Placed], path: &str, head: &[u8], rest: &mut impl Read) -> io::Result<()> {
        let mut sha256 = Sha256::new();
        sha256.update(head);
        let mut hashed = Hashed { inner: rest, sha256 };
        io::copy(&mut hashed, &mut io::sink())?;
        let actual = hashed.sha256.finish_hex();
        match ours.iter().find(|file| file.path == path) {
            Some(file) if file.sha256 == actual => {
                self.seen.insert(file.path);
            }
            Some(_) => self.find(path, "is not the file that was put there".to_owned()),
            None => {
                let what = weights::by_content(head, u64::MAX)
                    .map(|e| e.what)
                    .or_else(|| weights::by_name(path));
                let why = what.map_or_else(
                    || "was not put there by us".to_owned(),
                    |what| format!("was not put there by us, and looks like weights ({what})"),
                );
                self.find(path, why);
            }
        }
        Ok(())
    }

    fn find(&mut self, path: &str, why: String) {
        self.findings.push(Finding {
            layer: self.index,
            path: path.to_owned(),
            why,
        });
    }
}

/// Why a file of a base image is refused.
fn foreign(path: &str, bytes: u64, head: &[u8]) -> Option<String> {
    if let Some(evidence) = weights::by_content(head, bytes)
        && (evidence.certain || bytes >= SMALL_BYTES)
    {
        return Some(format!("{bytes} bytes: {}", evidence.what));
    }
    if let Some(extension) = weights::by_name(path)
        && bytes >= SMALL_BYTES
    {
        return Some(format!("{bytes} bytes: the extension .{extension}"));
    }
    let program = head.starts_with(b"\x7fELF") || head.starts_with(b"!<arch>\n");
    (bytes > LARGE_BYTES && !program)
        .then(|| format!("{bytes} bytes: larger than {LARGE_BYTES}, and no program or library"))
}

fn decompressed(raw: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut raw = BufReader::with_capacity(1 << 16, raw);
    let head = io::BufRead::fill_buf(&mut raw)?;
    match head {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(raw))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(io::Error::other("it is compressed with zstd")),
        _ => Ok(Box::new(raw)),
    }
}

/// Reads what is left; says whether any of it was not zero.
fn drain(reader: &mut impl Read) -> io::Result<bool> {
    let mut buffer = vec![0_u8; 1 << 16];
    let mut other = false;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(other);
        }
        other |= buffer.iter().take(read).any(|b| *b != 0);
    }
}

/// Hashes what passes.
struct Hashed<R> {
    inner: R,
    sha256: Sha256,
}

impl<R: Read> Hashed<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            sha256: Sha256::new(),
        }
    }

    fn finish(&mut self) -> String {
        format!("sha256:{}", mem::take(&mut self.sha256).finish_hex())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
