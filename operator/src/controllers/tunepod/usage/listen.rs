//! Asks a sentinel for its usage, and looks up where it is to be stored.

use super::page::{Answer, Heard, read};
use super::step::{ask, step};
use super::{Observed, book};
use crate::context::{Context, Error};
use crate::sentinel_port::{self, UsageAnswer};
use kube::ResourceExt;
use trustbridge_api::UsageRecord;
use trustbridge_azure::http::Client;

/// Puts into `seen` what there is to hear.
pub(in super::super) async fn listen(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let now = ctx.now();
    if let Some(ask) = ask(seen, now) {
        let client = &ctx.sentinels;
        // Drained before it is read: what is read then is all.
        let is_drained = ask.is_ending && sentinel_port::drain(client, &ask.ip).await;
        seen.heard = Heard {
            is_drained,
            answer: Some(question(client, &ask.ip, ask.after, ask.hash.as_deref()).await),
            record: None,
        };
    }
    if let Some(entry) = step(seen, now).and_then(|next| next.entry) {
        // A fresh read: what is folded into is what is there now, and the write is refused if it is not any more.
        let name = book::name(&seen.tunepod, &seen.org, entry.day);
        let namespace = seen.tunepod.namespace().unwrap_or_default();
        let found: Option<UsageRecord> = ctx.writer.get(Some(&namespace), &name).await?;
        seen.heard.record = Some((entry.day, found));
    }
    Ok(())
}

async fn question(client: &Client, ip: &str, after: u64, hash: Option<&str>) -> Answer {
    match sentinel_port::usage(client, ip, after, hash).await {
        UsageAnswer::Page(body) => page(&body, true),
        // It knows another history: what it has now is read from its beginning, and acknowledged by nobody.
        UsageAnswer::Unknown => match sentinel_port::usage(client, ip, 0, None).await {
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
