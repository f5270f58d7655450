//! `docs/reference/cli.md`: every command and flag, from the definitions that parse them.

use std::fmt::Write;

use clap::{Arg, Command};

/// What no definition says.
const HEAD: &str = include_str!("head.md");
const JSON: &str = include_str!("json.md");

/// The page.
pub(super) fn markdown(command: Command) -> String {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut page = HEAD.to_owned();
    let globals: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .collect();
    page.push_str(&table(&globals));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        // A `String` takes whatever is written to it.
        let _ = write!(page, "\n## {}\n\n{about}\n\n", sub.get_name());
        let own: Vec<&Arg> = sub
            .get_arguments()
            .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
            .collect();
        page.push_str(&table(&own));
        if let Some(examples) = sub.get_after_help() {
            let _ = write!(page, "\n```text\n{examples}\n```\n");
        }
    }
    page.push('\n');
    page.push_str(JSON);
    page
}

fn table(args: &[&Arg]) -> String {
    let mut table = "| Argument | Default | Environment | Meaning |\n|---|---|---|---|\n".to_owned();
    for arg in args {
        let defaults: Vec<String> = arg
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .filter(|_| arg.get_action().takes_values())
            .collect();
        let (help, variable) = meaning(arg);
        let _ = writeln!(
            table,
            "| {} | {} | {variable} | {} |",
            usage(arg),
            defaults.join(", "),
            escaped(&help)
        );
    }
    table
}

/// What an argument means, and its environment variable.
fn meaning(arg: &Arg) -> (String, String) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(variable) = arg.get_env() {
        return (help, format!("`{}`", variable.to_string_lossy()));
    }
    let named = help
        .rsplit_once(" [env: ")
        .and_then(|(help, rest)| Some((help, rest.strip_suffix(']')?)));
    match named {
        Some((help, variable)) if variable.starts_with("TB_") && !variable.contains(' ') => {
            (help.to_owned(), format!("`{variable}`"))
        }
        _ => (help, String::new()),
    }
}

/// A table's cell. Between backticks everything but the bar stands for itself.
fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut cell = String::new();
    for c in text.chars() {
        is_code ^= c == '`';
        match c {
            '|' => cell.push_str("\\|"),
            '\n' => cell.push(' '),
            '<' if !is_code => cell.push_str("&lt;"),
            _ => cell.push(c),
        }
    }
    cell
}

/// The flag with its value, and its other names.
fn usage(arg: &Arg) -> String {
    let required = if arg.is_required_set() { " (required)" } else { "" };
    let values = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = values
        .and_then(<[_]>::first)
        .map(|name| format!(" {}", name.replace('|', "\\|")))
        .unwrap_or_default();
    let Some(long) = arg.get_long() else {
        return format!("`{}`{required}", value.trim());
    };
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let mut names = vec![format!("`--{long}{value}`")];
    names.extend(aliases.iter().map(|alias| format!("`--{alias}`")));
    names.join(", ") + required
}
