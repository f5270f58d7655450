//! How far long work is: bytes, rate and time left on a terminal, nothing anywhere else.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One piece of work of a known size. Cloning is cheap and counts into the same bar.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Bar>);

/// Taken away when the last one that counts is done or has failed: what is printed next stands alone.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Progress {
    /// A bar of so many bytes on standard error, where that is a terminal.
    pub(crate) fn bytes(label: impl Into<String>, total: u64) -> Self {
        let bar = if can_draw() {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8))
        } else {
            ProgressBar::hidden()
        };
        bar.set_style(style());
        bar.set_message(label.into());
        if !bar.is_hidden() {
            // Time left and rate move on while a slow peer lets nothing be counted.
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self(Arc::new(Bar(bar)))
    }

    /// Counts bytes that are done.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.0.inc(bytes);
    }

    /// Takes the bar away; what is printed afterwards stands alone.
    pub(crate) fn done(&self) {
        self.0.0.finish_and_clear();
    }
}

fn can_draw() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn style() -> ProgressStyle {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let bar = if plain { "{bar:30}" } else { "{bar:30.cyan/blue}" };
    let template = format!(
        "{{msg}} {bar} {{decimal_bytes}}/{{decimal_total_bytes}} {{decimal_bytes_per_sec}} {{eta}} left"
    );
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
