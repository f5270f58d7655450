//! Takes out of a stream what the runtime tells only because we ask it to.
//!
//! vLLM runs with `--enable-force-include-usage`: every event of a stream has the counts so far in `usage`, and the last
//! one before `[DONE]` has nothing else. They are read on the way; a client that did not ask for them gets the stream
//! that it would have got without the flag. What other runtimes tell of themselves is theirs to tell and goes through
//! (docs/adr/0017): a stream is taken for a forced one by its first event with choices, which has a `usage` only there.
//! The event with nothing but the total is taken out of every stream, because `OpenAI`'s API has it for those alone who ask
//! with `stream_options.include_usage`, and clients look for the first of its choices. Only the event that is passing is
//! held, and not more of it than [`EVENT_BYTES`]: a larger one goes through as it is.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Asked;

/// Largest event that is held. One with a usage has a few hundred bytes.
const EVENT_BYTES: usize = 64 << 10;
/// The member, as every JSON writer spells it.
const USAGE: &[u8] = b"\"usage\"";
const CHOICES: &[u8] = b"\"choices\"";

/// Where in the lines of a stream we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line.
    #[default]
    Begin,
    /// Behind the CR of a line with something in it: an LF may belong to it.
    AfterCr,
    /// Behind the CR of an empty line.
    AfterLastCr,
    Within,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Drop,
    /// Without these bytes.
    Cut(Range<usize>),
}

/// The members of an event that matter, as they are written.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    /// None where it is `null`, too.
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Passes a stream on, event by event.
#[derive(Debug)]
pub(crate) struct Unasked {
    asked: Asked,
    place: Place,
    /// The beginning of an event that has not come to its end.
    held: BytesMut,
    /// The runtime counts from the first event on, as it does where it is made to; nobody knows before that event.
    is_forced: Option<bool>,
    /// The event that is passing is too large to be held.
    passing: bool,
    /// The last event was taken out: so is the LF that may belong to its last CR.
    dropped: bool,
}

impl Unasked {
    /// For an answer to a client that asked for that. Nothing where it gets all there is.
    pub(crate) fn of(asked: Asked) -> Option<Self> {
        let gets_all = asked.include_usage && asked.continuous_usage_stats;
        (!gets_all).then(|| Self {
            asked,
            place: Place::default(),
            held: BytesMut::new(),
            is_forced: None,
            passing: false,
            dropped: false,
        })
    }

    /// What of the stream goes on to the client now; it may be nothing. Most pieces are whole events, and pass without
    /// being copied where nothing is taken out.
    pub(crate) fn pass(&mut self, piece: &Bytes) -> Bytes {
        // What leaves: a beginning of the piece as it is, or something else from the first change on.
        let mut changed: Option<BytesMut> = None;
        let (mut begun, mut sent) = (0, 0);
        for (at, byte) in piece.iter().enumerate() {
            if !self.ends_event(*byte) {
                continue;
            }
            let end = at + 1;
            let own = piece.get(begun..end).unwrap_or_default();
            if std::mem::take(&mut self.passing) {
                append(&mut changed, own);
            } else if self.held.is_empty() {
                match (self.judge(own), &mut changed) {
                    (Verdict::Keep, changed) => append(changed, own),
                    (verdict, changed) => {
                        let out = changed.get_or_insert_with(|| piece.get(..sent).unwrap_or_default().into());
                        put(out, own, &verdict);
                    }
                }
            } else {
                self.held.extend_from_slice(own);
                let event = self.held.split();
                let verdict = self.judge(&event);
                // Nothing of this piece was sent before: what is held is the first of it.
                put(changed.get_or_insert_default(), &event, &verdict);
            }
            (begun, sent) = (end, end);
        }
        let rest = piece.get(begun..).unwrap_or_default();
        if self.passing {
            append(&mut changed, rest);
            sent = piece.len();
        } else if self.held.len() + rest.len() > EVENT_BYTES {
            self.passing = true;
            let out = changed.get_or_insert_with(|| piece.get(..sent).unwrap_or_default().into());
            out.extend_from_slice(&self.held.split());
            out.extend_from_slice(rest);
        } else {
            self.held.extend_from_slice(rest);
        }
        changed.map_or_else(|| piece.slice(..sent), BytesMut::freeze)
    }

