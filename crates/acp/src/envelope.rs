//! The envelope: who says what to whom; and how a message is read, whole or not at all.

use crate::VERSION;
use crate::body::{Wire, bodies};
use crate::check::Findings;
use crate::code::Code;
use crate::fault::{Fault, Refusal};
use crate::form::Form;
use crate::json;
use crate::messages::Message;
use crate::name::{NAME, Name, Side};
use crate::path::Path;
use crate::rules::broken;
use crate::shape::{COUNT, ID, INSTANT, Shape};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// The shape of a version: any text, so that another one gets an answer of its own.
const ANY_VERSION: Shape = Shape::Text(Form::Word);
const UUID: Shape = Shape::Text(Form::Uuid);
const KINDS: Shape = Shape::Text(Form::One(&["command", "event", "query"]));
const ACTORS: Shape = Shape::Text(Form::One(&["buyer_agent", "seller_agent", "human"]));
const KEY: Shape = Shape::Text(Form::Key);

bodies! {
    /// Who acts for an organisation.
    Actor {
        /// `buyer_agent`, `seller_agent` or `human`.
        r#type: String = ACTORS,
        /// The actor's id. Example: `agt_7`.
        id: String = Shape::Text(Form::Word),
    }

    /// Everything but the payload.
    Envelope {
        /// The version of the protocol: `0.1`.
        acp_version: String = ANY_VERSION,
        /// Id of this message, a UUID. The same message sent again has the same.
        message_id: String = UUID,
        /// When it was sent, RFC 3339. Nothing is billed by it.
        ts: String = INSTANT,
        /// `command`, `event` or `query`, as its name demands.
        r#type: String = KINDS,
        /// What it is called. Example: `rfq.create`.
        name: String = NAME,
        /// The organisation that buys.
        buyer_org_id: String = ID,
        /// The organisation that sells.
        seller_org_id: String = ID,
        /// Who acts.
        actor: Actor,
        /// A key under which the sender does it once, whatever its `message_id`.
        idempotency_key: Option<String> = KEY,
        /// Added: `message_id` of what this answers.
        in_reply_to: Option<String> = UUID,
        /// Added: what belongs together has the same.
        correlation_id: Option<String> = KEY,
        /// Added: number of an event in the buyer's sequence, without gaps.
        seq: Option<i64> = COUNT,
    }
}

/// What to do with fields that nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They are told in [`Received::unknown_fields`], and the message stands.
    #[default]
    Tell,
    /// The message is refused (`Prefer: handling=strict`).
    Refuse,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who says it to whom.
    pub envelope: Envelope,
    /// What it says.
    pub message: Message,
    /// The payload as it was sent, unknown fields included.
    pub payload: Value,
    /// Paths of fields that nobody reads.
    pub unknown_fields: Vec<String>,
}

/// Reads a message that `side` sent.
///
/// # Errors
/// A refusal that names every fault: path, value, rule and next step.
pub fn read(bytes: &[u8], side: Side, unknown: UnknownFields) -> Result<Received, Refusal> {
    let document = json::read(bytes)?;
    let mut findings = Findings::default();
    findings.compare(&WITH_PAYLOAD, &document, Path::Root);
    // What is in the payload is not known from here.
    findings
        .unknown_fields
        .retain(|path| !path.starts_with("payload."));
    let name = addressed(&document, side, &mut findings);
    let payload = document.get("payload").cloned().unwrap_or_default();
    if let Some(name) = name.filter(|_| payload.is_object()) {
        findings.compare(&Message::shape(name), &payload, Path::Key(&Path::Root, "payload"));
    }
    if unknown == UnknownFields::Refuse {
        refuse_unknown(&mut findings);
    }
    if let Some(refusal) = Refusal::from_faults(findings.faults) {
        return Err(refusal);
    }
    let name = name.ok_or_else(|| unread(&"no name"))?;
    let message = Message::from_payload(name, &payload).map_err(|error| unread(&error))?;
    if let Some(refusal) = Refusal::from_faults(broken(&message)) {
        return Err(refusal);
    }
    Ok(Received {
        envelope: Envelope::deserialize(&document).map_err(|error| unread(&error))?,
        message,
        payload,
        unknown_fields: findings.unknown_fields,
    })
}

