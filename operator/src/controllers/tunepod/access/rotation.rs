//! What is done next about the token, from what the two Secrets say. Pure, and without a token: sums alone.
//!
//! ```text
//! nothing --Make--> token --Adopt--> token, its sum is accepted                       (a pod is made from here on)
//!   a new word on the Order --Propose--> the next one is kept and accepted besides, nobody has read it
//!   the port accepts it     --Publish--> the buyer's Secret has the next one
//!                           --Settle---> the one before is accepted until the end of the overlap
//!   the overlap is over     --Retire---> the one before is refused
//! ```
//!
//! Each arrow is one write, and between any two of them a token that somebody may have read is accepted: what the
//! buyer's Secret holds is accepted before it is put there, and refused only after it was replaced for so long.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trustbridge_kit::clock::plus;

/// What is kept beside the sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ledger {
    /// The word of the last rotation; empty before the first.
    pub(super) rotation: String,
    /// Sum of the token that the buyer's Secret has, or should have.
    pub(super) current: String,
    /// Sum of the one that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// The one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<Previous>,
    /// Those before that one, while the time that was promised to them lasts: a lost token is replaced at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) earlier: Vec<Previous>,
}

/// A token that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Previous {
    /// Its sum.
    pub(super) sum: String,
    /// From when on it is refused.
    pub(super) until: Timestamp,
}

impl Ledger {
    /// Nothing but this one was ever accepted.
    pub(super) fn adopting(sum: String, word: &str) -> Self {
        Self {
            rotation: word.to_owned(),
            current: sum,
            next: None,
            previous: None,
            earlier: Vec::new(),
        }
    }

    /// The same, with one that comes next.
    pub(super) fn proposing(&self, sum: String, word: &str) -> Self {
        Self {
            rotation: if word.is_empty() {
                self.rotation.clone()
            } else {
                word.to_owned()
            },
            next: Some(sum),
            ..self.clone()
        }
    }

    /// The buyer's Secret has the next one: the one before it goes on until the end of the overlap, which begins now.
    pub(super) fn settled(&self, now: Timestamp, overlap: Duration) -> Self {
        let Some(next) = self.next.clone() else {
            return self.clone();
        };
        Self {
            rotation: self.rotation.clone(),
            current: next,
            next: None,
            earlier: self.replaced().cloned().collect(),
            previous: Some(Previous {
                sum: self.current.clone(),
                until: plus(now, i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX)),
            }),
        }
    }

    /// Without those whose time is over.
    pub(super) fn retired(&self, now: Timestamp) -> Self {
        let lasts = |one: &Previous| now < one.until;
        Self {
            previous: self.previous.clone().filter(lasts),
            earlier: self.earlier.iter().filter(|one| lasts(one)).cloned().collect(),
            ..self.clone()
        }
    }

    /// Tokens that were replaced and are accepted yet.
    fn replaced(&self) -> impl Iterator<Item = &Previous> {
        self.previous.iter().chain(&self.earlier)
    }

    /// The file of accepted tokens: a sum in each line.
    pub(super) fn lines(&self) -> String {
        let all = [Some(&self.current), self.next.as_ref()].into_iter().flatten();
        let all = all.chain(self.replaced().map(|p| &p.sum));
        all.flat_map(|sum| [sum.as_str(), "\n"]).collect()
    }
}

/// The next write, or what is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A first token for the buyer.
    Make,
    /// The sum of the buyer's token is accepted.
    Adopt,
    /// A next token is kept and accepted.
    Propose,
    /// Whether the port accepts the next one is to be found out; then it is put where the buyer reads it.
    Publish,
    /// The overlap begins.
    Settle,
    /// An overlap is over.
    Retire,
    /// Nothing before then, if there is a then.
    Rest(Option<Timestamp>),
}

/// What is next. `token`: sum of the buyer's token, if there is one. `word`: what the Order asks for; empty for nothing.
pub(super) fn next(ledger: Option<&Ledger>, token: Option<&str>, word: &str, now: Timestamp) -> Step {
    let Some(ledger) = ledger else {
        return if token.is_some() { Step::Adopt } else { Step::Make };
    };
    if let Some(next) = &ledger.next {
        let is_published = token == Some(next.as_str());
        return if is_published { Step::Settle } else { Step::Publish };
    }
    // A buyer without a token does not wait for the end of an overlap; what was promised goes on beside the new one.
    if token != Some(ledger.current.as_str()) {
        return Step::Propose;
    }
    // One at a time: the end of an overlap that was promised is not brought forward by the next one.
    if let Some(until) = ledger.replaced().map(|one| one.until).min() {
        return if now >= until {
            Step::Retire
        } else {
            Step::Rest(Some(until))
        };
    }
    if !word.is_empty() && word != ledger.rotation {
        Step::Propose
    } else {
        Step::Rest(None)
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
