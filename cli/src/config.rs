//! Values that the arguments do not give: from the environment, then from the configuration file.
//!
//! They are turned into arguments before the command line is parsed, so that every rule of an argument (its type,
//! what it needs, what it excludes) holds for them. One that contradicts a stronger source is left out.

pub(crate) mod environment;
mod file;
mod flag;

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgGroup, ArgMatches, Command};

use crate::failure::Failure;
pub(crate) use file::Config;

/// The arguments to add for the command that is given: of each flag the strongest source.
pub(crate) fn layers(
    command: &Command,
    given: &ArgMatches,
    config: &Config,
) -> Result<Vec<OsString>, Failure> {
    let mut command = command.clone();
    command.build();
    config.check(&command)?;
    let Some((name, matches)) = given.subcommand() else {
        return Ok(Vec::new());
    };
    let Some(sub) = command.find_subcommand(name) else {
        return Ok(Vec::new());
    };
    let said = |arg: &&Arg| {
        let known = matches.try_contains_id(arg.get_id().as_str()).is_ok();
        known
            && matches!(matches.value_source(arg.get_id().as_str()), Some(source) if source != ValueSource::DefaultValue)
    };
    let mut taken: BTreeSet<String> = sub.get_arguments().filter(said).map(id).collect();
    let mut added = Vec::new();
    for layer in [
        environment::values(sub),
        config.section(sub),
        config.top_level(sub),
    ] {
        let stronger = taken.clone();
        for (arg, value) in layer? {
            if stronger.contains(&id(arg)) || excluded(sub, arg, &stronger) {
                continue;
            }
            added.extend(value);
            taken.insert(id(arg));
        }
    }
    Ok(added)
}

fn id(arg: &Arg) -> String {
    arg.get_id().to_string()
}

/// Whether an argument cannot stand beside one that is there already.
fn excluded(command: &Command, arg: &Arg, taken: &BTreeSet<String>) -> bool {
    let conflicts = |one: &Arg, other: &str| {
        command
            .get_arg_conflicts_with(one)
            .iter()
            .any(|found| found.get_id() == other)
    };
    let in_one_group = |other: &str| {
        command.get_groups().any(|group| {
            let has = |id: &str| group.get_args().any(|member| member == id);
            // The question takes a group that may be changed.
            !ArgGroup::is_multiple(&mut group.clone()) && has(arg.get_id().as_str()) && has(other)
        })
    };
    command
        .get_arguments()
        .filter(|other| taken.contains(&id(other)))
        .any(|other| {
            let other_id = other.get_id().as_str();
            conflicts(arg, other_id) || conflicts(other, arg.get_id().as_str()) || in_one_group(other_id)
        })
}

#[cfg(test)]
mod tests;
