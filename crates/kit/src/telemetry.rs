//! Logs, metrics and health.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Content type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Sends logs to standard output: JSON lines, or text for people; `RUST_LOG` chooses which.
pub fn init_logs(json: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,kube=warn,kube_client=off,hyper=warn"));
    let for_people = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(for_people);
    // A second call (tests) keeps the first subscriber.
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    verb: &'static str,
    result: &'static str,
}

/// Counters of a process. Never labelled by object: that would be a series for each.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    watch_errors: Family<Kind, Counter>,
    watch_last_event: Family<Kind, Gauge>,
    reconciles: Family<Outcome, Counter>,
    seconds: Histogram,
    writes: Family<Call, Counter>,
    leading: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new("trustbridge")
    }
}

impl Metrics {
    /// Metrics whose names begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let buckets = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        let this = Self {
            registry: Mutex::new(Registry::with_prefix(prefix)),
            watch_errors: Family::default(),
            watch_last_event: Family::default(),
            reconciles: Family::default(),
            seconds: Histogram::new(buckets),
            writes: Family::default(),
            leading: Gauge::default(),
        };
        this.register(|registry| {
            registry.register(
                "watch_errors",
                "Watches that failed and were started again",
                this.watch_errors.clone(),
            );
            let last = this.watch_last_event.clone();
            registry.register(
                "watch_last_event_timestamp_seconds",
                "When a watch last spoke, POSIX seconds",
                last,
            );
            registry.register(
                "reconciles",
                "Reconciles by how they ended",
                this.reconciles.clone(),
            );
            registry.register(
                "reconcile_seconds",
                "Time that reconciles took",
                this.seconds.clone(),
            );
            registry.register("writes", "Writes to the API server", this.writes.clone());
            registry.register("leading", "1 while this process leads", this.leading.clone());
        });
        this
    }

    /// Adds metrics of a binary's own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A watch of `kind` failed.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&Kind { kind }).inc();
    }

    /// A watch of `kind` spoke.
    pub fn watch_alive(&self, kind: &'static str) {
        self.watch_last_event
            .get_or_create(&Kind { kind })
            .set(jiff::Timestamp::now().as_second());
    }

    /// A reconcile ended.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&Outcome { controller, result })
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A write ended.
    pub fn wrote(&self, verb: &'static str, result: &'static str) {
        self.writes.get_or_create(&Call { verb, result }).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    /// All metrics as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(
            &mut text,
            &self.registry.lock().unwrap_or_else(PoisonError::into_inner),
        );
        text
    }
}

/// What must be there before the process is ready.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<&'static str, bool>>);

impl Health {
    /// `what` will have to be ready.
    pub fn expect(&self, what: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(what)
            .or_insert(false);
    }

    /// `what` is ready.
    pub fn ready(&self, what: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what, true);
    }

    /// What is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter(|(_, ready)| !**ready)
            .map(|(what, _)| *what)
            .collect()
    }
}

#[derive(Clone)]
struct Admin {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(metrics: Arc<Metrics>, health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Admin { metrics, health })
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let missing = admin.health.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("waiting for: {}\n", missing.join(", ")),
    )
        .into_response()
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], admin.metrics.text()).into_response()
}

/// Serves the admin endpoints until `shutdown`.
pub async fn serve(
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    shutdown: crate::shutdown::Shutdown,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(addr).await?;
    axum::serve(listener, router(metrics, health))
        .with_graceful_shutdown(shutdown.requested())
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_is_missing() {
        let health = Health::default();
        health.expect("Order");
        health.expect("Quote");
        health.ready("Quote");
        health.expect("Quote");
        assert_eq!(health.missing(), ["Order"]);
    }

    #[test]
    fn metrics_are_counted_by_kind_not_by_object() {
        let metrics = Metrics::new("trustbridge_operator");
        metrics.reconciled("TunePod", "ok", Duration::from_millis(3));
        metrics.wrote("apply", "ok");
        metrics.watch_failed("Order");
        let text = metrics.text();
        assert!(
            text.contains(r#"trustbridge_operator_reconciles_total{controller="TunePod",result="ok"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"trustbridge_operator_watch_errors_total{kind="Order"} 1"#),
            "{text}"
        );
    }
}
