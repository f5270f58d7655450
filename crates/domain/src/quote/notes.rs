//! Warnings and trace while a quote comes together.

use super::outcome::{OfferRefusal, Outcome, Quote, TraceEntry, Warning, WarningCode};
use super::request::{Rfq, choices};

/// Warnings and trace while they come together.
#[derive(Debug, Default)]
pub(super) struct Notes {
    warnings: Vec<Warning>,
    trace: Vec<TraceEntry>,
}

impl Notes {
    pub(super) fn fired(&mut self, rule: &str, detail: String) {
        self.trace.push(TraceEntry {
            rule: rule.to_owned(),
            detail,
        });
    }

    pub(super) fn warn(&mut self, code: WarningCode, text: String, amount_minor: Option<i64>) {
        self.warnings.push(Warning {
            code,
            text,
            amount_minor,
        });
    }

    pub(super) fn unknown_fields(&mut self, fields: &[String]) {
        for field in fields {
            let text = format!("`{field}` is not known and changed nothing");
            self.warn(WarningCode::UnknownField, text, None);
        }
    }

    /// One warning for each text that listed several choices.
    pub(super) fn choices(&mut self, rfq: &Rfq) {
        match choices(rfq) {
            Ok(found) => {
                for (field, text, first) in found {
                    let said = format!("`{field}` '{text}' was taken as '{first}'");
                    self.fired("any-of", said.clone());
                    self.warn(WarningCode::AnyOfResolved, said, None);
                }
            }
            // What was read from JSON can be written as JSON; were it not so, the trace would say it.
            Err(error) => self.fired("any-of", error.to_string()),
        }
    }

    pub(super) fn reject(self, reason: String) -> Outcome {
        self.reject_all(reason, Vec::new())
    }

    pub(super) fn reject_all(mut self, reason: String, offers: Vec<OfferRefusal>) -> Outcome {
        self.fired("rejected", reason.clone());
        Outcome::Rejected {
            reason,
            offers,
            trace: self.trace,
        }
    }

    pub(super) fn into_quote(self, draft: Quote) -> Quote {
        Quote {
            warnings: self.warnings,
            trace: self.trace,
            ..draft
        }
    }
}
