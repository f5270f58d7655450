//! Running other programs: what they said is in the error when they fail.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// How many closing lines of a failed program's output an error shows.
const SHOWN_LINES: usize = 20;

/// Runs a program to its end and answers what it wrote to stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = display(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start: {shown}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&done.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&done.stderr));
    bail!("{shown}\n{}: {}", done.status, last_lines(&said))
}

/// Runs a program with the given text as its stdin.
pub fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    let shown = display(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start: {shown}"))?;
    let mut stdin = child.stdin.take().ok_or_else(|| anyhow!("no stdin: {shown}"))?;
    let text = input.to_owned();
    let writer = thread::spawn(move || stdin.write_all(text.as_bytes()));
    let done = child.wait_with_output().with_context(|| shown.clone())?;
    // A program that ends early closes its stdin; its own error says why.
    let _ = writer.join();
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    bail!(
        "{shown}\n{}: {}",
        done.status,
        last_lines(&String::from_utf8_lossy(&done.stderr))
    )
}

/// Runs a program to its end and throws away what it wrote.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Asks again until the question is answered or the time is over; the last error is kept.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if begun.elapsed() > limit => {
                return Err(error.context(format!("{what}: not within {} s", limit.as_secs())));
            }
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Whether a program of that name is on the `PATH`, and where.
#[must_use]
pub fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn display(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text
}

/// The closing lines of a text, as an error shows them.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(SHOWN_LINES))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_what_the_program_said() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("reason") && error.contains('3'), "{error}");
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(
            output_with_input(&mut Command::new("cat"), "text").unwrap(),
            "text"
        );
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        let text = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(last_lines(&text).lines().next(), Some("20"));
    }
}
