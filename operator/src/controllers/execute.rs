//! The only writer.
//!
//! Order: writes to the cluster (applies, creates, deletes with UID preconditions), then the books of usage, then
//! the external call, whose intent an *earlier* status write holds, then the status. A crash between any two of these
//! leaves a state from which the same decision is taken again: applies and deletes repeat without effect,
//! creates and pools have names that follow from what they are, and the status is written against the
//! version that was read. At the fixed point there is nothing to write, and nothing is sent.

use crate::context::{Context, Error};
use crate::nodepool::{PoolCall, PoolError, PoolView};
use kube::core::Resource;
use kube::runtime::controller::Action;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_kit::apply::{Built, Error as WriteError, FieldManager, StatusWrite, Target, Writer};
use trustbridge_kit::events::Note;

/// Longest pause before an object is looked at again although nothing about it changed.
pub const RESYNC: Duration = Duration::from_mins(5);

/// One write to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Server-side apply.
    Apply(FieldManager, Built),
    /// Create once. A refusal by admission is an outcome and not an error.
    Create(FieldManager, Built),
    /// Status of another object, at the version that was read.
    Status(FieldManager, StatusWrite),
    /// Our finalizers on the object of that UID.
    Finalizers(FieldManager, Target, String, Vec<&'static str>),
    /// Delete the object of that UID.
    Delete(Target, String),
}

/// What a decision wants done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// Writes of usage, in order. A refusal of one is an outcome of its own and holds up nothing else.
    pub books: Vec<Write>,
    /// The external call.
    pub call: Option<PoolCall>,
    /// The status as it should be.
    pub status: S,
    /// When to look again, if nothing changes before.
    pub requeue: Duration,
}

impl<S> Plan<S> {
    /// Only this status, looked at again at the next resync.
    pub const fn rest(status: S) -> Self {
        Self {
            writes: Vec::new(),
            books: Vec::new(),
            call: None,
            status,
            requeue: RESYNC,
        }
    }

    /// With this write besides.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Looked at again no later than after `pause`.
    #[must_use]
    pub fn within(mut self, pause: Duration) -> Self {
        self.requeue = self.requeue.min(pause);
        self
    }
}

/// What came of the writes and the call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The words with which the first create that was refused was refused.
    pub refused: Option<String>,
    /// The words with which usage was refused.
    pub unrecorded: Option<String>,
    /// What the provider answered.
    pub pool: Option<Result<PoolView, PoolError>>,
}

/// Carries out writes and the external call of `plan`.
pub async fn act<S>(ctx: &Context, plan: &Plan<S>) -> Result<Outcome, Error> {
    let mut outcome = Outcome {
        refused: all(&ctx.writer, &plan.writes).await?,
        unrecorded: books(&ctx.writer, &plan.books).await?,
        ..Outcome::default()
    };
    if let Some(call) = plan.call.as_ref().filter(|_| outcome.refused.is_none()) {
        // Asked right before the call as before each write: a former leader must not make node pools.
        ctx.writer.check_leader()?;
        outcome.pool = Some(match call {
            PoolCall::Ensure(pool) => ctx.pools.ensure(pool).await,
            PoolCall::Delete(pool) => ctx.pools.delete(pool).await,
        });
    }
    Ok(outcome)
}

/// Carries out a plan's writes; the words of the first refusal. What does not hang on it goes on.
async fn all(writer: &Writer, plan: &[Write]) -> Result<Option<String>, Error> {
    let mut refused = None;
    for write in plan {
        if let Some(words) = one(writer, write).await? {
            refused.get_or_insert(words);
        }
    }
    Ok(refused)
}

