//! The bodies of all messages. Each field says in its first words what it is and, where the documents lack it, that it
//! was added: readers of version 0.1 that do not know it lose nothing.
//!
//! Both use cases share a body. Where their spellings differ, both are fields of it; what is sent carries the spelling
//! of the use case and the canonical one.

pub mod change_order;
pub mod error;
pub mod fulfillment;
pub mod incident;
pub mod invoice;
pub mod meter;
pub mod offer;
pub mod order;
pub mod quote;
pub mod rfq;
pub mod support;
pub mod termination;

use crate::body::Wire;
use crate::name::Name;
use crate::shape::Shape;
use serde::Serialize;
use serde_json::Value;

macro_rules! payloads {
    ($($variant:ident($body:ty),)+) => {
        /// A message without its envelope.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Message {
            $(
                #[doc = concat!("See [`Name::", stringify!($variant), "`].")]
                $variant(Box<$body>),
            )+
        }

        impl Message {
            /// What it is called.
            #[must_use]
            pub const fn name(&self) -> Name {
                match self { $(Self::$variant(_) => Name::$variant,)+ }
            }

            /// What the payload of `name` may hold.
            #[must_use]
            pub const fn shape(name: Name) -> Shape {
                match name { $(Name::$variant => <$body as Wire>::SHAPE,)+ }
            }

            /// The payload of `name` that was compared with its shape.
            pub fn from_payload(name: Name, payload: &Value) -> Result<Self, serde_json::Error> {
                use serde::Deserialize;
                match name {
                    $(Name::$variant => <$body>::deserialize(payload).map(|body| Self::$variant(Box::new(body))),)+
                }
            }
        }

        $(
            impl From<$body> for Message {
                fn from(body: $body) -> Self {
                    Self::$variant(Box::new(body))
                }
            }
        )+
    };
}

payloads! {
    OfferList(offer::OfferList),
    OfferListResult(offer::OfferListResult),
    RfqCreate(rfq::RfqCreate),
    QuoteIssue(quote::QuoteIssue),
    OrderAccept(order::OrderAccept),
    OrderConfirmed(order::OrderConfirmed),
    FulfillmentUpdate(fulfillment::FulfillmentUpdate),
    MeterReport(meter::MeterReport),
    InvoiceIssue(invoice::InvoiceIssue),
    ChangeOrderCreate(change_order::ChangeOrderCreate),
    ChangeOrderQuote(change_order::ChangeOrderQuote),
    SupportTicketCreate(support::SupportTicketCreate),
    IncidentDeclare(incident::IncidentDeclare),
    OrderTerminate(termination::OrderTerminate),
    FulfillmentTerminated(termination::FulfillmentTerminated),
    RfqCancel(rfq::RfqCancel),
    RfqRejected(rfq::RfqRejected),
    QuoteDecline(quote::QuoteDecline),
    QuoteExpired(quote::QuoteExpired),
    QuoteWithdrawn(quote::QuoteWithdrawn),
    OrderRejected(order::OrderRejected),
    OrderCancel(order::OrderCancel),
    OrderSuspended(order::OrderSuspended),
    OrderReinstated(order::OrderReinstated),
    OrderTerminateAccepted(termination::OrderTerminateAccepted),
    OrderGet(order::OrderGet),
    ChangeOrderAccept(change_order::ChangeOrderAccept),
    ChangeOrderDecline(change_order::ChangeOrderDecline),
    ChangeOrderConfirmed(change_order::ChangeOrderConfirmed),
    ChangeOrderRejected(change_order::ChangeOrderRejected),
    ChangeOrderApplied(change_order::ChangeOrderApplied),
    AccessUpdate(fulfillment::AccessUpdate),
    AccessRotate(fulfillment::AccessRotate),
    MeterQuery(meter::MeterQuery),
    InvoiceGet(invoice::InvoiceGet),
    CreditNoteIssue(invoice::CreditNoteIssue),
    PaymentRecord(invoice::PaymentRecord),
    PaymentRecorded(invoice::PaymentRecorded),
    SupportTicketUpdate(support::SupportTicketUpdate),
    IncidentUpdate(incident::IncidentUpdate),
    IncidentResolve(incident::IncidentResolve),
    WipeEvidenceGet(termination::WipeEvidenceGet),
    Error(error::ErrorBody),
}
