//! The head of a safetensors file: which tensors it has and where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;

/// The format's own limit for the header.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// One tensor of the header.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tensor {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) data_offsets: (u64, u64),
}

/// Reads the header and checks that its tensors cover the file exactly: a loader that reads the file as a
/// stream finds a hole or a missing end only when it is too late.
pub(crate) fn read_header(path: &Path) -> Result<BTreeMap<String, Tensor>, Failure> {
    let mut file = File::open(path).map_err(|e| Failure::file("opening", path, &e))?;
    let length = crate::asset::length(path)?;
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix)
        .map_err(|_| refused(path, "is shorter than the 8 bytes of a header's length"))?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > MAX_HEADER_BYTES.min(length.saturating_sub(8)) {
        return Err(refused(
            path,
            &format!("says its header is {header_bytes} bytes, more than there can be"),
        ));
    }
    let mut header = Vec::new();
    file.take(header_bytes)
        .read_to_end(&mut header)
        .map_err(|e| Failure::file("reading", path, &e))?;
    let mut entries: BTreeMap<String, Value> = serde_json::from_slice(&header)
        .map_err(|e| refused(path, &format!("has a header that is no JSON object: {e}")))?;
    entries.remove("__metadata__");
    let tensors = entries
        .into_iter()
        .map(|(name, value)| Ok((name, serde_json::from_value(value)?)))
        .collect::<Result<BTreeMap<String, Tensor>, serde_json::Error>>()
        .map_err(|e| refused(path, &format!("has a malformed tensor in its header: {e}")))?;
    check_coverage(
        path,
        &tensors,
        length.saturating_sub(8).saturating_sub(header_bytes),
    )?;
    Ok(tensors)
}

fn check_coverage(path: &Path, tensors: &BTreeMap<String, Tensor>, data_bytes: u64) -> Result<(), Failure> {
    let mut places: Vec<(u64, u64)> = tensors.values().map(|tensor| tensor.data_offsets).collect();
    places.sort_unstable();
    let mut end = 0;
    for (from, to) in places {
        if from != end || to < from {
            return Err(refused(
                path,
                &format!("has a hole or an overlap at byte {end} of its data"),
            ));
        }
        end = to;
    }
    if end != data_bytes {
        let rule =
            format!("has {data_bytes} bytes of data where its header describes {end}; it may be cut short");
        return Err(refused(path, &rule));
    }
    Ok(())
}

fn refused(path: &Path, rule: &str) -> Failure {
    Failure::data(format!(
        "{}: {rule}; this is no complete safetensors file",
        path.display()
    ))
}
