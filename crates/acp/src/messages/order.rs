//! What is bought: `order.accept`, `order.confirmed`, and in `tb1` what else becomes of an order.

use crate::body::bodies;
use crate::form::Form;
use crate::shape::{CIDRS, DAYS, DESTINATIONS, ID, INSTANT, LINE, SHA256, Shape, WORD, WORDS};

const EMAIL: Shape = Shape::Text(Form::Email);
/// How it is paid: a word and no card. The first of several counts.
const METHOD: Shape = Shape::Text(Form::AnyOf(&["invoice", "card"]));

bodies! {
    /// A quote is taken.
    OrderAccept {
        /// The buyer's id of the order.
        order_id: String = ID,
        /// The quote.
        quote_id: String = ID,
        /// Added: the quote's digest as the buyer saw it; another one is refused.
        quote_digest: Option<String> = SHA256,
        /// How it is paid.
        billing: Option<Billing>,
        /// Whom to talk to.
        contacts: Option<Contacts>,
        /// Who may log in, at least one; none with a protected model, which is called and not logged into.
        ssh_keys: Vec<SshKey> = Shape::list(&<SshKey as crate::body::Wire>::SHAPE),
        /// From where and to where.
        network_inputs: Option<NetworkInputs>,
        /// Added: the encrypted model, with a protected model.
        model_asset_id: Option<String> = ID,
        /// Added: the licence contract with the model's provider, with a protected model.
        contract_id: Option<String> = ID,
    }

    /// How it is paid. No card data: a card is a label and a reference elsewhere.
    Billing {
        /// `invoice` or `card`.
        method: Option<String> = METHOD,
        /// Days from issue to due.
        net_days: Option<u32> = DAYS,
        /// Added: a label for people. Example: `company card`.
        label: Option<String> = WORD,
        /// Added: the reference under which the payment service knows it.
        external_reference: Option<String> = WORD,
    }

    /// Whom to talk to.
    Contacts {
        /// About the machine.
        technical: Option<Contact>,
        /// About security. Fine-tuning.
        security: Option<Contact>,
        /// About money.
        billing: Option<Contact>,
    }

    /// A person, or a team.
    Contact {
        /// The name.
        name: Option<String> = LINE,
        /// The mail address.
        email: Option<String> = EMAIL,
    }

    /// A key that may log in.
    SshKey {
        /// Whose it is. Example: `buyer-admin`.
        label: Option<String> = WORD,
        /// The public key in the one-line form of OpenSSH.
        public_key: String = Shape::Text(Form::SshKey),
    }

    /// From where and to where.
    NetworkInputs {
        /// Networks of the buyer; none: nobody comes in.
        buyer_ip_ranges: Vec<String> = CIDRS,
        /// `host:port` that may be reached; no more than the request named. Fine-tuning.
        outbound_allowlist: Vec<String> = DESTINATIONS,
    }

    /// The order stands.
    OrderConfirmed {
        /// The order.
        order_id: String = ID,
        /// `CONFIRMED`.
        status: Option<String> = Shape::Text(Form::One(&["CONFIRMED"])),
        /// What comes next. Example: `seller_provisioning`.
        next: Vec<String> = WORDS,
        /// Added: the quote that it took.
        quote_id: Option<String> = ID,
        /// Added: the digest of that quote.
        quote_digest: Option<String> = SHA256,
    }

    /// `tb1`: the order does not come about.
    OrderRejected {
        /// The order.
        order_id: String = ID,
        /// The quote that it wanted.
        quote_id: Option<String> = ID,
        /// One word. Example: `QUOTE_EXPIRED`.
        code: Option<String> = WORD,
        /// Why, for people.
        reason: String = LINE,
    }

    /// `tb1`: the buyer takes an order back that nothing was done for yet.
    OrderCancel {
        /// The order.
        order_id: String = ID,
        /// Why, for people.
        reason: Option<String> = LINE,
    }

    /// `tb1`: the order rests.
    OrderSuspended {
        /// The order.
        order_id: String = ID,
        /// Why, for people.
        reason: String = LINE,
        /// Since when.
        suspended_at: Option<String> = INSTANT,
    }

    /// `tb1`: the order goes on.
    OrderReinstated {
        /// The order.
        order_id: String = ID,
        /// Since when.
        reinstated_at: Option<String> = INSTANT,
    }

    /// `tb1`: how does the order stand? The answer is its last event.
    OrderGet {
        /// The order.
        order_id: String = ID,
    }
}
