//! Finds an object by its key in a JSON document that passes byte by byte: `usage` in answers, `stream_options` in
//! requests.
//!
//! Only the structure is followed: depth, strings, and the keys of the two outermost levels. All bytes that matter
//! are ASCII, so characters may be split anywhere.

use memchr::memmem;
use serde::Deserialize;

use super::Tokens;

/// Largest object that is held.
const OBJECT_BYTES: usize = 4096;
/// Longest key that matters, and one more.
const KEY_BYTES: usize = 15;
/// The member of a request.
const STREAM_OPTIONS: &[u8] = b"stream_options";
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

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// `usage`: of the document, or of one of the [`WRAPPERS`] in it.
    Usage,
    /// `stream_options` of the document.
    StreamOptions,
}

/// The scanner. It never fails: what is no JSON holds nothing that is looked for.
#[derive(Clone, Debug)]
struct Finder {
    wanted: Wanted,
    depth: usize,
    levels: [Level; LEVELS],
    place: Place,
    escaped: bool,
    /// The next string is a key.
    key_next: bool,
    /// The object so far, and the depth around it.
    held: Option<(Vec<u8>, usize)>,
}

/// Reads the tokens that an answer tells.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    finder: Finder,
    tokens: Option<Tokens>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            finder: Finder::of(Wanted::Usage),
            tokens: None,
        }
    }
}

/// Reads whether a request asks for usage in its stream.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    finder: Finder,
    asked: Asked,
}

/// What a client asked to be told in a stream; `OpenAI`'s `stream_options`, and vLLM's member of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The total, in an event of its own at the end.
    pub(crate) include_usage: bool,
    /// The count so far, in every event; only together with the total.
    pub(crate) continuous_usage_stats: bool,
}

/// Members as clients write them: absent, `null`, or a truth value.
#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
}

impl Asked {
    /// What cannot be read may be a wish in words that the runtime understands: nothing is taken out then.
    fn read(object: &[u8]) -> Self {
        let read: Option<StreamOptions> = serde_json::from_slice(object).ok();
        read.map_or(
            Self {
                include_usage: true,
                continuous_usage_stats: true,
            },
            |options| Self {
                include_usage: options.include_usage == Some(true),
                continuous_usage_stats: options.continuous_usage_stats == Some(true),
            },
        )
    }
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
        if let Some(found) = self.finder.feed(byte)
            && let Ok(usage) = serde_json::from_slice::<Usage>(&found)
        {
            let told = Tokens {
                prompt: usage.prompt.or(usage.input).unwrap_or_default(),
                completion: usage.completion.or(usage.output).unwrap_or_default(),
            };
            self.tokens.get_or_insert_default().raise(told);
        }
    }

    /// Forgets the document, not the counts.
    pub(super) fn restart(&mut self) {
        self.finder = Finder::of(Wanted::Usage);
    }
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            finder: Finder::of(Wanted::StreamOptions),
            asked: Asked::default(),
        }
    }
}

impl Wish {
    /// Takes the next bytes of a request. One that comes in one piece, as most do, is searched first: most ask for
    /// nothing.
    pub(crate) fn feed(&mut self, bytes: &[u8], is_all: bool) {
        if is_all && memmem::find(bytes, STREAM_OPTIONS).is_none() {
            return;
        }
        for byte in bytes {
            if let Some(found) = self.finder.feed(*byte) {
                self.asked = Asked::read(&found);
            }
        }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }
}

impl Finder {
    fn of(wanted: Wanted) -> Self {
        Self {
            wanted,
            depth: 0,
            levels: Default::default(),
            place: Place::default(),
            escaped: false,
            key_next: false,
            held: None,
        }
    }

    /// The object that is looked for, once its last byte is there.
    fn feed(&mut self, byte: u8) -> Option<Vec<u8>> {
        if let Some((held, _)) = &mut self.held {
            if held.len() < OBJECT_BYTES {
                held.push(byte);
            } else {
                self.held = None;
            }
        }
        match self.place {
            Place::Structure => return self.structure(byte),
            Place::Key | Place::Text => self.string(byte),
        }
        None
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

    fn structure(&mut self, byte: u8) -> Option<Vec<u8>> {
        match byte {
            b'"' if std::mem::take(&mut self.key_next) => {
                self.place = Place::Key;
                if let Some(level) = self.level() {
                    level.key.clear();
                }
            }
            b'"' => self.place = Place::Text,
            b'{' | b'[' => self.enter(byte == b'{'),
            b'}' | b']' => return self.leave(),
            b',' => self.key_next = self.level().is_some_and(|level| level.is_object),
            _ => {}
        }
        None
    }

    fn enter(&mut self, is_object: bool) {
        if is_object && self.held.is_none() && self.is_wanted() {
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

    fn leave(&mut self) -> Option<Vec<u8>> {
        self.depth = self.depth.saturating_sub(1);
        self.key_next = false;
        let depth = self.depth;
        self.held
            .take_if(|(_, around)| *around == depth)
            .map(|(held, _)| held)
    }

    /// The level inside of which we are, if its keys are known.
    fn level(&mut self) -> Option<&mut Level> {
        self.levels.get_mut(self.depth.checked_sub(1)?)
    }

    /// Whether an object that begins here is the one that is looked for.
    fn is_wanted(&self) -> bool {
        let [document, member] = &self.levels;
        let named = |level: &Level, key: &[u8]| level.is_object && level.key == key;
        match (self.wanted, self.depth) {
            (Wanted::Usage, 1) => named(document, b"usage"),
            (Wanted::Usage, 2) => {
                named(member, b"usage") && document.is_object && WRAPPERS.contains(&document.key.as_slice())
            }
            (Wanted::StreamOptions, 1) => named(document, STREAM_OPTIONS),
            _ => false,
        }
    }
}
