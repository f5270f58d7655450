//! Tokens, as the runtime tells them in its answers: `usage` of the `OpenAI` and Anthropic shapes, in one JSON
//! document or in each event of a stream.
//!
//! Answers are scanned as they pass, byte by byte, and nothing is held but the `usage` object itself. A count is
//! taken as soon as its object is complete, so a stream that is cut is billed up to its last complete count. Counts
//! of a stream are totals so far: the highest one stands.

mod json;
mod sse;
mod unasked;

use json::Scan;
pub(crate) use json::{Asked, Wish};
use sse::Events;
pub(crate) use unasked::Unasked;

const EVENT_STREAM: &str = "text/event-stream";

/// Whether an answer of this `content-type` is a stream of events.
pub(crate) fn is_stream(content_type: Option<&str>) -> bool {
    essence(content_type) == EVENT_STREAM
}

/// The type without its parameters, in lower case.
fn essence(content_type: Option<&str>) -> String {
    let kind = content_type.unwrap_or_default().split(';').next();
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Counts of one answer, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
}

impl Tokens {
    fn raise(&mut self, other: Self) {
        self.prompt = self.prompt.max(other.prompt);
        self.completion = self.completion.max(other.completion);
    }
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) enum Reader {
    /// One JSON document.
    Document(Scan),
    /// A stream of server-sent events, each with a JSON document.
    Stream(Events),
    /// Something that has no `usage`.
    Opaque,
}

impl Reader {
    /// By the answer's `content-type`.
    pub(crate) fn of(content_type: Option<&str>) -> Self {
        let kind = essence(content_type);
        if kind == EVENT_STREAM {
            Self::Stream(Events::default())
        } else if kind == "application/json" || kind.ends_with("+json") {
            Self::Document(Scan::default())
        } else {
            Self::Opaque
        }
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Document(scan) => bytes.iter().for_each(|byte| scan.feed(*byte)),
            Self::Stream(events) => bytes.iter().for_each(|byte| events.feed(*byte)),
            Self::Opaque => {}
        }
    }

    /// The counts so far; `None` before the first one.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        match self {
            Self::Document(scan) => scan.tokens(),
            Self::Stream(events) => events.tokens(),
            Self::Opaque => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Tokens};

    fn read(kind: &str, pieces: &[&[u8]]) -> Option<Tokens> {
        let mut reader = Reader::of(Some(kind));
        for piece in pieces {
            reader.feed(piece);
        }
        reader.tokens()
    }

    #[allow(clippy::unnecessary_wraps, reason = "it reads as what is told")]
    fn tokens(prompt: u64, completion: u64) -> Option<Tokens> {
        Some(Tokens { prompt, completion })
    }

    #[test]
    fn documents_of_every_shape() {
        for (text, expected) in [
            (
                r#"{"id":"x","choices":[{"usage":{"prompt_tokens":9}}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":1}}}"#,
                tokens(3, 5),
            ),
            (
                r#"{"usage":{"prompt_tokens":7,"total_tokens":7},"data":[[0.1,-2e3]]}"#,
                tokens(7, 0),
            ),
            (
                r#"{"type":"message","usage":{"input_tokens":4,"output_tokens":6}}"#,
                tokens(4, 6),
            ),
            (
                r#"{"text":"\"usage\":{\"prompt_tokens\":99}","usage":{"prompt_tokens":1,"completion_tokens":null}}"#,
                tokens(1, 0),
            ),
            (
                r#"{"note":"\\","usage" : { "prompt_tokens" : 2 } }"#,
                tokens(2, 0),
            ),
            (
                r#"{"a":{"usage":{"prompt_tokens":9}},"b":["usage",{"prompt_tokens":9}]}"#,
                None,
            ),
            (r#"[{"usage":{"prompt_tokens":9}}]"#, None),
            (r#"{"usage":null,"x":{"prompt_tokens":9}}"#, None),
            (r#"{"usage":{"prompt_tokens":1.5}}"#, None),
            (r#"{"usage":{"prompt_tokens":-1}}"#, None),
            (r#"{"usage":{"prompt_tokens":3"#, None),
            ("", None),
            ("}}}]]]{\"usage\":{\"prompt_tokens\":3}}", tokens(3, 0)),
        ] {
            assert_eq!(
                read("application/json; charset=utf-8", &[text.as_bytes()]),
                expected,
                "{text}"
            );
            // The same, a byte at a time.
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read("application/json", &bytes), expected, "{text}");
        }
        assert_eq!(read("text/plain", &[br#"{"usage":{"prompt_tokens":3}}"#]), None);
    }

    #[test]
    fn an_object_that_never_ends_is_not_held() {
        let long = format!(
            "{{\"usage\":{{\"x\":\"{}\",\"prompt_tokens\":3}}}}",
            "y".repeat(100_000)
        );
        assert_eq!(read("application/json", &[long.as_bytes()]), None);
        let deep = "[".repeat(200_000);
        let text = format!("{{\"a\":{deep},\"usage\":{{\"prompt_tokens\":3}}");
        assert_eq!(read("application/json", &[text.as_bytes()]), None);
    }

    /// Every line's end, every split into two pieces, also inside of characters.
    #[test]
    fn streams_with_all_line_ends_and_splits() {
        let lines = [
            "\u{feff}: keep-alive",
            "event: message",
            r#"data: {"choices":[{"delta":{"content":"é😀 \"usage\":{"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
            "id: 1",
            "",
            ": comment data: {\"usage\":{\"prompt_tokens\":99}}",
            r#"data:{"choices":[],"#,
            r#"data: "usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
            "",
            r#"datax: {"usage":{"prompt_tokens":99}}"#,
            "data",
            "data: [DONE]",
            "",
            "",
        ];
        for end in ["\n", "\r\n", "\r"] {
            let text = lines.join(end);
            for split in 0..=text.len() {
                let (head, tail) = text.as_bytes().split_at(split);
                assert_eq!(
                    read("text/event-stream; charset=utf-8", &[head, tail]),
                    tokens(3, 2),
                    "{end:?} {split}"
                );
            }
        }
    }

    #[test]
    fn a_stream_that_is_cut_counts_up_to_its_last_complete_count() {
        let event = |n: u64| {
            format!(
                "data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{n}}}}}\n\n"
            )
        };
        let text: String = (1..=20).map(event).collect();
        for cut in 0..text.len() {
            let whole = text[..cut].matches("}}\n").count() as u64;
            let told = read("text/event-stream", &[&text.as_bytes()[..cut]]).unwrap_or_default();
            assert!(told.completion == whole || told.completion == whole + 1, "{cut}");
        }
        // A broken event does not spoil the next one.
        let text = format!("data: {{\"a\":\"open string\n\n{}", event(5));
        assert_eq!(read("text/event-stream", &[text.as_bytes()]), tokens(3, 5));
    }

    #[test]
    fn messages_and_responses_tell_theirs_one_level_down() {
        let messages = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":\
            {\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\
            \"delta\":{},\"usage\":{\"output_tokens\":42}}\n\n";
        assert_eq!(read("text/event-stream", &[messages.as_bytes()]), tokens(11, 42));
        let responses = "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":{\"input_tokens\":9}}],\
            \"usage\":{\"input_tokens\":7,\"output_tokens\":8}}}\n\n";
        assert_eq!(read("text/event-stream", &[responses.as_bytes()]), tokens(7, 8));
    }
}
