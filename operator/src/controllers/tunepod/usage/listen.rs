//! Asks a sentinel for its usage, and looks up where it is to be stored.

use super::page::{Answer, Heard, read};
use super::step::{Ask, ask, step};
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
        };
        seen.heard = hear(&sentinel, &ask).await;
    }
    if let Some(entry) = step(seen, now).and_then(|next| next.entry) {
        // A fresh read: what is folded into is what is there now, and the write is refused if it is not any more.
        seen.heard.record = Some((entry.day, look_up(ctx, seen, entry.day).await?));
        if let Some(former) = entry.former() {
            seen.heard.former = look_up(ctx, seen, former.day).await?;
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
}

impl Sentinel for At<'_> {
    async fn usage(&self, after: u64, ack: Option<&str>) -> UsageAnswer {
        sentinel_port::usage(self.client, self.ip, after, ack).await
    }

    async fn drain(&self) -> bool {
        sentinel_port::drain(self.client, self.ip).await
    }
}

/// What it says. A drain is for good and an address is given again to other pods: only the pod that is asked for is
/// drained, and it is read once more after that, since only what is read then is all.
async fn hear(sentinel: &impl Sentinel, ask: &Ask) -> Heard {
    let first = question(sentinel, ask).await;
    let is_it = matches!(&first, Answer::Page(page, _) if page.pod == ask.pod);
    if !(ask.is_ending && is_it) {
        return Heard {
            answer: Some(first),
            ..Heard::default()
        };
    }
    let is_drained = sentinel.drain().await;
    Heard {
        is_drained,
        answer: Some(question(sentinel, ask).await),
        ..Heard::default()
    }
}

async fn question(sentinel: &impl Sentinel, ask: &Ask) -> Answer {
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

fn page(body: &[u8], acknowledged: bool) -> Answer {
    read(body).map_or_else(Answer::Unreadable, |page| Answer::Page(page, acknowledged))
}

fn without_page(answer: UsageAnswer) -> Answer {
    match answer {
        UsageAnswer::Failed(words) => Answer::Unreadable(words),
        _ => Answer::Silent,
    }
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
