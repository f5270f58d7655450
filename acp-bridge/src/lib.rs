//! Between messages of ACP and TrustBridge's resources: what a buyer sends becomes a resource, what a resource says
//! becomes an event. Pure functions; nothing here asks an API server or reads a clock.
//!
//! | Module | From | To |
//! |---|---|---|
//! | [`inbound::rfq`] | `rfq.create` | Quote |
//! | [`inbound::order`] | `order.accept` | Order |
//! | [`inbound::termination`] | `order.terminate` | `spec.termination` of an Order, and until when |
//! | [`inbound::ticket`] | `support.ticket.create` | `SupportTicket` |
//! | [`outbound::offer`] | Offer | an entry of `offer.list.result` |
//! | [`outbound::quote`] | Quote | `quote.issue` |
//! | [`outbound::order`] | Order | `order.confirmed` |
//! | [`outbound::fulfillment`] | TunePod | `fulfillment.update` |
//! | [`outbound::meter`] | metered intervals | `meter.report` |
//! | [`outbound::invoice`] | Invoice | `invoice.issue` |
//! | [`outbound::termination`] | WipeEvidence | `fulfillment.terminated` |
//!
//! What is not known is left out, and never made up: a field of a message is absent where its resource has no source
//! for it.

pub mod identity;
pub mod inbound;
pub mod outbound;
pub mod spelling;
