//! Counters and gauges for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use trustbridge_domain::sentinel::State;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StatusLabel {
    status: u16,
}

/// See the module. Cloning shares the numbers.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    state: Family<StateLabel, Gauge>,
    requests: Family<StatusLabel, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) landed_bytes: Counter,
    pub(crate) delivered_bytes: Counter,
    pub(crate) streams: Counter,
    pub(crate) broken_streams: Counter,
    pub(crate) authorizations: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("trustbridge_sentinel"),
            state: Family::default(),
            requests: Family::default(),
            in_flight: Gauge::default(),
            landed_bytes: Counter::default(),
            delivered_bytes: Counter::default(),
            streams: Counter::default(),
            broken_streams: Counter::default(),
            authorizations: Counter::default(),
        };
        let r = &mut all.registry;
        r.register("state", "1 for the state the sentinel is in", all.state.clone());
        r.register(
            "requests",
            "Requests on the public port by status",
            all.requests.clone(),
        );
        r.register(
            "requests_in_flight",
            "Requests being answered",
            all.in_flight.clone(),
        );
        r.register(
            "ciphertext_bytes",
            "Ciphertext bytes fetched",
            all.landed_bytes.clone(),
        );
        r.register(
            "plaintext_bytes",
            "Plaintext bytes handed to readers",
            all.delivered_bytes.clone(),
        );
        r.register("streams", "Files streamed to their end", all.streams.clone());
        r.register(
            "broken_streams",
            "Files whose reader left early",
            all.broken_streams.clone(),
        );
        r.register(
            "authorizations",
            "Authorisations granted",
            all.authorizations.clone(),
        );
        all.enter(State::Boot);
        all
    }

    /// Moves the 1 to this state.
    pub(crate) fn enter(&self, state: State) {
        for name in State::NAMES {
            let here = i64::from(name == state.as_str());
            self.state.get_or_create(&StateLabel { state: name }).set(here);
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        self.requests.get_or_create(&StatusLabel { status }).inc();
    }

    /// The text that a scrape gets.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;
    use trustbridge_domain::sentinel::State;

    #[test]
    fn exactly_one_state_is_1() {
        let metrics = Metrics::new();
        metrics.enter(State::Hydrate);
        metrics.answered(200);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("trustbridge_sentinel_state{state=\"Hydrate\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("trustbridge_sentinel_state{state=\"Boot\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("trustbridge_sentinel_requests_total{status=\"200\"} 1"),
            "{text}"
        );
    }
}
