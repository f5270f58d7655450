//! The loop that joins the parts: takes in news, renders, loads when the text changed, answers who waits.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use crate::apply::Loader;
use crate::index::{Change, Index};
use crate::model::{Cidr, Policy};
use crate::protocol::{Reply, Request, Sandbox};
use crate::render::render;
use crate::select::rule_set;

/// Wait after nft refused, before the same is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// An ADD is answered with what is missing after this long; the plug-in asks again until its own deadline.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the loop is told.
#[derive(Debug)]
pub enum Message {
    /// News from the API server.
    Change(Change),
    /// A question of the CNI plug-in, with the policies of the pod's namespace as they are now (for ADD).
    Ask(Request, Vec<Policy>, oneshot::Sender<Reply>),
}

/// Settings of the loop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The range of all pods.
    pub pod_cidr: Cidr,
    /// The node whose pods get chains.
    pub node: String,
}

/// An ADD that waits for its rules.
#[derive(Debug)]
struct Waiter {
    sandbox: Sandbox,
    answer: oneshot::Sender<Reply>,
    until: Instant,
}

/// The agent.
#[derive(Debug)]
pub struct Agent<L> {
    settings: Settings,
    loader: L,
    index: Index,
    waiters: Vec<Waiter>,
    loaded: Option<Loaded>,
    retry: Option<Instant>,
    ready: watch::Sender<bool>,
}

/// What is in the kernel.
#[derive(Debug)]
struct Loaded {
    text: String,
    known: BTreeSet<Ipv4Addr>,
}

impl<L: Loader> Agent<L> {
    /// An agent that knows nothing yet, and a flag that turns true with the first rules loaded.
    pub fn new(settings: Settings, loader: L) -> (Self, watch::Receiver<bool>) {
        let (ready, readiness) = watch::channel(false);
        let index = Index::default();
        let agent = Self {
            settings,
            loader,
            index,
            waiters: Vec::new(),
            loaded: None,
            retry: None,
            ready,
        };
        (agent, readiness)
    }

    /// Works until nobody can send any more.
    pub async fn run(mut self, mut from: Receiver<Message>) {
        loop {
            let alarm = self
                .waiters
                .iter()
                .map(|waiter| waiter.until)
                .chain(self.retry)
                .min();
            tokio::select! {
                message = from.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {}
            }
            // Everything that has arrived meanwhile goes into the same transaction.
            while let Ok(message) = from.try_recv() {
                self.take(message);
            }
            self.load().await;
            self.answer();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Change(change) => self.index.change(change),
            Message::Ask(request, policies, answer) => {
                self.index.merge_policies(policies);
                self.ask(request, answer);
            }
        }
    }

    fn ask(&mut self, request: Request, answer: oneshot::Sender<Reply>) {
        let reply = match request {
            Request::Add(sandbox) => {
                self.index.add(sandbox.clone());
                self.waiters.push(Waiter {
                    sandbox,
                    answer,
                    until: Instant::now() + PATIENCE,
                });
                return;
            }
            Request::Check(sandbox) => self.pending(&sandbox).map_or(Reply::Ok, failed),
            Request::Del(sandbox) => {
                self.index.del(&sandbox);
                Reply::Ok
            }
            Request::Ping => Reply::Ok,
        };
        // A plug-in that hung up needs no answer.
        let _ = answer.send(reply);
    }

    /// Renders and loads what changed.
    async fn load(&mut self) {
        if !self.index.complete() || self.retry.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let rules = rule_set(
            &self.index.view(self.settings.pod_cidr),
            self.settings.pod_cidr,
            &self.settings.node,
        );
        let text = render(&rules);
        if self.loaded.as_ref().is_some_and(|loaded| loaded.text == text) {
            self.retry = None;
            return;
        }
        match self.loader.load(&text).await {
            Ok(()) => {
                info!(
                    pods = rules.known.len(),
                    chains = rules.chains.len(),
                    "rules loaded"
                );
                self.loaded = Some(Loaded {
                    text,
                    known: rules.known.into_keys().collect(),
                });
                self.retry = None;
                self.ready.send_replace(true);
            }
            Err(error) => {
                error!(%error, "rules not loaded, those from before stay in force; trying again");
                self.retry = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Answers every ADD whose rules are loaded or whose time is up.
    fn answer(&mut self) {
        let now = Instant::now();
        for waiter in std::mem::take(&mut self.waiters) {
            match self.pending(&waiter.sandbox) {
                None => {
                    let _ = waiter.answer.send(Reply::Ok);
                }
                Some(reason) if waiter.until <= now => {
                    let _ = waiter.answer.send(failed(reason));
                }
                // The plug-in went away: nobody waits any more.
                Some(_) if waiter.answer.is_closed() => {}
                Some(_) => self.waiters.push(waiter),
            }
        }
    }

    /// Why a sandbox's rules are not in the kernel, `None` where they are.
    fn pending(&self, sandbox: &Sandbox) -> Option<&'static str> {
        if let Some(missing) = self.index.missing(sandbox) {
            return Some(missing);
        }
        if !sandbox
            .addresses
            .iter()
            .all(|address| self.settings.pod_cidr.contains(*address))
        {
            return Some("its address lies outside --pod-cidr: the CNI configuration and the agent disagree");
        }
        if self.retry.is_some() {
            return Some("nft refuses the rules; the agent's log says why");
        }
        let known = |address| {
            self.loaded
                .as_ref()
                .is_some_and(|loaded| loaded.known.contains(address))
        };
        if sandbox.addresses.iter().all(known) {
            return None;
        }
        Some("the rules that name its address are not loaded yet")
    }
}

fn failed(reason: &str) -> Reply {
    Reply::Failed {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
