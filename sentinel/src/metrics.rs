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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    kind: &'static str,
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
    pub(crate) usage_waiting: Gauge,
    pub(crate) usage_bytes: Gauge,
    pub(crate) usage_silent: Gauge,
    pub(crate) usage_errors: Counter,
    pub(crate) metering_outage: Gauge,
    used: Family<KindLabel, Counter>,
    metering_events: Family<KindLabel, Counter>,
    metering_alerts: Family<KindLabel, Counter>,
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
            usage_waiting: Gauge::default(),
            usage_bytes: Gauge::default(),
            usage_silent: Gauge::default(),
            usage_errors: Counter::default(),
            metering_outage: Gauge::default(),
            used: Family::default(),
            metering_events: Family::default(),
            metering_alerts: Family::default(),
        };
        all.register_billing();
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

    fn register_billing(&mut self) {
        let r = &mut self.registry;
        let gauges = [
            (
                "usage_waiting",
                "Intervals of usage that nobody has yet",
                &self.usage_waiting,
            ),
            ("usage_bytes", "Size of the outbox of usage", &self.usage_bytes),
            ("usage_silent", "Answers that told no tokens", &self.usage_silent),
            (
                "metering_outage_seconds",
                "How long the metering service has been out of reach",
                &self.metering_outage,
            ),
        ];
        for (name, help, gauge) in gauges {
            r.register(name, help, gauge.clone());
        }
        r.register(
            "usage_errors",
            "Attempts to write usage down that failed",
            self.usage_errors.clone(),
        );
        r.register(
            "used",
            "Usage that was written down, by counter",
            self.used.clone(),
        );
        r.register(
            "metering_events",
            "Usage events sent, by what became of them",
            self.metering_events.clone(),
        );
        r.register(
            "metering_alerts",
            "What somebody should look at, by kind",
            self.metering_alerts.clone(),
        );
    }

    /// Counts usage that is on the disk.
    pub(crate) fn used(&self, kind: &'static str, amount: u64) {
        self.used.get_or_create(&KindLabel { kind }).inc_by(amount);
    }

    /// Counts what became of a usage event.
    pub(crate) fn metered(&self, kind: &'static str) {
        self.metering_events.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts an alert of the books.
    pub(crate) fn alerted(&self, kind: &'static str) {
        self.metering_alerts.get_or_create(&KindLabel { kind }).inc();
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
    use trustbridge_domain::sentinel::{Offer, State};

    #[test]
    fn exactly_one_state_is_1() {
        let metrics = Metrics::new();
        metrics.enter(State::Hydrate(Offer::None));
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
