//! What a sentinel answered, read: `GET /usage` of its admin port.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use trustbridge_api::UsageRecord;
use trustbridge_api::usage_record::Quantities;
use trustbridge_domain::outbox::{Page, Record};

/// What was heard of a pod's usage, and what was looked up to store it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The sentinel's answer; `None` when it was not asked.
    pub(crate) answer: Option<Answer>,
    /// Nothing is under way any more; asked only of a pod that ends.
    pub(crate) is_drained: bool,
    /// The UsageRecord of the day in which it is to be stored, if there is one; `None` when none is needed.
    pub(crate) record: Option<(Date, Option<UsageRecord>)>,
    /// Those of earlier days on which usage may be missing; `None` where a day has none yet.
    pub(crate) earlier: Vec<(Date, Option<UsageRecord>)>,
}

impl Heard {
    /// Whether the sentinel of the pod with that UID answered with a page.
    pub(in super::super) fn is_of(&self, pod: &str) -> bool {
        matches!(&self.answer, Some(Answer::Page(page, _)) if page.pod == pod)
    }
}

/// A sentinel's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A page, and whether it knows the record that was acknowledged.
    Page(Page<Quantities>, bool),
    /// Something that is no page: what is wrong with it.
    Unreadable(String),
    /// Nothing.
    Silent,
}

#[derive(Deserialize)]
struct WirePage<'a> {
    pod: String,
    outbox: String,
    first: u64,
    last: u64,
    more: bool,
    // As it was sent: the hash is over these very bytes.
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireRecord {
    boot: String,
    seq: u64,
    from: Timestamp,
    to: Timestamp,
    counters: WireCounters,
    prev: String,
    hash: String,
}

/// A counter that has no field in a UsageRecord must not be passed over: such a page is not read at all.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WireCounters {
    requests: u64,
    request_bytes: u64,
    response_bytes: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Deserialize)]
struct WireEnd {
    draining: Option<bool>,
}

/// Whether the sentinel still turned requests away behind this page. A sentinel of before, which does not say it, is
/// believed what it answered to the drain.
pub(super) fn is_end(body: &[u8]) -> bool {
    let said: Option<WireEnd> = serde_json::from_slice(body).ok();
    said.is_some_and(|end| end.draining != Some(false))
}

/// Reads a page; in words what is wrong with it.
pub(super) fn read(body: &[u8]) -> Result<Page<Quantities>, String> {
    let wire: WirePage =
        serde_json::from_slice(body).map_err(|error| format!("no page of usage: {error}"))?;
    let records: Result<Vec<_>, String> = wire.records.iter().map(|text| record(text.get())).collect();
    Ok(Page {
        pod: wire.pod,
        outbox: wire.outbox,
        first: wire.first,
        last: wire.last,
        more: wire.more,
        records: records?,
    })
}

fn record(text: &str) -> Result<Record<Quantities>, String> {
    let wire: WireRecord =
        serde_json::from_str(text).map_err(|error| format!("no record of usage: {error}"))?;
    // The hash is the last member; it is over the rest.
    let (rest, _) = text
        .rsplit_once(",\"hash\":")
        .ok_or_else(|| format!("record {}: `hash` is not its last field", wire.seq))?;
    let mut digest = Sha256::new();
    digest.update(wire.prev.as_bytes());
    digest.update(rest.as_bytes());
    digest.update(b"}");
    Ok(Record {
        boot: wire.boot,
        seq: wire.seq,
        from_ms: wire.from.as_millisecond(),
        to_ms: wire.to.as_millisecond(),
        counts: quantities(&wire.counters),
        prev: wire.prev,
        hash: wire.hash,
        proof: data_encoding::HEXLOWER.encode(&digest.finalize()),
    })
}

fn quantities(wire: &WireCounters) -> Quantities {
    // The API has no larger numbers; nobody uses that much in an interval.
    let one = |count: u64| (count > 0).then(|| i64::try_from(count).unwrap_or(i64::MAX));
    Quantities {
        requests: one(wire.requests),
        request_bytes: one(wire.request_bytes),
        response_bytes: one(wire.response_bytes),
        prompt_tokens: one(wire.prompt_tokens),
        completion_tokens: one(wire.completion_tokens),
    }
}
