//! The admin port of a pod's sentinel: `/usage` and `/drain`, as the sentinel answers them.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use trustbridge_domain::outbox::GENESIS;

use crate::sentinel_port::ADMIN_PORT;

/// One pod's.
pub(super) struct Sentinel {
    ip: Ipv4Addr,
    outbox: Arc<Mutex<Outbox>>,
    serving: AbortHandle,
}

struct Outbox {
    pod: String,
    until: Timestamp,
    /// Number, hash and text of each record.
    records: Vec<(u64, String, String)>,
    is_draining: bool,
}

#[derive(Deserialize)]
struct Asked {
    after: u64,
    ack: Option<String>,
}

impl Sentinel {
    /// Listens at a loopback address of its own.
    pub(super) async fn start(pod: &str, now: Timestamp) -> Self {
        let outbox = Arc::new(Mutex::new(Outbox {
            pod: pod.to_owned(),
            until: now,
            records: Vec::new(),
            is_draining: false,
        }));
        let router = Router::new()
            .route("/usage", get(usage))
            .route("/drain", get(drain))
            .with_state(Arc::clone(&outbox));
        let (ip, listener) = address().await;
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            ip,
            outbox,
            serving: task.abort_handle(),
        }
    }

    pub(super) fn ip(&self) -> String {
        self.ip.to_string()
    }

    /// Closes an interval in which there were so many requests.
    pub(super) fn count(&self, now: Timestamp, requests: u64) {
        let mut outbox = lock(&self.outbox);
        let seq = outbox.records.len() as u64 + 1;
        let prev = outbox
            .records
            .last()
            .map_or(GENESIS, |(_, hash, _)| hash)
            .to_owned();
        let counters = json!({"requests": requests, "prompt_tokens": requests * 7});
        let rest = format!(
            r#"{{"boot":"boot-1","seq":{seq},"from":"{}","to":"{now}","counters":{counters},"prev":"{prev}""#,
            outbox.until
        );
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{prev}{rest}}}")));
        let text = format!(r#"{rest},"hash":"{hash}"}}"#);
        outbox.records.push((seq, hash, text));
        outbox.until = now;
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Addresses are given once in the life of this process, and not to another one at the same time.
async fn address() -> (Ipv4Addr, TcpListener) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1_000 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [_, _, high, low] = number.to_be_bytes();
        let block = 64 + u8::try_from(std::process::id() % 128).unwrap_or_default();
        let ip = Ipv4Addr::new(127, block, high, low.max(1));
        if let Ok(listener) = TcpListener::bind((ip, ADMIN_PORT)).await {
            return (ip, listener);
        }
    }
    panic!("port {ADMIN_PORT} is taken on a thousand loopback addresses; end what listens on all of them")
}

async fn usage(State(outbox): State<Arc<Mutex<Outbox>>>, Query(asked): Query<Asked>) -> (StatusCode, String) {
    let outbox = lock(&outbox);
    let known = outbox.records.iter().find(|(seq, ..)| *seq == asked.after);
    if asked.ack.is_some() && known.map(|(_, hash, _)| hash) != asked.ack.as_ref() {
        return (StatusCode::CONFLICT, "another history".to_owned());
    }
    let after: Vec<&str> = outbox
        .records
        .iter()
        .filter(|(seq, ..)| *seq > asked.after)
        .map(|(_, _, text)| text.as_str())
        .collect();
    let page = format!(
        r#"{{"pod":"{}","draining":{},"outbox":"outbox-1","first":1,"last":{},"more":false,"records":[{}]}}"#,
        outbox.pod,
        outbox.is_draining,
        outbox.records.len(),
        after.join(",")
    );
    (StatusCode::OK, page)
}

async fn drain(State(outbox): State<Arc<Mutex<Outbox>>>) -> StatusCode {
    lock(&outbox).is_draining = true;
    StatusCode::OK
}

fn lock(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}
