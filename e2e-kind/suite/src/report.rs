//! Steps as they happen, and the table at the end.

use anyhow::Result;
use futures::future::LocalBoxFuture;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A step that takes longer than this says that it goes on.
const REMIND: Duration = Duration::from_secs(10);

/// One finished step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Who did it. Example: `provider`.
    pub who: String,
    /// What was done.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// How long it took.
    pub took: Duration,
}

/// The steps of a story, printed while they happen.
#[derive(Debug)]
pub struct Report {
    started: Instant,
    quiet: bool,
    steps: Vec<Step>,
}

impl Report {
    /// A report that prints as it goes.
    #[must_use]
    pub fn telling() -> Self {
        Self {
            started: Instant::now(),
            quiet: false,
            steps: Vec::new(),
        }
    }

    /// A report that only keeps what happened.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            started: Instant::now(),
            quiet: true,
            steps: Vec::new(),
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The finished steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Prints a heading.
    pub fn chapter(&self, title: &str) {
        if !self.quiet {
            println!("\n== {title}");
        }
    }

    /// Prints what somebody should see, e.g. a table of kubectl.
    pub fn show(&self, text: &str) {
        if !self.quiet {
            for line in text.trim_end().lines() {
                println!("     | {line}");
            }
        }
    }

    /// Does one step; its work answers what is needed later, and what was seen.
    pub fn step<'a, T: 'a>(
        &'a mut self,
        who: &'a str,
        what: &'a str,
        work: impl Future<Output = Result<(T, String)>> + 'a,
    ) -> LocalBoxFuture<'a, Result<T>> {
        // On the heap: the futures of whole stories are large.
        let mut work = Box::pin(work);
        Box::pin(async move {
            let begun = Instant::now();
            let result = loop {
                tokio::select! {
                    result = &mut work => break result,
                    () = tokio::time::sleep(REMIND) => self.remind(who, what, begun),
                }
            };
            self.finish(who, what, begun.elapsed(), result)
        })
    }

    /// Does one step that nothing needs a value from; its work answers what was seen.
    pub fn note<'a>(
        &'a mut self,
        who: &'a str,
        what: &'a str,
        work: impl Future<Output = Result<String>> + 'a,
    ) -> LocalBoxFuture<'a, Result<()>> {
        let work = Box::pin(work);
        self.step(who, what, async move { Ok(((), work.await?)) })
    }

    fn finish<T>(&mut self, who: &str, what: &str, took: Duration, result: Result<(T, String)>) -> Result<T> {
        let seconds = took.as_secs_f64();
        match result {
            Ok((value, seen)) => {
                self.print(&format!("  ✓ {who:<9} {what:<58} {seconds:>7.1} s  {seen}"));
                self.steps.push(Step {
                    who: who.to_owned(),
                    what: what.to_owned(),
                    seen,
                    took,
                });
                Ok(value)
            }
            Err(error) => {
                self.print(&format!("  ✗ {who:<9} {what:<58} {seconds:>7.1} s"));
                Err(error.context(format!("{who}: {what}")))
            }
        }
    }

    /// The closing table, for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<4}{:<10}{:<60}{:>9}  {}\n",
            "#", "WHO", "WHAT", "SECONDS", "SEEN"
        );
        for (number, step) in self.steps.iter().enumerate() {
            let seconds = step.took.as_secs_f64();
            let _ = writeln!(
                text,
                "{:<4}{:<10}{:<60}{seconds:>9.1}  {}",
                number + 1,
                step.who,
                step.what,
                step.seen
            );
        }
        text
    }

    /// The closing table, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = "| # | Who | What | Seconds | Seen |\n|---|---|---|---|---|\n".to_owned();
        for (number, step) in self.steps.iter().enumerate() {
            let seconds = step.took.as_secs_f64();
            let seen = step.seen.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| {} | {} | {} | {seconds:.1} | {seen} |",
                number + 1,
                step.who,
                step.what
            );
        }
        text
    }

    fn remind(&self, who: &str, what: &str, begun: Instant) {
        self.print(&format!(
            "  … {who:<9} {what:<58} {:>5} s",
            begun.elapsed().as_secs()
        ));
    }

    fn print(&self, line: &str) {
        if !self.quiet {
            println!("{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_are_kept_with_what_was_seen() {
        let mut report = Report::silent();
        let value = report
            .step("buyer", "orders", async { Ok((7, "a|b".to_owned())) })
            .await
            .unwrap();
        assert_eq!(value, 7);
        assert!(report.table().contains("orders"));
        assert!(report.markdown().contains("| 1 | buyer | orders | 0.0 | a\\|b |"));
    }

    #[tokio::test]
    async fn a_failed_step_says_which_one_it_was() {
        let failing = async { anyhow::bail!("no") };
        let error = Report::silent()
            .step::<()>("buyer", "orders", failing)
            .await
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "buyer: orders: no");
    }
}
