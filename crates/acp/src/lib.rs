//! The messages of the agent commerce protocol (ACP) 0.1 of both use cases, private LLM fine-tuning and image studio,
//! and of the extension set `tb1`. This is the protocol of the two documents, not the *Agentic Commerce Protocol* of
//! others that shares its initials.
//!
//! Nothing here knows Kubernetes, does IO or reads a clock. Every field is declared once, with type, rule and words
//! ([`messages`]); reading, JSON Schema and the list of paths follow from that declaration.
//!
//! | Module | Decides |
//! |---|---|
//! | [`json`] | which bytes are a document: size, depth, doubled keys, numbers that are exact |
//! | [`shape`], [`form`] | what a field may hold |
//! | [`check`] | where a document differs from its shape, and which of its fields nobody reads |
//! | [`rules`] | what fields of a message demand of each other |
//! | [`card`] | what looks like a card number, which nothing here accepts or repeats |
//! | [`amount`] | amounts in USD and decimal numbers, exact |
//! | [`envelope`], [`name`] | who says what to whom, and whether they may |
//! | [`messages`] | the bodies |
//! | [`fault`], [`code`] | what is wrong, where, and what to do about it |
//! | [`fingerprint`] | whether two messages say the same |
//! | [`schema`] | the published JSON Schemas |

pub mod amount;
pub mod body;
pub mod card;
pub mod check;
pub mod code;
pub mod envelope;
pub mod fault;
pub mod fingerprint;
pub mod form;
pub mod json;
pub mod messages;
pub mod name;
pub mod path;
pub mod rules;
pub mod schema;
pub mod shape;

pub use envelope::{Envelope, Received, UnknownFields, read};
pub use fault::{Fault, Refusal};
pub use messages::Message;
pub use name::{Name, Side};

/// The version that is spoken.
pub const VERSION: &str = "0.1";