    /// What is left when the stream is over: an event without its end.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether an event ends with this byte: with the end of an empty line (WHATWG HTML, section 9.2.6). Of CR and LF
    /// the first one ends the line; the LF that follows is an event of its own, so that nobody waits for it.
    fn ends_event(&mut self, byte: u8) -> bool {
        let was = self.place;
        self.place = match (was, byte) {
            (_, b'\n') => Place::Begin,
            (Place::Within, b'\r') => Place::AfterCr,
            (_, b'\r') => Place::AfterLastCr,
            _ => Place::Within,
        };
        match byte {
            b'\n' => matches!(was, Place::Begin | Place::AfterLastCr),
            b'\r' => self.place == Place::AfterLastCr,
            _ => false,
        }
    }

    fn judge(&mut self, event: &[u8]) -> Verdict {
        if self.dropped && event == b"\n" {
            return Verdict::Drop;
        }
        let verdict = self.verdict(event);
        self.dropped = verdict == Verdict::Drop;
        verdict
    }

    fn verdict(&mut self, event: &[u8]) -> Verdict {
        if memmem::find(event, USAGE).is_none() {
            if self.is_forced.is_none() && memmem::find(event, CHOICES).is_some() {
                self.is_forced = Some(false);
            }
            return Verdict::Keep;
        }
        let Some(data) = data_of(event) else {
            return Verdict::Keep;
        };
        let text = event.get(data.clone()).unwrap_or_default();
        // What is no JSON has no usage, or the runtime is another one.
        let Ok(Chunk {
            choices: Some(choices),
            usage,
        }) = serde_json::from_slice(text)
        else {
            return Verdict::Keep;
        };
        let is_total = choices
            .get()
            .strip_prefix('[')
            .is_some_and(|rest| rest.trim_start() == "]");
        let is_forced = is_total || *self.is_forced.get_or_insert(usage.is_some());
        let Some(usage) = usage.filter(|_| is_forced) else {
            return Verdict::Keep;
        };
        match (is_total, self.asked.include_usage) {
            (true, true) => Verdict::Keep,
            (true, false) => Verdict::Drop,
            (false, true) if self.asked.continuous_usage_stats => Verdict::Keep,
            (false, _) => match member(text, usage) {
                Some(cut) => Verdict::Cut(data.start + cut.start..data.start + cut.end),
                None => Verdict::Keep,
            },
        }
    }
}

/// Behind a change: what does not change either is copied from there on.
fn append(changed: &mut Option<BytesMut>, own: &[u8]) {
    if let Some(out) = changed {
        out.extend_from_slice(own);
    }
}

fn put(out: &mut BytesMut, event: &[u8], verdict: &Verdict) {
    match verdict {
        Verdict::Keep => out.extend_from_slice(event),
        Verdict::Drop => {}
        Verdict::Cut(cut) => {
            out.extend_from_slice(event.get(..cut.start).unwrap_or_default());
            out.extend_from_slice(event.get(cut.end..).unwrap_or_default());
        }
    }
}

/// Where the value of the event's one `data` line stands. Of several nobody knows which has the member.
fn data_of(event: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    let mut begun = 0;
    for line in event.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if line.starts_with(b"data:") {
            if found.is_some() {
                return None;
            }
            found = Some(begun + b"data:".len()..begun + line.len());
        }
        begun += line.len() + 1;
    }
    found
}

/// The bytes of the member `usage` with this value, and of one comma beside it.
fn member(text: &[u8], value: &RawValue) -> Option<Range<usize>> {
    // The value is borrowed from the text: its place is the distance.
    let from = value.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let to = from + value.get().len();
    let key = text.get(..from)?.trim_ascii_end().strip_suffix(b":")?;
    let before = key.trim_ascii_end().strip_suffix(USAGE)?;
    if let Some(head) = before.trim_ascii_end().strip_suffix(b",") {
        return Some(head.len()..to);
    }
    let behind = text.get(to..)?.trim_ascii_start();
    let end = match behind.strip_prefix(b",") {
        Some(next) => text.len() - next.len(),
        None => to,
    };
    Some(before.len()..end)
}

#[cfg(test)]
#[path = "unasked_tests.rs"]
mod tests;
