//! A cluster of the user's own: it is looked at, never made, changed at its roots or taken down.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Words, run_words, words};
use crate::layout::Layout;
use crate::network::OUTSIDE_ADDRESS;
use crate::progress::Progress;
use crate::record::{Backend, Record};

/// What `up` runs.
#[must_use]
pub fn commands() -> Vec<Words> {
    vec![
        words("kubectl get --raw /readyz"),
        words("kubectl auth can-i create customresourcedefinitions.apiextensions.k8s.io"),
        words("kubectl auth can-i create mutatingwebhookconfigurations.admissionregistration.k8s.io"),
    ]
}

/// Checks that the cluster answers and lets us install.
pub fn up(layout: &Layout, progress: &Progress) -> Result<()> {
    progress.step("check the cluster that KUBECONFIG names", || {
        for command in commands() {
            run_words(&command, Path::new("/"))
                .context("the cluster that KUBECONFIG names cannot be used")?;
        }
        Ok(())
    })?;
    let address = std::env::var("TB_OUTSIDE_ADDRESS")
        .ok()
        .map(|text| text.parse().context("TB_OUTSIDE_ADDRESS is no IP address"))
        .transpose()?;
    if address.is_none() {
        progress.say("set TB_OUTSIDE_ADDRESS to this machine's address as the cluster's pods reach it; without it only what stays inside the cluster works");
    }
    let outside_address = address.unwrap_or(OUTSIDE_ADDRESS);
    crate::pki::write_outside(&layout.pki(), outside_address)?;
    Record {
        backend: Backend::External,
        outside_address,
        up_seconds: progress.elapsed().as_secs_f64(),
    }
    .write(layout)
}

/// Forgets the cluster; it goes on running.
pub fn down(layout: &Layout, progress: &Progress) -> Result<()> {
    if layout.state().exists() {
        std::fs::remove_dir_all(layout.state())?;
    }
    progress.say("the cluster that KUBECONFIG names was not touched");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_changed() {
        for command in commands() {
            assert!(command[1] == "get" || command[1] == "auth", "{command:?}");
        }
    }
}
