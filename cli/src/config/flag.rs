//! One value for one flag, whatever source it is from.

use std::ffi::OsString;

use clap::{Arg, ArgAction};

/// Whether a flag may be given by the environment and the configuration file: the hidden ones, and those that end
/// the program, stand on the command line or not at all.
pub(super) fn is_offered(arg: &Arg) -> bool {
    let ends = matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    let hidden = arg.is_hide_set() || arg.is_hide_short_help_set();
    arg.get_long().is_some() && !ends && !hidden && arg.get_id() != "config"
}

/// Whether a flag goes by this name.
pub(super) fn is_called(arg: &Arg, name: &str) -> bool {
    arg.get_long() == Some(name) || arg.get_all_aliases().unwrap_or_default().contains(&name)
}

/// The arguments that give a flag these values. The error is the rule that they break.
pub(super) fn arguments(arg: &Arg, values: &[String]) -> Result<Vec<OsString>, &'static str> {
    let Some(long) = arg.get_long() else {
        return Err("is no flag");
    };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match values {
            [value] if is_yes(value) => Ok(vec![format!("--{long}").into()]),
            [value] if is_no(value) => Ok(Vec::new()),
            _ => Err("must be true or false"),
        };
    }
    if values.len() != 1 && !matches!(arg.get_action(), ArgAction::Append) {
        return Err("must be one value");
    }
    Ok(values
        .iter()
        .map(|value| format!("--{long}={value}").into())
        .collect())
}

fn is_yes(value: &str) -> bool {
    matches!(value, "true" | "1" | "yes")
}

fn is_no(value: &str) -> bool {
    matches!(value, "false" | "0" | "no")
}
