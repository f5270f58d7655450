//! The codes of a refusal, with their HTTP status and whether asking again can help.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $status:literal, $retry:literal;)+) => {
        /// Why a message is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in an `error` message.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The status of the HTTP answer.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Whether the same message may be accepted later.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)+ }
            }
        }
    };
}

codes! {
    /// The bytes are no JSON document, or nest too deep.
    Malformed = "MALFORMED", 400, false;
    /// An object names a field twice.
    DuplicateKey = "DUPLICATE_KEY", 400, false;
    /// The version is not spoken here.
    UnsupportedVersion = "UNSUPPORTED_VERSION", 400, false;
    /// `Content-Digest` is not that of the body.
    DigestMismatch = "DIGEST_MISMATCH", 400, false;
    /// The signature's algorithm is not accepted.
    AlgorithmUnsupported = "ALGORITHM_UNSUPPORTED", 400, false;
    /// No signature, certificate or token.
    SignatureMissing = "SIGNATURE_MISSING", 401, false;
    /// The signature is not right.
    SignatureInvalid = "SIGNATURE_INVALID", 401, false;
    /// The key is not known.
    KeyNotFound = "KEY_NOT_FOUND", 401, false;
    /// The signature is too old.
    SignatureExpired = "SIGNATURE_EXPIRED", 401, true;
    /// The body names another organisation than the credential.
    OrgMismatch = "ORG_MISMATCH", 403, false;
    /// A limit of the organisation is reached.
    LimitExceeded = "LIMIT_EXCEEDED", 403, true;
    /// The organisation's limit of spending is reached.
    SpendCap = "SPEND_CAP", 403, false;
    /// There is no such object, or it is of another organisation.
    NotFound = "NOT_FOUND", 404, false;
    /// The same message is being worked on.
    InFlight = "IN_FLIGHT", 409, true;
    /// The id is taken by something that says something else.
    AlreadyExistsDifferent = "ALREADY_EXISTS_DIFFERENT", 409, false;
    /// The state of the object does not allow it.
    StateConflict = "STATE_CONFLICT", 409, false;
    /// Another order took the quote.
    QuoteAlreadyAccepted = "QUOTE_ALREADY_ACCEPTED", 409, false;
    /// The quote is no longer valid.
    QuoteExpired = "QUOTE_EXPIRED", 410, false;
    /// The body is too large.
    TooLarge = "TOO_LARGE", 413, false;
    /// The body is meant for another seller.
    WrongSeller = "WRONG_SELLER", 421, false;
    /// A field is missing, of another type, or not known where that is not allowed.
    SchemaInvalid = "SCHEMA_INVALID", 422, false;
    /// A field has the right type and a value that breaks its rule.
    FieldInvalid = "FIELD_INVALID", 422, false;
    /// Nobody may send this name, or not this side.
    NameNotAllowed = "NAME_NOT_ALLOWED", 422, false;
    /// The id or key of a message that said something else.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", 422, false;
    /// The order allows more ways out than the request did.
    AllowlistWidened = "ALLOWLIST_WIDENED", 422, false;
    /// An SSH key that is none, or of a kind that is not accepted.
    SshKeyInvalid = "SSH_KEY_INVALID", 422, false;
    /// Another currency than USD.
    CurrencyUnsupported = "CURRENCY_UNSUPPORTED", 422, false;
    /// Too many requests.
    TooManyRequests = "TOO_MANY_REQUESTS", 429, true;
    /// It cannot be answered at present.
    Unavailable = "UNAVAILABLE", 503, true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
