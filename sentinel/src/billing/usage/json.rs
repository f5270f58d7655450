//! Finds `usage` in a JSON document that passes byte by byte.
//!
//! Only the structure is followed: depth, strings, and the keys of the two outermost levels. All bytes that matter
//! are ASCII, so characters may be split anywhere.

use serde::Deserialize;

use super::Tokens;

/// Largest `usage` object that is held.
const USAGE_BYTES: usize = 4096;
/// Longest key that matters, and one more.
const KEY_BYTES: usize = 9;
/// Levels whose keys are known: inside the document, and inside of one of its members.
const LEVELS: usize = 2;
/// Members of the document in which `usage` may be, too.
const WRAPPERS: [&[u8]; 2] = [b"response", b"message"];

/// One of the two outermost levels.
#[derive(Clone, Debug, Default)]
struct Level {
    is_object: bool,
    key: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Structure,
    /// A string that is a key of a known level.
    Key,
    /// Any other string.
    Text,
}

/// The scanner. It never fails: what is no JSON has no `usage`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    depth: usize,
    levels: [Level; LEVELS],
    place: Place,
    escaped: bool,
    /// The next string is a key.
    key_next: bool,
    /// The `usage` object so far, and the depth around it.
    held: Option<(Vec<u8>, usize)>,
    tokens: Option<Tokens>,
}

/// The shapes of `OpenAI`'s and Anthropic's APIs in one.
#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: Option<u64>,
    #[serde(rename = "completion_tokens")]
    completion: Option<u64>,
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
}

impl Scan {
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    pub(super) fn feed(&mut self, byte: u8) {
        if let Some((held, _)) = &mut self.held {
            if held.len() < USAGE_BYTES {
                held.push(byte);
            } else {
                self.held = None;
            }
        }
        match self.place {
            Place::Structure => self.structure(byte),
            Place::Key | Place::Text => self.string(byte),
        }
    }

    fn string(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.place = Place::Structure;
            return;
        }
        if self.place == Place::Key
            && let Some(level) = self.level()
            && level.key.len() < KEY_BYTES
        {
            level.key.push(byte);
        }
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' if std::mem::take(&mut self.key_next) => {
                self.place = Place::Key;
                if let Some(level) = self.level() {
                    level.key.clear();
                }
            }
            b'"' => self.place = Place::Text,
            b'{' | b'[' => self.enter(byte == b'{'),
            b'}' | b']' => self.leave(),
            b',' => self.key_next = self.level().is_some_and(|level| level.is_object),
            _ => {}
        }
    }

    fn enter(&mut self, is_object: bool) {
        if is_object && self.held.is_none() && self.is_usage() {
            self.held = Some((vec![b'{'], self.depth));
        }
        self.depth += 1;
        self.key_next = false;
        if let Some(level) = self.level() {
            level.is_object = is_object;
            level.key.clear();
            self.key_next = is_object;
        }
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.key_next = false;
        let ends = self
            .held
            .as_ref()
            .is_some_and(|(_, around)| *around == self.depth);
        if let Some((held, _)) = self.held.take_if(|_| ends)
            && let Ok(usage) = serde_json::from_slice::<Usage>(&held)
        {
            let told = Tokens {
                prompt: usage.prompt.or(usage.input).unwrap_or_default(),
                completion: usage.completion.or(usage.output).unwrap_or_default(),
            };
            self.tokens.get_or_insert_default().raise(told);
        }
    }

    /// The level inside of which we are, if its keys are known.
    fn level(&mut self) -> Option<&mut Level> {
        self.levels.get_mut(self.depth.checked_sub(1)?)
    }

    /// Whether an object that begins here is the value of `usage` in one of its places.
    fn is_usage(&self) -> bool {
        let [document, member] = &self.levels;
        let named = |level: &Level| level.is_object && level.key == b"usage";
        match self.depth {
            1 => named(document),
            2 => named(member) && document.is_object && WRAPPERS.contains(&document.key.as_slice()),
            _ => false,
        }
    }

    /// Forgets the document, not the counts.
    pub(super) fn restart(&mut self) {
        *self = Self {
            tokens: self.tokens,
            ..Self::default()
        };
    }
}
