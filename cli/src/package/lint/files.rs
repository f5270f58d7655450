//! The archive and its files.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use serde_json::Value;
use zip::ZipArchive;

use super::{Documents, Findings};
use crate::package::{CREATE_UI, MAIN_TEMPLATE, VIEW};

/// Larger than any template may be; what is larger is not read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Reads the package; nothing where its two required files cannot be judged.
pub(super) fn read(zip: &[u8], findings: &mut Findings) -> Option<Documents> {
    let mut archive = ZipArchive::new(Cursor::new(zip))
        .map_err(|e| findings.add("zip-readable", e.to_string()))
        .ok()?;
    names(zip, &archive, findings);
    let mut texts = Vec::new();
    for name in [MAIN_TEMPLATE, CREATE_UI, VIEW] {
        match file(&mut archive, name) {
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => texts.push((name.to_owned(), text)),
                Err(e) => findings.add("json-valid", format!("{name}: {e}")),
            },
            Ok(None) if name == VIEW => {}
            Ok(None) => findings.add("zip-required", format!("{name} is missing")),
            Err(why) => findings.add("zip-readable", format!("{name}: {why}")),
        }
    }
    let mut parsed = |name: &str| {
        let (_, text) = texts.iter().find(|(known, _)| known == name)?;
        serde_json::from_str::<Value>(text)
            .map_err(|e| findings.add("json-valid", format!("{name}: {e}")))
            .ok()
    };
    let (template, ui, view) = (parsed(MAIN_TEMPLATE), parsed(CREATE_UI), parsed(VIEW));
    Some(Documents {
        template: template?,
        ui: ui?,
        view,
        texts,
    })
}

fn names(zip: &[u8], archive: &ZipArchive<Cursor<&[u8]>>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for name in archive.file_names() {
        let Ok(name) = name else {
            findings.add("zip-names", "a name is not UTF-8");
            continue;
        };
        let plain =
            !name.starts_with('/') && !name.contains('\\') && !name.split('/').any(|part| part == "..");
        findings.demand(plain, "zip-names", format!("{name:?}"));
        let known = [MAIN_TEMPLATE, CREATE_UI, VIEW].contains(&name.as_ref());
        findings.demand(known, "zip-files", format!("{name:?}"));
        seen.insert(name);
    }
    // A name that occurs twice is merged by the reader; the directory's own count tells.
    findings.demand(
        entries(zip).is_none_or(|count| count == seen.len()),
        "zip-names",
        "a name occurs twice",
    );
}

/// Number of entries that the end of the central directory states (APPNOTE 4.3.16, offset 10).
fn entries(zip: &[u8]) -> Option<usize> {
    let at = zip.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let count = zip.get(at + 10..at + 12)?;
    Some(usize::from(u16::from_le_bytes(count.try_into().ok()?)))
}

fn file(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let mut file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let mut bytes = Vec::new();
    (&mut file)
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    Ok(Some(bytes))
}
