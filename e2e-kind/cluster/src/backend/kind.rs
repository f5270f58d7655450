//! kind, where Docker is.

use std::net::IpAddr;

use anyhow::{Context, Result};

use super::{Words, run_words, words};
use crate::addons;
use crate::images::{self, Image};
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::pki;
use crate::progress::Progress;
use crate::record::{Backend, Record};
use crate::workspace::Workspace;

/// The cluster's name; its node is called `trustbridge-control-plane`.
pub const CLUSTER: &str = "trustbridge";

/// Makes the cluster.
#[must_use]
pub fn create_commands(layout: &Layout) -> Vec<Words> {
    let kubeconfig = layout.kubeconfig();
    vec![words(&format!(
        "kind create cluster --name {CLUSTER} --config e2e-kind/kind.yaml --wait 180s --kubeconfig {}",
        kubeconfig.display()
    ))]
}

/// Asks for the address under which pods reach this machine.
#[must_use]
pub fn address_command() -> Words {
    words("docker network inspect kind --format {{range.IPAM.Config}}{{.Gateway}},{{end}}")
}

/// Builds an image and loads it. kind has a pause image and a DNS of its own.
#[must_use]
pub fn image_commands(image: &Image, context: &str) -> Vec<Words> {
    let reference = image.reference();
    vec![
        words(&format!(
            "docker build --quiet --tag {reference} --file {} {context}",
            image.containerfile
        )),
        words(&format!("kind load docker-image {reference} --name {CLUSTER}")),
    ]
}

/// Takes the cluster down.
#[must_use]
pub fn down_commands() -> Vec<Words> {
    vec![words(&format!("kind delete cluster --name {CLUSTER}"))]
}

/// The images that kind needs from us.
#[must_use]
pub fn images_for_kind(images: &[Image]) -> Vec<Image> {
    images
        .iter()
        .filter(|image| !["pause", "coredns"].contains(&image.name))
        .copied()
        .collect()
}

/// Brings the cluster up.
pub fn up(layout: &Layout, workspace: &Workspace, progress: &Progress) -> Result<()> {
    share_audit_log(layout, workspace)?;
    let clusters = run_words(&words("kind get clusters"), workspace.root())?;
    if clusters.lines().any(|name| name == CLUSTER) {
        progress.say("the kind cluster is running already");
        return Ok(());
    }
    progress.step("kind create cluster", || {
        create_commands(layout)
            .iter()
            .try_for_each(|command| run_words(command, workspace.root()).map(drop))
    })?;
    let address = first_ipv4(&run_words(&address_command(), workspace.root())?)?;
    pki::write_outside(&layout.pki(), address)?;
    let harness: Vec<Image> = images::catalog()
        .into_iter()
        .filter(|image| image.set == images::Set::Harness)
        .collect();
    load(layout, workspace, &harness, progress)?;
    let kubectl = Kubectl::on_host("kubectl".into(), layout.kubeconfig());
    progress.step("fake GPU", || {
        addons::apply_fake_gpu(&kubectl).and_then(|()| addons::await_gpus(&kubectl))
    })?;
    std::fs::copy(layout.kubeconfig(), layout.outside_kubeconfig())?;
    Record {
        backend: Backend::Kind,
        outside_address: address,
        up_seconds: progress.elapsed().as_secs_f64(),
    }
    .write(layout)
}

/// Takes the cluster down.
pub fn down(layout: &Layout, progress: &Progress) -> Result<()> {
    progress.step("kind delete cluster", || {
        down_commands()
            .iter()
            .try_for_each(|command| run_words(command, std::path::Path::new("/")).map(drop))
    })?;
    if layout.state().exists() {
        std::fs::remove_dir_all(layout.state())?;
    }
    Ok(())
}

/// Builds images with Docker and loads them.
pub fn load(layout: &Layout, workspace: &Workspace, chosen: &[Image], progress: &Progress) -> Result<()> {
    let wanted = images_for_kind(chosen);
    progress.step("cargo build", || images::build_programs(workspace))?;
    for image in wanted {
        let context = image.context(layout, workspace);
        progress.step(&format!("image {}", image.name), || {
            image_commands(&image, &context.to_string_lossy())
                .iter()
                .try_for_each(|command| run_words(command, workspace.root()).map(drop))
        })?;
    }
    Ok(())
}

/// `kind.yaml` mounts a folder of the repository's target folder, for it cannot name the state folder.
fn share_audit_log(layout: &Layout, workspace: &Workspace) -> Result<()> {
    let shared = workspace.root().join("target/kind/audit");
    std::fs::create_dir_all(&shared)?;
    std::fs::create_dir_all(layout.state())?;
    let link = layout.state().join("audit");
    if !link.is_symlink() {
        std::os::unix::fs::symlink(&shared, &link)?;
    }
    Ok(())
}

fn first_ipv4(gateways: &str) -> Result<IpAddr> {
    gateways
        .trim()
        .split(',')
        .filter_map(|text| text.parse::<IpAddr>().ok())
        .find(IpAddr::is_ipv4)
        .with_context(|| format!("Docker's network \"kind\" has no IPv4 gateway (it says {gateways:?})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_made_from_the_file_in_the_repository() {
        let layout = Layout::new("/s", "/c").unwrap();
        let shown = create_commands(&layout)[0].join(" ");
        assert!(
            shown.starts_with("kind create cluster --name trustbridge --config e2e-kind/kind.yaml"),
            "{shown}"
        );
        assert!(shown.ends_with("--kubeconfig /s/kubeconfig"));
        assert_eq!(
            down_commands()[0].join(" "),
            "kind delete cluster --name trustbridge"
        );
    }

    #[test]
    fn images_come_from_the_same_containerfiles() {
        let wanted = images_for_kind(&images::catalog());
        assert!(
            !wanted
                .iter()
                .any(|image| image.name == "pause" || image.name == "coredns")
        );
        let operator = wanted.iter().find(|image| image.name == "operator").unwrap();
        let commands = image_commands(operator, "/t");
        assert_eq!(
            commands[0].join(" "),
            "docker build --quiet --tag localhost/trustbridge-operator:dev --file operator/Containerfile /t"
        );
        assert_eq!(
            commands[1].join(" "),
            "kind load docker-image localhost/trustbridge-operator:dev --name trustbridge"
        );
    }

    #[test]
    fn the_ipv4_gateway_is_taken() {
        assert_eq!(
            first_ipv4("fc00:f853:ccd:e793::1,172.18.0.1,\n")
                .unwrap()
                .to_string(),
            "172.18.0.1"
        );
        assert!(first_ipv4("fc00::1,").is_err());
    }
}
