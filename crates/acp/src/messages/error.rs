//! Why a message is refused: `error`.

use crate::VERSION;
use crate::body::bodies;
use crate::fault::Refusal;
use crate::form::Form;
use crate::shape::{PROSE, Shape, WORD, WORDS};

bodies! {
    /// A message is refused.
    ErrorBody {
        /// `message_id` of that message, where it could be read.
        in_reply_to: Option<String> = Shape::Text(Form::Uuid),
        /// One word. Example: `FIELD_INVALID`.
        code: String = WORD,
        /// The status of the HTTP answer.
        http_status: u32 = Shape::Whole { least: 400, most: 599 },
        /// Whether the same message may be accepted later.
        retryable: bool,
        /// What is wrong and what to do, for people.
        message: String = PROSE,
        /// Each field that is wrong.
        field_errors: Vec<FieldError>,
        /// Versions that are spoken, where that is what is wrong.
        supported_versions: Vec<String> = WORDS,
    }

    /// A field that is wrong.
    FieldError {
        /// Where it stands. Example: `payload.period.to`.
        path: String = Shape::Text(Form::Prose),
        /// One word. Example: `FIELD_INVALID`.
        code: String = WORD,
        /// What must hold, and what to do.
        expected: String = PROSE,
    }
}

impl ErrorBody {
    /// What is said to who sent what was refused.
    #[must_use]
    pub fn of(refusal: &Refusal, in_reply_to: Option<String>) -> Self {
        let field = |fault: &crate::Fault| FieldError {
            path: fault.path.clone(),
            code: fault.code.as_str().to_owned(),
            expected: format!("{}; {}", fault.rule, fault.next),
        };
        let first = refusal.faults.iter().find(|fault| fault.code == refusal.code);
        let versions = refusal.code == crate::code::Code::UnsupportedVersion;
        Self {
            in_reply_to,
            code: refusal.code.as_str().to_owned(),
            http_status: u32::from(refusal.code.http_status()),
            retryable: refusal.code.is_retryable(),
            message: first.map(ToString::to_string).unwrap_or_default(),
            field_errors: refusal
                .faults
                .iter()
                .filter(|fault| !fault.path.is_empty())
                .map(field)
                .collect(),
            supported_versions: versions.then(|| VERSION.to_owned()).into_iter().collect(),
        }
    }
}
