//! `TB_<FLAG>` for every flag of the commands that talk to others.

use std::env;
use std::ffi::OsString;

use clap::{Arg, Command};

use super::flag;
use crate::failure::Failure;

/// The commands whose settings are the same on every run from one machine.
const COMMANDS: [&str; 5] = ["upload", "register", "build", "package", "publish"];

/// Names the variables in the help texts.
pub(crate) fn named(command: Command) -> Command {
    COMMANDS.iter().fold(command, |command, name| {
        if command.find_subcommand(name).is_none() {
            return command;
        }
        command.mut_subcommand(name, |sub| {
            sub.mut_args(|arg| match (variable(&arg), arg.get_help().cloned()) {
                (Some(variable), Some(help)) => arg.help(format!("{help} [env: {variable}]")),
                _ => arg,
            })
        })
    })
}

/// What the environment says to a command, with the arguments that say the same.
pub(super) fn values(command: &Command) -> Result<Vec<(&Arg, Vec<OsString>)>, Failure> {
    if !COMMANDS.contains(&command.get_name()) {
        return Ok(Vec::new());
    }
    let set = |arg: &'_ Arg| {
        let variable = name_of(arg)?;
        let value = env::var(&variable).ok().filter(|value| !value.is_empty())?;
        Some((variable, value))
    };
    command
        .get_arguments()
        .filter(|arg| is_ours(arg))
        .filter_map(|arg| set(arg).map(|(variable, value)| (arg, variable, value)))
        .map(|(arg, variable, value)| {
            let refused = |rule| Failure::usage(format!("{variable}: {rule}"));
            Ok((arg, flag::arguments(arg, &[value]).map_err(refused)?))
        })
        .collect()
}

/// The variable to name, where the help does not name one yet.
fn variable(arg: &Arg) -> Option<String> {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    name_of(arg).filter(|_| is_ours(arg) && !help.contains("env:"))
}

/// Flags that have a variable of their own name keep that one alone.
fn is_ours(arg: &Arg) -> bool {
    flag::is_offered(arg) && arg.get_env().is_none() && !arg.is_global_set()
}

fn name_of(arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    Some(format!("TB_{}", long.to_ascii_uppercase().replace('-', "_")))
}
