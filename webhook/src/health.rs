//! What the probes and the metrics say: port 8080, plain HTTP, nothing secret.

use crate::listen::{self, Answer};
use hyper::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Content type of the metrics.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of a decision. Never the name of an object: there are too many of them.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decision {
    rule: &'static str,
    outcome: &'static str,
}

/// Readiness and metrics of the process.
pub(crate) struct Health {
    state: Mutex<Progress>,
    registry: Registry,
    decisions: Family<Decision, Counter>,
    seconds: Histogram,
    leaf_expiry: Gauge,
}

#[derive(Default)]
struct Progress {
    ready: bool,
    ending: bool,
    waiting_for: String,
}

impl Health {
    /// Not ready, nothing counted.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("trustbridge_webhook");
        let decisions = Family::<Decision, Counter>::default();
        registry.register(
            "decisions",
            "Admission decisions by rule and outcome",
            decisions.clone(),
        );
        let seconds = Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0]);
        registry.register_with_unit("decision", "Time of a decision", Unit::Seconds, seconds.clone());
        let leaf_expiry = Gauge::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the served certificate ends",
            Unit::Seconds,
            leaf_expiry.clone(),
        );
        Self {
            state: Mutex::default(),
            registry,
            decisions,
            seconds,
            leaf_expiry,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API server can call us.
    pub(crate) fn ready(&self) {
        let mut state = self.state();
        if !state.ready {
            tracing::info!("ready: certificates are published and the webhook answers to them");
        }
        state.ready = true;
    }

    /// Says what is missing. Once ready, a passing fault takes nothing back: the certificates still hold.
    pub(crate) fn not_ready_yet(&self, waiting_for: String) {
        self.state().waiting_for = waiting_for;
    }

    /// The process is being ended: no new calls.
    pub(crate) fn ending(&self) {
        self.state().ending = true;
    }

    /// Notes when the served leaf ends.
    pub(crate) fn leaf_expires(&self, at: i64) {
        self.leaf_expiry.set(at);
    }

    /// Counts a decision.
    pub(crate) fn decided(&self, rule: &'static str, outcome: &'static str, took: Duration) {
        self.decisions.get_or_create(&Decision { rule, outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// `None` when ready, else what is missing.
    pub(crate) fn missing(&self) -> Option<String> {
        let state = self.state();
        match (state.ending, state.ready) {
            (true, _) => Some("ending".to_owned()),
            (false, true) => None,
            (false, false) if state.waiting_for.is_empty() => Some("certificates".to_owned()),
            (false, false) => Some(state.waiting_for.clone()),
        }
    }
}

/// Answers what is asked for at `path`: `/healthz`, `/readyz`, `/metrics`.
pub(crate) fn answer(health: &Health, path: &str) -> Answer {
    match path {
        "/healthz" => listen::text(StatusCode::OK, "ok"),
        "/readyz" => match health.missing() {
            None => listen::text(StatusCode::OK, "ok"),
            Some(missing) => listen::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")),
        },
        "/metrics" => metrics(health),
        _ => listen::text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics"),
    }
}

fn metrics(health: &Health) -> Answer {
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => listen::typed(StatusCode::OK, OPENMETRICS, text),
        Err(_) => listen::text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_says_what_is_missing_and_stays_once_there() {
        let health = Health::new();
        assert_eq!(health.missing().as_deref(), Some("certificates"));
        health.not_ready_yet("caBundle".into());
        assert_eq!(health.missing().as_deref(), Some("caBundle"));
        health.ready();
        health.not_ready_yet("the API server rests".into());
        assert_eq!(health.missing(), None);
        health.ending();
        assert_eq!(health.missing().as_deref(), Some("ending"));
    }

    #[test]
    fn each_path_has_its_answer() {
        let health = Health::new();
        let status = |path| answer(&health, path).status().as_u16();
        assert_eq!(
            ["/healthz", "/readyz", "/metrics", "/"].map(status),
            [200, 503, 200, 404]
        );
        health.ready();
        assert_eq!(answer(&health, "/readyz").status(), StatusCode::OK);
    }

    #[test]
    fn metrics_have_their_names() {
        let health = Health::new();
        health.decided("pods", "denied", Duration::from_millis(3));
        health.leaf_expires(1_800_000_000);
        let mut text = String::new();
        encode(&mut text, &health.registry).unwrap();
        for line in [
            "trustbridge_webhook_decisions_total{rule=\"pods\",outcome=\"denied\"} 1",
            "trustbridge_webhook_decision_seconds_count 1",
            "trustbridge_webhook_certificate_expiry_timestamp_seconds 1800000000",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
