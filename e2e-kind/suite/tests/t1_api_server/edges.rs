//! The state machines as the API server sees them: every pair of states, legal or not.

use crate::examples::example;
use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use trustbridge_domain::phase::{
    ChangeOrderPhase, IncidentPhase, InvoicePhase, OrderPhase, QuotePhase, TicketPhase, TunePodPhase,
};

/// A state machine as plain words.
pub struct Machine {
    kind: &'static str,
    initial: &'static str,
    edges: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The state machines.
pub fn all() -> Vec<Machine> {
    macro_rules! machine {
        ($kind:literal, $phase:ty) => {
            Machine {
                kind: $kind,
                initial: <$phase>::default().as_str(),
                edges: <$phase>::ALL
                    .iter()
                    .map(|state| {
                        (
                            state.as_str(),
                            state.next().iter().map(|next| next.as_str()).collect(),
                        )
                    })
                    .collect(),
            }
        };
    }
    vec![
        machine!("Quote", QuotePhase),
        machine!("Order", OrderPhase),
        machine!("ChangeOrder", ChangeOrderPhase),
        machine!("TunePod", TunePodPhase),
        machine!("Invoice", InvoicePhase),
        machine!("SupportTicket", TicketPhase),
        machine!("Incident", IncidentPhase),
    ]
}

impl Machine {
    /// The trial's name.
    pub fn title(&self) -> String {
        format!(
            "edges_of_{}_are_all_and_only_the_legal_ones",
            self.kind.to_lowercase()
        )
    }

    /// Brings an object into each state and asks the server about each successor.
    pub async fn check(&self, lab: &Lab) -> Result<()> {
        for from in self.edges.keys() {
            let name = lab.fresh_name();
            lab.create(self.kind, &example(self.kind, &name)).await?;
            self.walk(lab, &name, self.path(self.initial, |state| state == *from)?)
                .await?;
            for to in self.edges.keys() {
                self.ask(lab, &name, from, to).await?;
            }
            // An order that lives may not be deleted where the webhook is installed.
            self.walk(lab, &name, self.path(from, |state| self.is_end(state))?)
                .await?;
            lab.delete(self.kind, &name).await?;
        }
        Ok(())
    }

    async fn ask(&self, lab: &Lab, name: &str, from: &str, to: &str) -> Result<()> {
        let legal = from == to || self.edges.get(from).is_some_and(|next| next.contains(&to));
        let answer = lab
            .try_patch(self.kind, name, &json!({"status": {"phase": to}}))
            .await?;
        match (&answer, legal) {
            (Ok(_), true) => Ok(()),
            (Err(refusal), false) => {
                ensure!(
                    refusal.message.contains("state machine"),
                    "{from} -> {to}: refused with '{}'",
                    refusal.message
                );
                Ok(())
            }
            (Ok(_), false) => anyhow::bail!("{from} -> {to} is illegal and was accepted"),
            (Err(refusal), true) => {
                anyhow::bail!("{from} -> {to} is legal and was refused: {}", refusal.message)
            }
        }
    }

    async fn walk(&self, lab: &Lab, name: &str, way: Vec<&str>) -> Result<()> {
        for state in way {
            lab.patch(self.kind, name, &json!({"status": {"phase": state}}))
                .await?;
        }
        Ok(())
    }

    fn is_end(&self, state: &str) -> bool {
        self.edges.get(state).is_none_or(Vec::is_empty)
    }

    /// The shortest way from a state to one that is wanted, both included.
    fn path(&self, from: &'static str, wanted: impl Fn(&str) -> bool) -> Result<Vec<&'static str>> {
        let mut ways = VecDeque::from([vec![from]]);
        while let Some(way) = ways.pop_front() {
            let last = *way.last().context("a way has a first state")?;
            if wanted(last) {
                return Ok(way);
            }
            for next in self
                .edges
                .get(last)
                .into_iter()
                .flatten()
                .filter(|next| !way.contains(next))
            {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
        anyhow::bail!("{}: there is no such way from {from}", self.kind)
    }
}