/// Carries out writes of usage up to the first that is refused; its words.
async fn books(writer: &Writer, plan: &[Write]) -> Result<Option<String>, Error> {
    for write in plan {
        match one(writer, write).await {
            Ok(None) => {}
            Ok(refused) => return Ok(refused),
            // Somebody else wrote it in between: it is looked at again.
            Err(Error::Api(error)) if error.lost_race() => return Err(error.into()),
            Err(Error::Api(error)) => return refusal(error).map(Some),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn one(writer: &Writer, write: &Write) -> Result<Option<String>, Error> {
    match write {
        Write::Apply(manager, built) => writer.apply(*manager, built).await?,
        Write::Status(manager, status) => writer.status(*manager, status).await?,
        Write::Finalizers(manager, target, uid, list) => {
            writer.finalizers(*manager, target, uid, list).await?;
        }
        Write::Delete(target, uid) => writer.delete(target, uid).await?,
        Write::Create(manager, built) => match writer.create(*manager, built).await {
            Ok(_) => {}
            Err(error) => return refusal(error).map(Some),
        },
    }
    Ok(None)
}

/// The words of a refusal that waiting alone does not cure; anything else stays an error.
fn refusal(error: WriteError) -> Result<String, Error> {
    match error.status() {
        Some(status) if matches!(status.code, 400 | 403 | 404 | 422 | 500) => Ok(status.message.clone()),
        _ => Err(error.into()),
    }
}

/// Writes the status where it differs from `old`, tells what changed, and says when to look again.
pub async fn settle<K, S>(
    ctx: &Context,
    manager: FieldManager,
    object: &K,
    old: Option<&S>,
    plan: &Plan<S>,
) -> Result<Action, Error>
where
    K: Resource<DynamicType = ()>,
    S: Serialize,
{
    if let Some(write) = status_write(object, old, &plan.status) {
        ctx.writer.status(manager, &write).await?;
        let before = old.and_then(|s| serde_json::to_value(s).ok()).unwrap_or_default();
        for note in changes(&before, &write.status) {
            tracing::info!(object = %write.target, reason = note.reason.as_str(), message = note.message, "changed");
            ctx.shared.events.publish(&object.object_ref(&()), &note).await;
        }
    }
    Ok(Action::requeue(plan.requeue))
}

/// The write of `new`, unless it says what `old` says.
pub fn status_write<K, S>(object: &K, old: Option<&S>, new: &S) -> Option<StatusWrite>
where
    K: Resource<DynamicType = ()>,
    S: Serialize,
{
    let status = serde_json::to_value(new).ok()?;
    let before = old.and_then(|s| serde_json::to_value(s).ok());
    let meta = object.meta();
    (before.as_ref() != Some(&status)).then(|| StatusWrite {
        target: Target::of(object),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        status,
    })
}

/// Events for conditions whose status or reason changed; one for each reason, since several conditions often say the same.
fn changes(old: &Value, new: &Value) -> Vec<Note> {
    let conditions = |status: &Value| {
        status
            .get("conditions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let (before, after) = (conditions(old), conditions(new));
    let text = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = |c: &Value| ["type", "status", "reason"].map(|key| text(c, key));
    let mut told = Vec::new();
    after
        .iter()
        .filter(|c| !before.iter().any(|b| known(b) == known(c)))
        .filter_map(|c| {
            let reason = Reason::ALL.iter().find(|r| r.as_str() == text(c, "reason"))?;
            if told.contains(reason) {
                return None;
            }
            told.push(*reason);
            let is_bad = text(c, "status") == "False" && !is_progress(*reason);
            // That a promise was broken is said by a condition that is True.
            let warning = is_bad || *reason == Reason::PromiseBroken;
            let message = format!(
                "{}={}: {}",
                text(c, "type"),
                text(c, "status"),
                text(c, "message")
            );
            Some(Note {
                warning,
                reason: *reason,
                action: "Reconcile",
                message,
            })
        })
        .collect()
}

/// Whether a False condition with that reason is the ordinary way of things.
const fn is_progress(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InProgress
            | Reason::NodePoolCreating
            | Reason::PodPending
            | Reason::Hydrating
            | Reason::Terminating
            | Reason::Terminated
            | Reason::Busy
            | Reason::AwaitingPayment
            | Reason::NotResolved
            // Of conditions that are False where all is well: nothing is owed, nothing was broken.
            | Reason::AsSpecified
            | Reason::NothingPromised
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use trustbridge_kit::lease::Leader;
    use trustbridge_kit::telemetry::Metrics;

    /// A writer to an API server that refuses everything, and what it was asked.
    fn refusing() -> (Writer, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            log.lock().unwrap().push(request.method().to_string());
            let words = format!("exceeded quota {}", log.lock().unwrap().len());
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden", "message": words});
            let answer = http::Response::builder().status(403);
            let answer = answer.body(Body::from(body.to_string().into_bytes())).unwrap();
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let client = kube::Client::new(service, "default");
        (
            Writer::new(client, Leader::alone(), Arc::new(Metrics::default())),
            asked,
        )
    }

    #[tokio::test]
    async fn a_refused_create_does_not_hold_up_the_others() {
        let (writer, asked) = refusing();
        let mut object = ConfigMap::default();
        object.metadata.name = Some("a".to_owned());
        object.metadata.namespace = Some("tb-acme".to_owned());
        let create = Write::Create(FieldManager::ORDER, Built::of(&object));
        let refused = all(&writer, &[create.clone(), create]).await.unwrap();
        assert_eq!(refused.as_deref(), Some("exceeded quota 1"), "the first is told");
        assert_eq!(*asked.lock().unwrap(), ["POST", "POST"]);
    }

    #[test]
    fn only_changed_conditions_are_told() {
        let c = |status: &str, reason: &str| json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "m"}]});
        assert!(changes(&c("False", "InProgress"), &c("False", "InProgress")).is_empty());
        let notes = changes(&c("False", "InProgress"), &c("False", "QuotaFamily"));
        assert!(notes[0].warning && notes[0].reason == Reason::QuotaFamily);
        assert!(!changes(&Value::Null, &c("True", "AsSpecified"))[0].warning);
        assert!(!changes(&Value::Null, &c("False", "Hydrating"))[0].warning);
    }
}
