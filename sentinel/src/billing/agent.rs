//! Bills what the outbox holds, on machines where nobody fetches it: every round takes new records into the books,
//! reports the hours that are over, and learns what became of them.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use trustbridge_azure::metering::{BATCH, Outcome, Submitted};
use trustbridge_domain::metering::{Alert, Day, Due, Key, Meter, Now, Quantity, Suspension};

use super::books::Books;
use super::outbox::SharedOutbox;
use super::service::{self, Service};
use super::storage::Storage;
use super::tariff::Tariff;

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) alerts: Vec<Alert>,
    /// What went wrong, in words.
    pub(crate) troubles: Vec<String>,
    /// What became of each event that was sent.
    pub(crate) outcomes: Vec<Outcome>,
    /// How long the service wants to be left alone.
    pub(crate) quiet: Option<Duration>,
    /// The service's clock.
    pub(crate) date: Option<Timestamp>,
    /// Why serving must end.
    pub(crate) suspension: Option<Suspension>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Agent<S, A> {
    books: Books<S>,
    service: A,
    tariff: Tariff,
}

impl<S: Storage, A: Service> Agent<S, A> {
    pub(crate) fn new(books: Books<S>, service: A, tariff: Tariff) -> Self {
        Self {
            books,
            service,
            tariff,
        }
    }

    pub(crate) fn books(&self) -> &Books<S> {
        &self.books
    }

    /// One round. With `quiet` nothing is sent.
    pub(crate) async fn round(&mut self, outbox: &SharedOutbox<S>, now: Now, quiet: bool) -> Round {
        let mut round = Round::default();
        if let Err(error) = self.collect(outbox, now, &mut round) {
            round.troubles.push(error);
        }
        if !quiet {
            if let Err(error) = self.report(now, &mut round).await {
                round
                    .troubles
                    .push(format!("metering.json in TB_STATE_DIR: {error}; is there room?"));
            }
            self.settle_disputes(&mut round).await;
        }
        round.suspension = self.books.ledger().suspension();
        round
    }

    /// New records into the books, then out of the outbox.
    fn collect(&mut self, outbox: &SharedOutbox<S>, now: Now, round: &mut Round) -> Result<(), String> {
        let position = self.books.ledger().position();
        let records = outbox
            .lock()
            .records(position)
            .map_err(|error| error.to_string())?;
        if let Some(first) = records.first().filter(|first| first.interval.seq != position + 1) {
            let missing = format!(
                "records {} to {} of the outbox",
                position + 1,
                first.interval.seq - 1
            );
            round.troubles.push(format!(
                "{missing} are gone; compare with the service's own books"
            ));
        }
        let taken = self.books.change(|ledger| {
            for record in &records {
                let usage = self.tariff.usage(&record.interval.counters);
                ledger.take_in(record.interval.seq, &usage, now);
            }
            ledger.advance(now);
        });
        taken.map_err(|error| format!("metering.json in TB_STATE_DIR: {error}; is there room?"))?;
        let position = self.books.ledger().position();
        if position == 0 {
            return Ok(());
        }
        let done = outbox.lock().acknowledge(position, None);
        done.map_err(|error| error.to_string())
    }

    async fn report(&mut self, now: Now, round: &mut Round) -> io::Result<()> {
        let due = self.books.ledger().due(now);
        for chunk in due.chunks(BATCH) {
            let chunk: Vec<_> = chunk
                .iter()
                .filter_map(|due| Some((due, service::event_of(due)?)))
                .collect();
            let (due, events): (Vec<&Due>, Vec<_>) = chunk.into_iter().unzip();
            if events.is_empty() {
                continue;
            }
            let keys: Vec<Key> = due.iter().map(|due| due.key.clone()).collect();
            // On the disk before the first byte goes out.
            self.books.change(|ledger| ledger.sending(&keys))?;
            let done = self.service.submit(&events).await;
            let answers = keys.iter().zip(&done.answers);
            let (alerts, saved) = self.books.learn(|ledger| {
                let settle = |(key, told): (&Key, &trustbridge_azure::metering::Answered)| {
                    ledger.settle(key, service::answer_of(&told.outcome), now)
                };
                answers.flat_map(settle).collect::<Vec<_>>()
            });
            round.alerts.extend(alerts);
            round.quiet = round.quiet.max(done.retry_after);
            round.date = done.date.or(round.date);
            let details = done.answers.iter().filter(|told| !told.detail.is_empty());
            round
                .troubles
                .extend(details.map(|told| told.detail.clone()).take(1));
            let away = |told: &trustbridge_azure::metering::Answered| {
                matches!(told.outcome, Outcome::Transient { .. })
            };
            let out_of_reach = done.answers.iter().all(away);
            round
                .outcomes
                .extend(done.answers.into_iter().map(|told| told.outcome));
            saved?;
            if out_of_reach {
                break;
            }
        }
        Ok(())
    }

    /// Asks the service for its own books where only they can tell.
    async fn settle_disputes(&mut self, round: &mut Round) {
        let disputed = self.books.ledger().disputed();
        let Some(first) = disputed.iter().map(|(_, day)| *day).min() else {
            return;
        };
        let from = Timestamp::from_millisecond(first.start_ms()).unwrap_or_default();
        match self.service.sums(from).await {
            Ok(sums) => {
                for (meter, day) in disputed {
                    let submitted = sum_of(&sums, &meter, day);
                    let (alerts, saved) = self
                        .books
                        .learn(|ledger| ledger.reconcile(&meter, day, submitted));
                    round.alerts.extend(alerts);
                    round.troubles.extend(saved.err().map(|error| error.to_string()));
                }
            }
            Err(error) => round.troubles.push(error),
        }
    }
}

fn sum_of(sums: &[Submitted], meter: &Meter, day: Day) -> Quantity {
    let ours = |line: &&Submitted| {
        line.is_billed()
            && line.dimension == meter.dimension
            && line.usage_resource_id.eq_ignore_ascii_case(&meter.resource)
            && line.usage_date.as_millisecond() == day.start_ms()
    };
    let lines = sums.iter().filter(ours);
    lines
        .filter_map(|line| service::quantity_of(&line.submitted_quantity))
        .sum()
}
