//! The meter of one answer: counts while it passes, so that an answer that is cut off is counted up to there.

use std::sync::Arc;

use super::usage::{Reader, Tokens};
use super::{Billing, Counter};

/// See the module.
#[derive(Debug)]
pub(crate) struct AnswerMeter {
    billing: Arc<Billing>,
    reader: Reader,
    counted: Tokens,
}

impl AnswerMeter {
    /// Counts a request that the runtime answered with 2xx.
    pub(crate) fn begin(billing: Arc<Billing>, content_type: Option<&str>) -> Self {
        billing.count(Counter::Requests, 1);
        Self {
            billing,
            reader: Reader::of(content_type),
            counted: Tokens::default(),
        }
    }

    /// Counts what of the answer goes out to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.billing.count(Counter::ResponseBytes, bytes as u64);
    }

    /// Counts the tokens that a piece of the runtime's answer tells.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
        let now = self.reader.tokens().unwrap_or_default();
        if now != self.counted {
            // Both only grow.
            self.billing
                .count(Counter::PromptTokens, now.prompt - self.counted.prompt);
            self.billing.count(
                Counter::CompletionTokens,
                now.completion - self.counted.completion,
            );
            self.counted = now;
        }
    }

    /// The answer is over; the request's body had so many bytes.
    pub(crate) fn end(&self, request_bytes: u64) {
        self.billing.count(Counter::RequestBytes, request_bytes);
        if self.reader.tokens().is_none() && !matches!(self.reader, Reader::Opaque) {
            self.billing.count_silent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AnswerMeter;
    use crate::billing::{Billing, Counter};
    use std::sync::Arc;

    #[test]
    fn a_stream_is_counted_while_it_passes() {
        let dir = tempfile::tempdir().unwrap();
        let billing = Arc::new(Billing::open(dir.path()).unwrap());
        let mut meter = AnswerMeter::begin(billing.clone(), Some("text/event-stream"));
        for made in [1, 5] {
            let usage = format!("{{\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{made}}}}}");
            meter.read(format!("data: {usage}\n\n").as_bytes());
            let counts = billing.counters.take();
            assert_eq!(counts.get(Counter::CompletionTokens), made);
            assert_eq!(counts.get(Counter::PromptTokens), 3);
            billing.counters.put_back(&counts);
        }
        meter.sent(7);
        meter.end(10);
        let counts = billing.counters.take();
        assert_eq!(counts.get(Counter::CompletionTokens), 5);
        assert_eq!(
            (counts.get(Counter::Requests), counts.get(Counter::RequestBytes)),
            (1, 10)
        );
        assert_eq!(counts.get(Counter::ResponseBytes), 7);
        AnswerMeter::begin(billing.clone(), Some("application/json")).end(0);
        assert_eq!(billing.silent.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}
