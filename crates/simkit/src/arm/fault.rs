//! Failures that a test orders.

use serde::{Deserialize, Serialize};

/// Where a failure shows up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the answer to the request.
    #[default]
    Put,
    /// In the body of the operation, which was accepted before.
    Operation,
    /// In the answer to a PUT of a pool that does not exist; and the request, given up by its client, arrives all the
    /// same: once that pool was looked for `looks` times and not found, or with `POST /_double/land`, it comes into being.
    Late,
}

/// One ordered failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Error code.
    pub code: String,
    /// HTTP status, 409 unless set; an operation has none.
    #[serde(default = "conflict")]
    pub status: u16,
    /// Error message.
    #[serde(default)]
    pub message: String,
    /// How often, once unless set.
    #[serde(default = "once")]
    pub times: u32,
    /// Where.
    #[serde(default, rename = "where")]
    pub place: Place,
    /// `Retry-After` in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// With `late`: how often the pool is looked for in vain before it comes into being; once unless set.
    #[serde(default = "once")]
    pub looks: u32,
}

fn conflict() -> u16 {
    409
}

fn once() -> u32 {
    1
}

/// All ordered failures; the first of a list that has any `times` left is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// For PUTs of pools that do not exist.
    pub create: Vec<Fault>,
    /// For PUTs of pools that exist.
    pub update: Vec<Fault>,
    /// For DELETEs.
    pub delete: Vec<Fault>,
    /// For GETs of pools, lists and operations.
    pub get: Vec<Fault>,
}

/// Takes one failure for `place` from a list.
pub(super) fn take(faults: &mut Vec<Fault>, place: Place) -> Option<Fault> {
    let fault = faults
        .iter_mut()
        .find(|fault| fault.place == place && fault.times > 0)?;
    fault.times -= 1;
    let taken = fault.clone();
    faults.retain(|fault| fault.times > 0);
    Some(taken)
}
