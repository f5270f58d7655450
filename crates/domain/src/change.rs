//! What accepted changes make of an order's frozen lines: which end, which begin under which key, until when the order
//! is promised, and whether a change may be accepted unasked.
//!
//! A line is known by its key. Keys of the lines that were quoted are those of [`crate::invoice::terms`]; a line that a
//! change adds gets the next free one, so that a tier that was had before is another line than the one that ended.

use crate::invoice::{self, BASE};
use crate::phase::ChangeOrderPhase;
use crate::pricing::QuoteLine;
use crate::quote::{ChangeQuote, ChangeRequest};
use crate::rating::Doubt;
use crate::rating::terms::{Change, TermLine, in_force};
use serde::{Deserialize, Serialize};

/// Hours of the longest month: what an hour more may cost in one.
const LONGEST_MONTH_H: i64 = 744;

/// A line and the key that it has within the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyedLine {
    /// Key within the order. Example: `Support-Premium`.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub key: String,
    /// The line.
    #[serde(flatten)]
    pub line: QuoteLine,
}

/// What a change does to the lines of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swap {
    /// Keys of the lines that end.
    pub ends: Vec<String>,
    /// Lines that begin.
    pub adds: Vec<KeyedLine>,
}

/// A change that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its id, for words alone.
    pub id: String,
    /// When it was applied, POSIX milliseconds.
    pub at_ms: i64,
    /// What it did to the lines.
    pub swap: Swap,
    /// Days that were promised on top.
    pub extend_term_days: u32,
}

/// What an order was sold as.
#[derive(Clone, Copy, Debug)]
pub struct Sold<'a> {
    /// The frozen lines.
    pub lines: &'a [QuoteLine],
    /// SKU of the bundle.
    pub base_sku: &'a str,
    /// Days that are billed at least; 0 for none.
    pub min_term_days: u32,
}

impl Sold<'_> {
    /// Every line that the order ever had, with the time in which each is in force; the quoted ones from `from_ms`, its
    /// first readiness. `Err`: the changes contradict the lines, and a person must look.
    pub fn terms(&self, from_ms: i64, applied: &[Applied]) -> Result<Vec<TermLine>, Doubt> {
        let mut applied: Vec<&Applied> = applied.iter().collect();
        applied.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
        let days = applied.iter().map(|change| change.extend_term_days);
        let mut all = invoice::terms(self.lines, self.base_sku, self.promised_days(days), from_ms)?;
        for change in applied {
            let adds: Result<Vec<TermLine>, Doubt> = change
                .swap
                .adds
                .iter()
                .map(|added| begun(added, change.at_ms))
                .collect();
            let change = Change {
                id: change.id.clone(),
                phase: ChangeOrderPhase::Applied,
                applied_ms: Some(change.at_ms),
                ends: change.swap.ends.clone(),
                adds: adds?,
            };
            all = in_force(&all, &[change])?;
        }
        Ok(all)
    }

    /// Days from the first readiness for which the order is promised, with the `extensions` that were applied. Each begins
    /// where the promise ended before it, so that no day is promised that nobody asked for.
    #[must_use]
    pub fn promised_days(&self, extensions: impl Iterator<Item = u32>) -> u32 {
        extensions.fold(self.min_term_days, u32::saturating_add)
    }

    /// The lines that are in force after `swaps`, in the order of time; the first is the bundle.
    pub fn lines_after<'s>(&self, swaps: impl Iterator<Item = &'s Swap>) -> Result<Vec<KeyedLine>, Doubt> {
        let keys = invoice::terms(self.lines, self.base_sku, 0, 0)?;
        let quoted = keys.into_iter().zip(self.lines).map(|(term, line)| KeyedLine {
            key: term.key,
            line: line.clone(),
        });
        let mut open: Vec<KeyedLine> = quoted.collect();
        for swap in swaps {
            open.retain(|line| !swap.ends.contains(&line.key));
            open.extend(swap.adds.iter().cloned());
        }
        Ok(open)
    }
}

/// A line of a change, in force from `at_ms`.
fn begun(added: &KeyedLine, at_ms: i64) -> Result<TermLine, Doubt> {
    Ok(TermLine {
        key: added.key.clone(),
        sku: added.line.sku.clone(),
        quantity: added.line.quantity,
        charge: invoice::charge(&added.line, &added.key)?,
        from_ms: at_ms,
        until_ms: None,
        commitment: None,
    })
}

/// What a priced change does to `open`, the lines in force; `taken` are keys that the order has had besides. `None`: a
/// line that it replaces is no longer there.
#[must_use]
pub fn swap(open: &[KeyedLine], taken: &[String], priced: &ChangeQuote) -> Option<Swap> {
    let mut done = Swap::default();
    for removed in &priced.removed_lines {
        let is_it = |line: &&KeyedLine| line.line == *removed && !done.ends.contains(&line.key);
        done.ends.push(open.iter().find(is_it)?.key.clone());
    }
    for line in &priced.added_lines {
        let is_free = |key: &str| {
            key != BASE
                && !taken.iter().any(|other| other == key)
                && !open.iter().chain(&done.adds).any(|other| other.key == key)
        };
        let numbered = (2_u32..).map(|number| format!("{}-{number}", line.sku));
        let key = std::iter::once(line.sku.clone())
            .chain(numbered)
            .find(|key| is_free(key))?;
        done.adds.push(KeyedLine {
            key,
            line: line.clone(),
        });
    }
    Some(done)
}

/// Whether a buyer who lets changes up to `limit_minor` a month pass need not be asked. An hour more counts as if it were
/// used all month; a promise for a time is always asked for.
#[must_use]
pub fn passes_unasked(priced: &ChangeQuote, request: &ChangeRequest, limit_minor: Option<i64>) -> bool {
    let hours = priced.net_hourly_delta_minor.max(0).checked_mul(LONGEST_MONTH_H);
    let month = hours.and_then(|hours| hours.checked_add(priced.net_monthly_delta_minor));
    let is_promise = request.extend_term_days.is_some_and(|days| days > 0);
    !is_promise
        && priced.unpriced.is_empty()
        && limit_minor
            .zip(month)
            .is_some_and(|(limit, month)| month <= limit)
}

#[cfg(test)]
mod tests;
