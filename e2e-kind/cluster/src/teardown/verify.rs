//! The proof: looks for everything that a cluster makes, without trusting that it was removed.

use anyhow::Result;

use super::{all_groups, mounts, namespaces, outside, processes};
use crate::journal::{self, Entry};
use crate::layout::Layout;
use crate::netns::Place;
use crate::sysctl;

/// What is left of a cluster, one line each.
pub fn left_over(layout: &Layout, entries: &[Entry]) -> Result<Vec<String>> {
    let pods = namespaces::of_pods(entries);
    let mut left: Vec<String> = processes::ours(layout, &pods)
        .iter()
        .map(processes::Process::describe)
        .collect();
    left.extend(
        mounts::below(layout.state())?
            .iter()
            .map(|path| format!("mount {}", path.display())),
    );
    let abandoned = namespaces::abandoned(entries, &processes::occupied());
    let named = [Place::Node.path(), Place::Outside.path()];
    left.extend(
        named
            .iter()
            .chain(&pods)
            .chain(&abandoned)
            .filter(|path| path.exists())
            .map(|path| format!("network namespace {}", path.display())),
    );
    left.extend(
        all_groups(entries)?
            .iter()
            .filter(|path| path.exists())
            .map(|path| format!("control group {}", path.display())),
    );
    left.extend(
        outside::left(entries, layout.state())
            .iter()
            .map(|path| format!("file {}", path.display())),
    );
    for (name, before) in journal::settings_before(entries) {
        if let Some(now) = sysctl::read(&name)
            && now != before
        {
            left.push(format!("kernel setting {name} is {now}, was {before}"));
        }
    }
    Ok(left)
}
