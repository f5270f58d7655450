//! D: no plaintext on any disk, deleted files included, and the search that says so finds what is planted.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use std::fs;
use trustbridge_e2e::canary::Plants;
use trustbridge_e2e::pod;
use walkdir::WalkDir;

pub async fn none_on_disk(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    ensure!(
        fs::read_to_string("/proc/swaps")?.lines().count() == 1,
        "swap is on: memory may reach a disk"
    );
    let findings = {
        let plants = Plants::plant(&lab.canary, lab.world.stage_folder().as_path())?;
        let findings = lab.canary.search()?;
        // The positive control: exactly what was planted is found, and nothing else.
        ensure!(
            findings.places == plants.places(),
            "found {:?}, planted {:?}",
            findings.places,
            plants.places()
        );
        findings
    };
    println!(
        "D) searched {} file systems, {} files and {} deleted open files, {} MiB: only the two planted canaries",
        findings.mounts,
        findings.files,
        findings.deleted,
        findings.bytes >> 20
    );
    let uid = pod::get(&lab.world, purchase)
        .await?
        .metadata
        .uid
        .context("the pod has a UID")?;
    only_ciphertext(lab, &uid)
}

/// What the sentinel keeps on the node's disk is ciphertext and its bookkeeping.
fn only_ciphertext(lab: &Lab, uid: &str) -> Result<()> {
    let volume = lab
        .world
        .layout()
        .kubelet_root()
        .join("pods")
        .join(uid)
        .join("volumes/kubernetes.io~empty-dir/tb-cipher");
    ensure!(volume.is_dir(), "the pod has no volume tb-cipher on the node");
    let mut encrypted = 0;
    for entry in WalkDir::new(&volume) {
        let entry = entry?;
        if entry.file_type().is_file() && entry.file_name().to_string_lossy().ends_with(".tbenc") {
            let head = fs::read(entry.path())?;
            ensure!(
                head.starts_with(b"TBENC"),
                "{} is no tbenc file",
                entry.path().display()
            );
            encrypted += 1;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        ensure!(!name.ends_with(".safetensors"), "{name} lies on the disk");
    }
    ensure!(
        encrypted >= lab.model.sha256.len(),
        "only {encrypted} encrypted files are in TB_TARGET_DIR"
    );
    Ok(())
}
