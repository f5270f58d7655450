//! The Python side: the second reader and the generator.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;

use crate::environment::{RUN_LIMIT, finish, interpreter};
use crate::{counted, vectors};

pub(crate) fn trials() -> Vec<Trial> {
    let total = vectors::total();
    vec![
        counted(total, "python reader: agrees on {} of {} vectors", move || {
            let said = run("reader.py", &[])?;
            expect_line(&said, &format!("agree {total} of {total}")).map(|()| total)
        }),
        counted(
            3,
            "python generator: {} of 3 vector files are what it writes",
            || {
                let said = run("generate.py", &["--check"])?;
                expect_line(&said, "same 3 of 3").map(|()| 3)
            },
        ),
    ]
}

/// The last line of an output must be this one.
pub(crate) fn expect_line(said: &str, line: &str) -> Result<(), String> {
    if said.lines().last() == Some(line) {
        return Ok(());
    }
    Err(format!("must end with {line:?}, said:\n{said}"))
}

/// Runs a script of `vectors/` and gives what it printed; a failed exit is an error with the same text.
pub(crate) fn run(script: &str, arguments: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(script);
    let mut command = Command::new(interpreter()?);
    // -B: no byte code beside the sources. -E -s: nothing of the user's own packages.
    command.args(["-B", "-E", "-s"]).arg(script).args(arguments);
    finish(&mut command, RUN_LIMIT)
}
