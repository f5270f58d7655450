//! The samples: each is accepted, and applying it twice changes nothing.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::PathBuf;
use trustbridge_e2e::world::World;

/// A file of `samples/`.
pub struct Sample {
    path: PathBuf,
}

/// Every sample; each kind that people write has a minimal and a full one.
pub fn all(world: &World) -> Result<Vec<Sample>> {
    let folder = world.root().join("samples");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).context("samples/")? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "yaml") {
            found.push(Sample { path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    for kind in [
        "sellerprofile",
        "buyerorg",
        "offer",
        "modelasset",
        "quote",
        "order",
        "changeorder",
        "supportticket",
        "incident",
    ] {
        for name in [format!("{kind}.yaml"), format!("{kind}-full.yaml")] {
            ensure!(folder.join(&name).is_file(), "samples/{name} is missing");
        }
    }
    Ok(found)
}

impl Sample {
    /// The trial's name.
    pub fn title(&self) -> String {
        let stem = self
            .path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('-', "_");
        format!("sample_{stem}_is_accepted_and_applied_twice_changes_nothing")
    }

    /// Tries it as a create, then applies it twice.
    pub async fn check(&self, lab: &Lab) -> Result<()> {
        let text = std::fs::read_to_string(&self.path)?;
        let mut object: Value = serde_saphyr::from_str(&text)?;
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .context("no kind")?
            .to_owned();
        let name = lab.fresh_name();
        *object.pointer_mut("/metadata/name").context("no name")? = name.as_str().into();
        let tried = lab.try_create(&kind, &object).await?;
        ensure!(
            tried.is_ok(),
            "refused: {}",
            tried.err().map(|refusal| refusal.message).unwrap_or_default()
        );
        let first = lab.apply(&kind, &object).await?;
        let second = lab.apply(&kind, &object).await?;
        lab.delete(&kind, &name).await?;
        let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
        ensure!(
            version(&first) == version(&second),
            "the second apply wrote again: {first} {second}"
        );
        Ok(())
    }
}
