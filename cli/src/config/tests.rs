//! Sources against each other, on a command of the same shape as the real ones.

use std::path::PathBuf;

use clap::{Arg, ArgAction};

use super::*;

fn command() -> Command {
    let text = |name: &'static str| Arg::new(name).long(name);
    Command::new("t")
        .subcommand(
            Command::new("one")
                .arg(text("place").required(true).env("TB_TEST_NEVER_SET_PLACE"))
                .arg(text("folder").conflicts_with("place"))
                .arg(text("count").default_value("1"))
                .arg(text("leave").action(ArgAction::Append))
                .arg(text("make").action(ArgAction::SetTrue)),
        )
        .subcommand(Command::new("two").arg(text("count")).arg(text("other")))
}

fn added(yaml: &str, args: &str) -> Result<String, String> {
    let config = Config::parse(PathBuf::from("c.yaml"), yaml).map_err(|e| e.to_string())?;
    let given = command()
        .ignore_errors(true)
        .try_get_matches_from(format!("t {args}").split_whitespace())
        .map_err(|e| e.to_string())?;
    let added = layers(&command(), &given, &config).map_err(|e| e.to_string())?;
    let words: Vec<_> = added
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Ok(words.join(" "))
}

#[test]
fn the_strongest_source_wins() {
    let table = [
        // Nothing, then the top level, then the section, then the argument.
        ("", "one", ""),
        ("count: 2", "one", "--count=2"),
        ("count: 2\none:\n  count: 3", "one", "--count=3"),
        ("count: 2\none:\n  count: 3", "two", "--count=2"),
        ("count: 2\none:\n  count: 3", "one --count 4", ""),
        // A flag that another command has is no error here.
        ("other: x", "one", ""),
        // Types.
        ("make: true", "one", "--make"),
        ("make: false", "one", ""),
        ("leave: [a, b]", "one", "--leave=a --leave=b"),
        ("leave: [a, b]", "one --leave c", ""),
        ("place: \"007\"", "one", "--place=007"),
        // What contradicts a stronger source is left out.
        ("folder: x", "one --place y", ""),
        ("place: y\none:\n  folder: x", "one", "--folder=x"),
        ("# nothing\n", "one", ""),
    ];
    for (yaml, args, expected) in table {
        assert_eq!(added(yaml, args).as_deref(), Ok(expected), "{yaml:?} {args:?}");
    }
}

#[test]
fn what_breaks_a_rule_is_named() {
    let table = [
        (
            "cuont: 2",
            "cuont: is no flag that can stand here; did you mean count?",
        ),
        ("one:\n  other: 2", "one.other: is no flag"),
        ("zzz: 2", "zzz: is no flag"),
        ("count: 1\ncount: 2", "twice"),
        ("- count", "must be YAML"),
        ("count:\n  a: b", "must be a text"),
        ("make: perhaps", "must be true or false"),
        ("count: [1, 2]", "must be one value"),
        ("sas: x", "does not belong in this file; use --sas-file"),
        ("place: sv=1&sig=SECRET", "holds a secret"),
    ];
    for (yaml, expected) in table {
        let said = added(yaml, "one").unwrap_err();
        assert!(
            said.contains(expected) && !said.contains("SECRET"),
            "{yaml:?}: {said}"
        );
        assert!(said.contains("c.yaml"), "{said}");
    }
}
