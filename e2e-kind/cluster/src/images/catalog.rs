//! Every image, and what it is built from.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::layout::Layout;
use crate::workspace::Workspace;

/// Who needs an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// The cluster itself; `up` builds and loads it.
    Harness,
    /// The product and its doubles.
    Product,
}

/// Where an image's program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// A package of this workspace, built statically.
    Package(&'static str),
    /// The tools.
    Tools,
}

/// One image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// `localhost/trustbridge-NAME:dev`.
    pub name: &'static str,
    /// Who needs it.
    pub set: Set,
    /// The Containerfile, from the repository's root.
    pub containerfile: &'static str,
    /// The program that it copies.
    pub program: &'static str,
    /// Where that program comes from.
    pub from: Programs,
}

impl Image {
    /// The full reference.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("localhost/trustbridge-{}:dev", self.name)
    }

    /// The folder that the Containerfile copies from.
    #[must_use]
    pub fn context(&self, layout: &Layout, workspace: &Workspace) -> PathBuf {
        match self.from {
            Programs::Package(_) => workspace.static_programs(),
            Programs::Tools => layout.bin(),
        }
    }
}

/// All images.
#[must_use]
pub fn catalog() -> Vec<Image> {
    let package = |name, set, containerfile, program, package| Image {
        name,
        set,
        containerfile,
        program,
        from: Programs::Package(package),
    };
    vec![
        package(
            "pause",
            Set::Harness,
            "e2e-kind/images/pause/Containerfile",
            "tb-pause",
            "trustbridge-cluster",
        ),
        Image {
            name: "coredns",
            set: Set::Harness,
            containerfile: "e2e-kind/images/coredns/Containerfile",
            program: "coredns",
            from: Programs::Tools,
        },
        package(
            "fake-gpu",
            Set::Harness,
            "e2e-kind/fake-gpu/Containerfile",
            "tb-fake-gpu",
            "trustbridge-fake-gpu",
        ),
        package(
            "operator",
            Set::Product,
            "operator/Containerfile",
            "trustbridge-operator",
            "trustbridge-operator",
        ),
        package(
            "webhook",
            Set::Product,
            "webhook/Containerfile",
            "trustbridge-webhook",
            "trustbridge-webhook",
        ),
        package(
            "sentinel",
            Set::Product,
            "sentinel/Containerfile",
            "trustbridge-sentinel",
            "trustbridge-sentinel",
        ),
        package(
            "double",
            Set::Product,
            "crates/simkit/Containerfile",
            "tb-double",
            "trustbridge-simkit",
        ),
    ]
}

/// The images of the given names, or all when none is named.
pub fn select(names: &[String]) -> Result<Vec<Image>> {
    let all = catalog();
    if let Some(unknown) = names
        .iter()
        .find(|name| !all.iter().any(|image| image.name == **name))
    {
        let known: Vec<&str> = all.iter().map(|image| image.name).collect();
        bail!("there is no image {unknown:?}; known are {}", known.join(", "));
    }
    Ok(all
        .into_iter()
        .filter(|image| names.is_empty() || names.iter().any(|name| name == image.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_refused_with_the_known_ones() {
        let error = select(&["nginx".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("nginx") && error.contains("sentinel"));
        assert_eq!(
            select(&["double".to_owned()]).unwrap()[0].reference(),
            "localhost/trustbridge-double:dev"
        );
        assert_eq!(select(&[]).unwrap().len(), catalog().len());
    }
}
