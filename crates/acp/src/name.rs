//! The names of messages: who may send them, as what, and which belong to the extension set `tb1`.

use crate::form::Form;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The extension set of names that the documents mention without a body. Only spoken where discovery lists it.
pub const EXTENSION: &str = "tb1";

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The buyer's agent.
    Buyer,
    /// The seller's.
    Seller,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something is to happen.
    Command,
    /// Something happened.
    Event,
    /// Something is asked.
    Query,
}

impl Kind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Event => "event",
            Self::Query => "query",
        }
    }
}

macro_rules! names {
    ($($variant:ident = $word:literal, $tb1:literal, [$($side:ident $kind:ident),+];)+) => {
        /// The name of a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Name {
            $(
                #[doc = concat!("`", $word, "`")]
                $variant,
            )+
        }

        /// The shape of `name` in an envelope.
        pub const NAME: Shape = Shape::Text(Form::One(&[$($word),+]));

        impl Name {
            /// Every name: the documents' own first, in the order of a purchase.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Whether it belongs to the extension set `tb1`.
            #[must_use]
            pub const fn is_extension(self) -> bool {
                match self { $(Self::$variant => $tb1,)+ }
            }

            /// Who may send it, and as what.
            #[must_use]
            pub const fn senders(self) -> &'static [(Side, Kind)] {
                match self { $(Self::$variant => &[$((Side::$side, Kind::$kind)),+],)+ }
            }
        }
    };
}

names! {
    OfferList = "offer.list", false, [Buyer Query];
    OfferListResult = "offer.list.result", false, [Seller Event];
    RfqCreate = "rfq.create", false, [Buyer Command];
    QuoteIssue = "quote.issue", false, [Seller Event];
    OrderAccept = "order.accept", false, [Buyer Command];
    OrderConfirmed = "order.confirmed", false, [Seller Event];
    FulfillmentUpdate = "fulfillment.update", false, [Seller Event];
    MeterReport = "meter.report", false, [Seller Event];
    InvoiceIssue = "invoice.issue", false, [Seller Event];
    ChangeOrderCreate = "change_order.create", false, [Buyer Command];
    ChangeOrderQuote = "change_order.quote", false, [Seller Event];
    SupportTicketCreate = "support.ticket.create", false, [Buyer Command];
    IncidentDeclare = "incident.declare", false, [Seller Event];
    OrderTerminate = "order.terminate", false, [Buyer Command, Seller Command];
    FulfillmentTerminated = "fulfillment.terminated", false, [Seller Event];
    RfqCancel = "rfq.cancel", true, [Buyer Command];
    RfqRejected = "rfq.rejected", true, [Seller Event];
    QuoteDecline = "quote.decline", true, [Buyer Command];
    QuoteExpired = "quote.expired", true, [Seller Event];
    QuoteWithdrawn = "quote.withdrawn", true, [Seller Event];
    OrderRejected = "order.rejected", true, [Seller Event];
    OrderCancel = "order.cancel", true, [Buyer Command];
    OrderSuspended = "order.suspended", true, [Seller Event];
    OrderReinstated = "order.reinstated", true, [Seller Event];
    OrderTerminateAccepted = "order.terminate.accepted", true, [Seller Event];
    OrderGet = "order.get", true, [Buyer Query];
    ChangeOrderAccept = "change_order.accept", true, [Buyer Command];
    ChangeOrderDecline = "change_order.decline", true, [Buyer Command];
    ChangeOrderConfirmed = "change_order.confirmed", true, [Seller Event];
    ChangeOrderRejected = "change_order.rejected", true, [Seller Event];
    ChangeOrderApplied = "change_order.applied", true, [Seller Event];
    AccessUpdate = "access.update", true, [Seller Event];
    AccessRotate = "access.rotate", true, [Buyer Command];
    MeterQuery = "meter.query", true, [Buyer Query];
    InvoiceGet = "invoice.get", true, [Buyer Query];
    CreditNoteIssue = "credit_note.issue", true, [Seller Event];
    PaymentRecord = "payment.record", true, [Buyer Command];
    PaymentRecorded = "payment.recorded", true, [Seller Event];
    SupportTicketUpdate = "support.ticket.update", true, [Seller Event, Buyer Command];
    IncidentUpdate = "incident.update", true, [Seller Event];
    IncidentResolve = "incident.resolve", true, [Seller Event];
    WipeEvidenceGet = "wipe_evidence.get", true, [Buyer Query];
    Error = "error", true, [Seller Event];
}

impl Name {
    /// The name of that word; `None`: nobody knows it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == word)
    }

    /// What `side` sends it as; `None`: that side does not send it.
    #[must_use]
    pub fn kind_from(self, side: Side) -> Option<Kind> {
        let mut senders = self.senders().iter();
        senders.find(|(by, _)| *by == side).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_names_are_the_documents_and_28_are_ours() {
        let ours = Name::ALL.iter().filter(|name| name.is_extension()).count();
        assert_eq!((Name::ALL.len() - ours, ours), (15, 28));
        for name in Name::ALL {
            assert_eq!(Name::of(name.as_str()), Some(*name));
        }
    }
}
