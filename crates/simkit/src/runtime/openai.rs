//! Completions in the shape of the `OpenAI` API. The text follows from the prompt and the weights alone.

use super::{Refused, Runtime};
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Json, Response};
use data_encoding::HEXLOWER;
use futures::stream;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::convert::Infallible;

const WORDS: [&str; 16] = [
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jade", "karst",
    "lagoon", "mesa", "north", "oasis", "pine",
];
const MOST_TOKENS: u64 = 4096;

pub(super) async fn models(State(runtime): State<Runtime>) -> Result<Json<Value>, Refused> {
    runtime.loaded()?;
    let model = json!({"id": *runtime.name, "object": "model", "owned_by": "trustbridge", "created": 0});
    Ok(Json(json!({"object": "list", "data": [model]})))
}

pub(super) async fn completions(
    State(runtime): State<Runtime>,
    Json(request): Json<Value>,
) -> Result<Response, Refused> {
    let prompt = match request.get("prompt") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(texts)) => texts
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        _ => return Err(invalid("prompt: give a text or a list of texts")),
    };
    let answer = Answer::new(&runtime, &request, &prompt, "cmpl", "text_completion")?;
    if wants_stream(&request) {
        let piece = |text: &str, end: Option<&str>| json!({"index": 0, "text": text, "finish_reason": end});
        return Ok(answer.stream(&request, "text_completion", piece));
    }
    Ok(answer
        .whole(&json!({"index": 0, "text": answer.text(), "logprobs": null, "finish_reason": answer.end})))
}

pub(super) async fn chat(
    State(runtime): State<Runtime>,
    Json(request): Json<Value>,
) -> Result<Response, Refused> {
    let Some(messages) = request
        .get("messages")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
    else {
        return Err(invalid("messages: give at least one message"));
    };
    let prompt = messages.iter().map(content).collect::<Vec<_>>().join("\n");
    let answer = Answer::new(&runtime, &request, &prompt, "chatcmpl", "chat.completion")?;
    if wants_stream(&request) {
        let piece = |text: &str, end: Option<&str>| {
            let delta = if end.is_some() {
                json!({})
            } else {
                json!({"role": "assistant", "content": text})
            };
            json!({"index": 0, "delta": delta, "finish_reason": end})
        };
        return Ok(answer.stream(&request, "chat.completion.chunk", piece));
    }
    let message = json!({"role": "assistant", "content": answer.text()});
    Ok(answer.whole(&json!({"index": 0, "message": message, "finish_reason": answer.end})))
}

fn wants_stream(request: &Value) -> bool {
    request.get("stream").and_then(Value::as_bool).unwrap_or(false)
}

/// A message's text: plain, or the text parts of a list.
fn content(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

struct Answer {
    id: String,
    object: &'static str,
    model: String,
    words: Vec<&'static str>,
    end: &'static str,
    prompt_tokens: usize,
}

impl Answer {
    fn new(
        runtime: &Runtime,
        request: &Value,
        prompt: &str,
        prefix: &str,
        object: &'static str,
    ) -> Result<Self, Refused> {
        let loaded = runtime.loaded()?;
        let seed = digest(&SHA256, format!("{}\n{prompt}", loaded.sha256).as_bytes());
        let most = request
            .get("max_tokens")
            .or_else(|| request.get("max_completion_tokens"));
        let most = match most {
            None | Some(Value::Null) => 16,
            Some(value) => value
                .as_u64()
                .filter(|most| (1..=MOST_TOKENS).contains(most))
                .ok_or_else(|| {
                    invalid(&format!(
                        "max_tokens: give a whole number from 1 to {MOST_TOKENS}"
                    ))
                })?,
        };
        let natural_end = 8 + u64::from(seed.as_ref().first().copied().unwrap_or(0) % 24);
        let count = usize::try_from(most.min(natural_end)).unwrap_or(0);
        let words = seed.as_ref().iter().cycle().take(count);
        let words = words
            .filter_map(|byte| WORDS.get(usize::from(byte % 16)).copied())
            .collect();
        let model = request
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or(&runtime.name)
            .to_owned();
        let mut id = HEXLOWER.encode(seed.as_ref());
        id.truncate(24);
        Ok(Self {
            id: format!("{prefix}-{id}"),
            object,
            model,
            words,
            end: if most < natural_end { "length" } else { "stop" },
            prompt_tokens: prompt.split_whitespace().count(),
        })
    }

    fn text(&self) -> String {
        self.words.join(" ")
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_tokens, self.words.len());
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }

    fn whole(&self, choice: &Value) -> Response {
        let created = Timestamp::now().as_second();
        Json(json!({
            "id": self.id, "object": self.object, "created": created, "model": self.model,
            "choices": [choice], "usage": self.usage(),
        }))
        .into_response()
    }

    /// One event for each word, one with the reason of the end, usage where asked for, and `[DONE]`.
    fn stream(&self, request: &Value, object: &str, piece: impl Fn(&str, Option<&str>) -> Value) -> Response {
        let created = Timestamp::now().as_second();
        let chunk = |choices: Value, usage: Value| {
            let chunk = json!({
                "id": self.id, "object": object, "created": created, "model": self.model,
                "choices": choices, "usage": usage,
            });
            chunk.to_string()
        };
        let spaced = self.words.iter().enumerate().map(|(n, word)| {
            if n == 0 {
                (*word).to_owned()
            } else {
                format!(" {word}")
            }
        });
        let mut events: Vec<String> = spaced
            .map(|word| chunk(json!([piece(&word, None)]), Value::Null))
            .collect();
        events.push(chunk(json!([piece("", Some(self.end))]), Value::Null));
        if request
            .pointer("/stream_options/include_usage")
            .and_then(Value::as_bool)
            .unwrap_or(false)
        {
            events.push(chunk(json!([]), self.usage()));
        }
        events.push("[DONE]".to_owned());
        let events = events
            .into_iter()
            .map(|data| Ok::<_, Infallible>(Event::default().data(data)));
        Sse::new(stream::iter(events)).into_response()
    }
}

fn invalid(message: &str) -> Refused {
    Refused::Invalid(message.to_owned())
}
