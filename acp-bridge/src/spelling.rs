//! The two documents spell some things differently. What is sent carries the spelling of the use case and the canonical
//! one; what only one document has is sent where it is known.

/// Whose words are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Private LLM fine-tuning.
    FineTuning,
    /// Image studio, and every use case that no document describes: it is the canonical one.
    Studio,
}

impl Spelling {
    /// The spelling of a use case.
    #[must_use]
    pub fn of(use_case: &str) -> Self {
        match use_case {
            "private_llm_finetuning" => Self::FineTuning,
            _ => Self::Studio,
        }
    }

    /// `value`, in fine-tuning alone.
    #[must_use]
    pub fn tuning<T>(self, value: T) -> Option<T> {
        (self == Self::FineTuning).then_some(value)
    }
}
