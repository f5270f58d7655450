//! Which counters make which dimension of the purchased plan.

use trustbridge_domain::metering::{Meter, Quantity};

use super::counters::{Counter, Counts};

/// Dimensions where nothing is said: tokens, read and made.
pub(crate) const DEFAULT: &str = "tokens=prompt_tokens+completion_tokens";

/// One dimension: the sum of counters, divided by a power of ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    dimension: String,
    counters: Vec<Counter>,
    decimals: u32,
}

/// `DIMENSION=COUNTER[+COUNTER...][/1000]`, several of them separated by commas.
pub(crate) fn parse(text: &str) -> Option<Vec<Term>> {
    let terms: Option<Vec<Term>> = text.split(',').map(|term| parse_term(term.trim())).collect();
    let terms = terms?;
    let mut names: Vec<&str> = terms.iter().map(|term| term.dimension.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == terms.len()).then_some(terms)
}

fn parse_term(text: &str) -> Option<Term> {
    let (dimension, sum) = text.split_once('=')?;
    let (sum, divisor) = sum.split_once('/').unwrap_or((sum, "1"));
    let zeros = divisor.strip_prefix('1')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let named = !dimension.is_empty() && dimension.chars().all(plain);
    if !named || zeros.len() > 6 || zeros.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let counters: Option<Vec<_>> = sum.split('+').map(Counter::named).collect();
    Some(Term {
        dimension: dimension.to_owned(),
        counters: counters?,
        decimals: u32::try_from(zeros.len()).ok()?,
    })
}

/// The purchased plan.
#[derive(Clone, Debug)]
pub(crate) struct Tariff {
    pub(crate) resource: String,
    pub(crate) plan: String,
    pub(crate) terms: Vec<Term>,
}

impl Tariff {
    /// What an interval's counts mean for the plan.
    pub(crate) fn usage(&self, counts: &Counts) -> Vec<(Meter, Quantity)> {
        let usage = |term: &Term| {
            let sum = term
                .counters
                .iter()
                .fold(0_u64, |sum, counter| sum.saturating_add(counts.get(*counter)));
            let meter = Meter {
                resource: self.resource.clone(),
                dimension: term.dimension.clone(),
                plan: self.plan.clone(),
            };
            // Six places at most: the grammar sees to it.
            (meter, Quantity::scaled(sum, term.decimals).unwrap_or_default())
        };
        self.terms.iter().map(usage).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, Tariff, parse};
    use crate::billing::counters::{Counter, Counts};

    #[test]
    fn dimensions_are_sums_in_a_unit() {
        let terms = parse("k-tokens=prompt_tokens+completion_tokens/1000, calls=requests").unwrap();
        let tariff = Tariff {
            resource: "r".into(),
            plan: "gold".into(),
            terms,
        };
        let mut counts = Counts::default();
        counts.add(Counter::Requests, 2);
        counts.add(Counter::PromptTokens, 1000);
        counts.add(Counter::CompletionTokens, 234);
        let usage = tariff.usage(&counts);
        let told: Vec<_> = usage
            .iter()
            .map(|(meter, q)| (meter.dimension.as_str(), q.to_string()))
            .collect();
        assert_eq!(
            told,
            [("k-tokens", "1.234".to_owned()), ("calls", "2".to_owned())]
        );
        assert!(parse(DEFAULT).is_some());
        for text in [
            "",
            "tokens",
            "=requests",
            "a=b",
            "a=requests/3",
            "a=requests/10000000",
            "a=requests,a=requests",
            "a b=requests",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
