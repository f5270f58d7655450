//! Asks a sentinel for its usage, and looks up where it is to be stored.

use super::page::{Answer, Heard, is_end, read};
use super::step::{Ask, ask, began, step};
use super::{Observed, book};
use crate::context::{Context, Error};
use crate::sentinel_port::{self, UsageAnswer};
use jiff::civil::Date;
use kube::ResourceExt;
use trustbridge_api::UsageRecord;
use trustbridge_azure::http::Client;

/// Puts into `seen` what there is to hear.
pub(in super::super) async fn listen(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let now = ctx.now();
    if let Some(ask) = ask(seen, now) {
        let sentinel = At {
            client: &ctx.sentinels,
            ip: &ask.ip,
            pod: &ask.pod,
        };
        seen.heard = hear(&sentinel, &ask).await;
    }
    if let Some(entry) = step(seen, now).and_then(|next| next.entry) {
        // A fresh read: what is folded into is what is there now, and the write is refused if it is not any more.
        seen.heard.record = Some((entry.day, look_up(ctx, seen, entry.day).await?));
        for earlier in entry.earlier(began(seen)) {
            let found = look_up(ctx, seen, earlier.day).await?;
            seen.heard.earlier.push((earlier.day, found));
        }
    }
    Ok(())
}

async fn look_up(ctx: &Context, seen: &Observed, day: Date) -> Result<Option<UsageRecord>, Error> {
    let name = book::name(&seen.tunepod, &seen.org, day);
    let namespace = seen.tunepod.namespace().unwrap_or_default();
    Ok(ctx.writer.get(Some(&namespace), &name).await?)
}

/// Whoever answers at the address of a pod.
trait Sentinel {
    async fn usage(&self, after: u64, ack: Option<&str>) -> UsageAnswer;
    async fn drain(&self) -> bool;
}

/// The admin port at an address.
struct At<'a> {
    client: &'a Client,
    ip: &'a str,
    /// UID of the pod that is meant.
    pod: &'a str,
}

impl Sentinel for At<'_> {
    async fn usage(&self, after: u64, ack: Option<&str>) -> UsageAnswer {
        sentinel_port::usage(self.client, self.ip, after, ack).await
    }

    async fn drain(&self) -> bool {
        sentinel_port::drain(self.client, self.ip, self.pod).await
    }
}

/// What it says. A drain is for good and an address is given again to other pods: only the pod that is asked for is
/// drained, and it is read once more after that, since only what is read then is all; unless a runtime that loaded anew
/// took the drain back meanwhile.
async fn hear(sentinel: &impl Sentinel, ask: &Ask) -> Heard {
    let (first, _) = question(sentinel, ask).await;
    let is_it = matches!(&first, Answer::Page(page, _) if page.pod == ask.pod);
    if !(ask.is_ending && is_it) {
        return Heard {
            answer: Some(first),
            ..Heard::default()
        };
    }
    let is_drained = sentinel.drain().await;
    let (answer, is_end) = question(sentinel, ask).await;
    Heard {
        is_drained: is_drained && is_end,
        answer: Some(answer),
        ..Heard::default()
    }
}

/// What it answers, and whether it turns requests away.
async fn question(sentinel: &impl Sentinel, ask: &Ask) -> (Answer, bool) {
    match sentinel.usage(ask.after, ask.hash.as_deref()).await {
        UsageAnswer::Page(body) => page(&body, true),
        // It knows another history: what it has now is read from its beginning, and acknowledged by nobody.
        UsageAnswer::Unknown => match sentinel.usage(0, None).await {
            UsageAnswer::Page(body) => page(&body, false),
            other => without_page(other),
        },
        other => without_page(other),
    }
}

fn page(body: &[u8], acknowledged: bool) -> (Answer, bool) {
    match read(body) {
        Ok(page) => (Answer::Page(page, acknowledged), is_end(body)),
        Err(words) => (Answer::Unreadable(words), false),
    }
}

fn without_page(answer: UsageAnswer) -> (Answer, bool) {
    let answer = match answer {
        UsageAnswer::Failed(words) => Answer::Unreadable(words),
        _ => Answer::Silent,
    };
    (answer, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// The page of pod-1.
    const PAGE: &[u8] = include_bytes!("tests/page.json");

    /// Answers with that, and remembers what it was asked.
    struct Double {
        answer: UsageAnswer,
        asked: Mutex<Vec<String>>,
    }

    impl Sentinel for Double {
        async fn usage(&self, after: u64, _ack: Option<&str>) -> UsageAnswer {
            self.asked.lock().unwrap().push(format!("usage {after}"));
            self.answer.clone()
        }

        async fn drain(&self) -> bool {
            self.asked.lock().unwrap().push("drain".to_owned());
            true
        }
    }

    /// What the pod of that UID hears at an address where `answer` comes from, and what was asked there.
    async fn asked(pod: &str, is_ending: bool, answer: UsageAnswer) -> (Heard, Vec<String>) {
        let sentinel = Double {
            answer,
            asked: Mutex::default(),
        };
        let ask = Ask {
            pod: pod.to_owned(),
            ip: "10.244.0.7".to_owned(),
            after: 0,
            hash: None,
            is_ending,
        };
        let heard = hear(&sentinel, &ask).await;
        (heard, sentinel.asked.into_inner().unwrap())
    }

    #[tokio::test]
    async fn only_the_pod_that_ends_is_drained_and_then_read_to_its_end() {
        let page = || UsageAnswer::Page(PAGE.into());
        let (heard, log) = asked("pod-1", true, page()).await;
        assert_eq!(log, ["usage 0", "drain", "usage 0"]);
        assert!(heard.is_drained && matches!(heard.answer, Some(Answer::Page(..))));
        let (heard, log) = asked("pod-1", false, page()).await;
        assert_eq!(log, ["usage 0"], "it serves on");
        assert!(!heard.is_drained);
    }

    /// The runtime's container starts again between the answer to the drain and the last page.
    #[tokio::test]
    async fn a_drain_that_was_taken_back_is_none() {
        let page = |draining: &str| {
            let text = String::from_utf8(PAGE.to_vec()).unwrap();
            let said = text.replacen(
                "{\"pod\":\"pod-1\",",
                &format!("{{\"pod\":\"pod-1\",{draining}"),
                1,
            );
            UsageAnswer::Page(said.into())
        };
        for (draining, is_drained) in [
            ("\"draining\":true,", true),
            ("\"draining\":false,", false),
            // A sentinel of before does not say it.
            ("", true),
        ] {
            let (heard, log) = asked("pod-1", true, page(draining)).await;
            assert_eq!(log, ["usage 0", "drain", "usage 0"]);
            assert_eq!(heard.is_drained, is_drained, "{draining}");
            assert!(matches!(heard.answer, Some(Answer::Page(..))));
        }
    }

    #[tokio::test]
    async fn whoever_else_answers_at_the_address_is_never_drained() {
        let answers = [
            UsageAnswer::Page(PAGE.into()),
            UsageAnswer::Page(b"{}".as_slice().into()),
            UsageAnswer::Unknown,
            UsageAnswer::Failed("500: no".to_owned()),
            UsageAnswer::Silent,
        ];
        for answer in answers {
            let (heard, log) = asked("pod-2", true, answer.clone()).await;
            assert!(!log.contains(&"drain".to_owned()), "{answer:?}: {log:?}");
            assert!(!heard.is_drained);
        }
    }
}
