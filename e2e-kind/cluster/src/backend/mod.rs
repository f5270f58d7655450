//! How the cluster is run: local programs, kind, or a cluster of the user's own.

pub mod external;
pub mod kind;
pub mod local;

use std::process::Command;

use anyhow::{Result, bail};

use crate::command;
use crate::record::Backend;

/// What the choice depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `TB_BACKEND`.
    pub forced: Option<String>,
    /// Whether `KUBECONFIG` names a cluster that is not ours.
    pub kubeconfig: bool,
    /// Whether a Docker engine answers.
    pub docker: bool,
    /// Whether kind is on the `PATH`.
    pub kind: bool,
}

impl Surroundings {
    /// Looks around. The kubeconfigs in the state folder are ours, and exporting one changes nothing.
    #[must_use]
    pub fn look(layout: &crate::layout::Layout) -> Self {
        let kubeconfig = std::env::var("KUBECONFIG").ok().filter(|path| !path.is_empty());
        let kind = command::find("kind").is_some();
        Self {
            forced: std::env::var("TB_BACKEND").ok().filter(|name| !name.is_empty()),
            kubeconfig: kubeconfig
                .is_some_and(|path| !std::path::Path::new(&path).starts_with(layout.state())),
            docker: kind
                && command::run(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
                    .is_ok(),
            kind,
        }
    }
}

/// Which backend to use.
pub fn select(around: &Surroundings) -> Result<Backend> {
    match around.forced.as_deref() {
        Some("local") => Ok(Backend::Local),
        Some("kind") => Ok(Backend::Kind),
        Some("external") => Ok(Backend::External),
        Some(other) => {
            bail!("TB_BACKEND={other:?} is not known; use local, kind or external, or leave it unset")
        }
        None if around.kubeconfig => Ok(Backend::External),
        None if around.docker && around.kind => Ok(Backend::Kind),
        None => Ok(Backend::Local),
    }
}

/// A command as words: what a backend would run, for tests and for people.
pub type Words = Vec<String>;

pub(crate) fn words(text: &str) -> Words {
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

/// Runs such a command in a folder.
pub(crate) fn run_words(words: &[String], folder: &std::path::Path) -> Result<String> {
    let Some((program, arguments)) = words.split_first() else {
        bail!("an empty command")
    };
    command::output(Command::new(program).args(arguments).current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(forced: Option<&str>, kubeconfig: bool, docker: bool, kind: bool) -> Backend {
        select(&Surroundings {
            forced: forced.map(ToOwned::to_owned),
            kubeconfig,
            docker,
            kind,
        })
        .unwrap()
    }

    #[test]
    fn the_users_cluster_comes_first_then_kind_then_local() {
        assert_eq!(chosen(None, true, true, true), Backend::External);
        assert_eq!(chosen(None, false, true, true), Backend::Kind);
        assert_eq!(chosen(None, false, true, false), Backend::Local);
        assert_eq!(chosen(None, false, false, true), Backend::Local);
    }

    #[test]
    fn a_forced_backend_wins() {
        assert_eq!(chosen(Some("local"), true, true, true), Backend::Local);
        assert_eq!(chosen(Some("kind"), true, false, false), Backend::Kind);
        let unknown = Surroundings {
            forced: Some("minikube".into()),
            ..Surroundings::default()
        };
        assert!(select(&unknown).unwrap_err().to_string().contains("minikube"));
    }
}
