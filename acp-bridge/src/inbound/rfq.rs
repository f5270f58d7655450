//! `rfq.create` as a Quote.

use crate::identity::{metadata, misdirected, refused};
use trustbridge_acp::code::Code;
use trustbridge_acp::{Message, Received, Refusal};
use trustbridge_api::reference::Mode;
use trustbridge_api::{Quote, QuoteSpec};
use trustbridge_domain::quote::Rfq;

/// The Quote that a request of `org` asks for. Its name follows from the request's id.
///
/// # Errors
/// A refusal where the message is another one, or the engine does not read the request.
pub fn quote(org: &str, received: &Received) -> Result<Quote, Refusal> {
    let Message::RfqCreate(sent) = &received.message else {
        return Err(misdirected(&received.message, "rfq.create"));
    };
    let unread = |error| {
        let rule = format!("is not read by the quote engine: {error}");
        refused(
            "rfq_id",
            Code::SchemaInvalid,
            rule,
            "report this request to the seller",
        )
    };
    let rfq = Rfq::from_json(&received.payload).map_err(unread)?;
    let mode = sent
        .requirements
        .as_ref()
        .and_then(|requirements| requirements.mode.as_deref());
    let spec = QuoteSpec {
        rfq: Some(rfq),
        // Both documents sell workspaces.
        mode: match mode {
            Some("protectedModel") => Mode::ProtectedModel,
            _ => Mode::ByoWorkspace,
        },
        instances: 1,
        ..QuoteSpec::default()
    };
    let mut quote = Quote::new("", spec);
    quote.metadata = metadata(org, "Quote", &sent.rfq_id);
    Ok(quote)
}