/// The envelope's shape with a payload of any fields, which its name decides about.
const WITH_PAYLOAD: Shape = {
    /// As many fields as the envelope has, and one.
    const FIELDS: [crate::shape::Field; 13] = {
        let payload = crate::shape::Field {
            name: "payload",
            doc: "What is said.",
            required: true,
            shape: Shape::Object(&[]),
        };
        let mut fields = [payload; 13];
        if let Shape::Object(own) = Envelope::SHAPE {
            let (head, _) = fields.split_at_mut(own.len());
            head.copy_from_slice(own);
        }
        fields
    };
    Shape::Object(&FIELDS)
};

impl Envelope {
    /// The shape of a whole message, with a payload that nothing is said about.
    #[must_use]
    pub const fn with_payload() -> Shape {
        WITH_PAYLOAD
    }
}

/// The name of a document whose version is spoken here and whose sender may send it.
fn addressed(document: &Value, side: Side, findings: &mut Findings) -> Option<Name> {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    let at = |field| Path::Key(&Path::Root, field);
    if let Some(version) = text("acp_version").filter(|version| *version != VERSION) {
        let rule = format!("is not spoken here, only '{VERSION}' is");
        let fault = Fault::new(
            at("acp_version"),
            Code::UnsupportedVersion,
            rule,
            "send that version",
        );
        findings.faults.push(fault.of(version));
    }
    let Some(name) = text("name").and_then(Name::of) else {
        // A text that is no name is no mistake of form, but one of protocol.
        let unknown = |fault: &&mut Fault| fault.path == "name" && fault.code == Code::FieldInvalid;
        for fault in findings.faults.iter_mut().filter(unknown) {
            fault.code = Code::NameNotAllowed;
        }
        return None;
    };
    let kind = name.kind_from(side);
    let sent = text("type");
    if kind.is_none() {
        let next = "let the other side send it";
        let rule = "is not sent by this side";
        findings
            .faults
            .push(Fault::new(at("name"), Code::NameNotAllowed, rule, next).of(name.as_str()));
    }
    if let (Some(kind), Some(sent)) = (
        kind,
        sent.filter(|sent| kind.is_none_or(|kind| kind.as_str() != *sent)),
    ) {
        let rule = format!("must be '{}' with `name` '{}'", kind.as_str(), name.as_str());
        findings
            .faults
            .push(Fault::new(at("type"), Code::FieldInvalid, rule, "send it as that").of(sent));
    }
    kind.map(|_| name)
}

fn refuse_unknown(findings: &mut Findings) {
    for path in &findings.unknown_fields {
        findings.faults.push(Fault {
            path: path.clone(),
            code: Code::SchemaInvalid,
            value: None,
            rule: "is a field that nobody reads".to_owned(),
            next: "leave it out, or ask without `handling=strict`".to_owned(),
        });
    }
}

/// The types refuse what the shape admits: a mistake of ours, told as one of the document all the same, because nothing
/// that was not read whole may be acted upon.
fn unread(error: &dyn std::fmt::Display) -> Refusal {
    let rule = format!("cannot be read: {error}");
    Fault::new(
        Path::Root,
        Code::SchemaInvalid,
        rule,
        "report this message to the seller",
    )
    .into()
}

/// A message that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who says it to whom.
    pub envelope: Envelope,
    /// What it says.
    pub message: Message,
}

impl Serialize for Sent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            envelope: &'a Envelope,
            payload: &'a Message,
        }
        let (envelope, payload) = (&self.envelope, &self.message);
        Whole { envelope, payload }.serialize(to)
    }
}
