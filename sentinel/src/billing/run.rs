//! The task that closes intervals and, where this machine bills itself, reports them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use trustbridge_azure::http::Client;
use trustbridge_azure::metering::{Metering, RESOURCE};
use trustbridge_azure::token::{Credential, Identity, ManagedIdentity, Proof, TokenSource};
use trustbridge_domain::metering::{Alert, Now, Suspension};
use trustbridge_domain::sentinel::Event;

use super::Billing;
use super::agent::{Agent, Round};
use super::books::Books;
use super::clock::Clock;
use super::service;
use super::storage::Folder;
use super::tariff::Tariff;
use crate::config::{Config, OwnMeter};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::shared::Shared;

/// How often the task looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);

/// The agent of this machine.
pub(crate) type OwnAgent = Agent<Folder, Metering>;

/// The agent, where the settings ask for one. Nothing is sent yet.
pub(crate) fn own_meter(
    config: &Config,
    billing: &Billing,
    http: &Client,
) -> anyhow::Result<Option<OwnAgent>> {
    let Some(own) = &config.own_meter else {
        return Ok(None);
    };
    let metering = Metering::new(http.clone(), &own.url, credential(own, http)?)?;
    let storage = Folder::open(&config.state_dir)?;
    let books = Books::open(storage, billing.outbox.lock().id())?;
    let tariff = Tariff {
        resource: own.resource.clone(),
        plan: own.plan.clone(),
        terms: own.dimensions.clone(),
    };
    Ok(Some(Agent::new(books, metering, tariff)))
}

/// Workload identity where a federated token is projected, else the machine's own identity.
fn credential(own: &OwnMeter, http: &Client) -> anyhow::Result<Credential> {
    let Some(federated) = &own.federated else {
        let metadata = Client::builder()
            .system_bundle(false)
            .allow_instance_metadata()
            .build()?;
        let identity = ManagedIdentity::new(metadata, RESOURCE, own.client_id.clone());
        return Ok(Credential::Managed(identity));
    };
    let identity = Identity {
        authority: federated.authority.clone(),
        tenant: federated.tenant.clone(),
        client_id: federated.client_id.clone(),
        scope: format!("{RESOURCE}/.default"),
        proof: Proof::AssertionFile(federated.token_file.clone()),
    };
    Ok(Credential::Exchanged(TokenSource::new(http.clone(), identity)))
}

/// Runs `task` on a thread of its own until `stop`: outbox and books wait for the disk, and so does whoever asks them
/// meanwhile. Nothing that serves may wait with them.
pub(crate) fn on_own_thread(
    task: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let until = async move {
        tokio::select! {
            // What is left off in the middle is as after a kill, and the outbox and the books survive that.
            biased;
            () = stop.cancelled() => {}
            () = task => {}
        }
    };
    std::thread::Builder::new()
        .name("billing".to_owned())
        .spawn(move || runtime.block_on(until))
        .map(drop)
}

/// Runs until `stop`. The last interval is closed by whoever stops it, after the last answer.
pub(crate) async fn run(
    billing: Arc<Billing>,
    mut agent: Option<OwnAgent>,
    interval: Duration,
    shared: Arc<Shared>,
    events: Events,
    stop: CancellationToken,
) {
    let mut pace = Pace::new();
    loop {
        if billing.is_time(interval) {
            close(billing.clone(), shared.clone()).await;
        }
        show(&billing, &shared.metrics);
        if let Some(agent) = &mut agent
            && pace.is_time(interval)
        {
            pace.round(agent, &billing, &shared.metrics, &events).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK.min(interval)) => {}
        }
    }
}

/// Closes the interval off the tasks that serve: it waits for the disk.
pub(crate) async fn close(billing: Arc<Billing>, shared: Arc<Shared>) {
    let closing = tokio::task::spawn_blocking(move || billing.close_interval(&shared.metrics)).await;
    let told = match closing {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!("an interval of usage was not written down; it goes on: {told}");
}

fn show(billing: &Billing, metrics: &Metrics) {
    let outbox = billing.outbox.lock();
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    metrics.usage_waiting.set(number(outbox.waiting()));
    metrics.usage_bytes.set(number(outbox.bytes()));
    metrics
        .usage_silent
        .set(number(billing.silent.load(Ordering::Relaxed)));
}

/// When to send, by which clock, and what was told already.
struct Pace {
    start: Instant,
    last: Option<Instant>,
    quiet_until: Option<Instant>,
    clock: Clock,
    suspended: bool,
}

impl Pace {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: None,
            quiet_until: None,
            clock: Clock::default(),
            suspended: false,
        }
    }

    fn is_time(&self, interval: Duration) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= interval)
    }

    fn steady_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn round(&mut self, agent: &mut OwnAgent, billing: &Billing, metrics: &Metrics, events: &Events) {
        let elapsed = self.last.map_or(Duration::ZERO, |last| last.elapsed());
        self.last = Some(Instant::now());
        let wall_ms = jiff::Timestamp::now().as_millisecond();
        let now = Now {
            wall_ms: self.clock.now_ms(wall_ms, self.steady_ms()),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        let quiet = self.quiet_until.is_some_and(|until| Instant::now() < until);
        let round = agent.round(&billing.outbox, now, quiet).await;
        if let Some(date) = round.date {
            self.clock.learn(date.as_millisecond(), self.steady_ms());
        }
        if let Some(quiet) = round.quiet {
            self.quiet_until = Some(Instant::now() + quiet);
        }
        tell(&round, metrics);
        let outage = agent.books().ledger().outage_ms() / 1000;
        metrics
            .metering_outage
            .set(i64::try_from(outage).unwrap_or(i64::MAX));
        if let Some(suspension) = round.suspension
            && !std::mem::replace(&mut self.suspended, true)
        {
            events.send_because(Event::MeteringRefused, reason(suspension), &message(suspension));
        }
    }
}

fn tell(round: &Round, metrics: &Metrics) {
    for outcome in &round.outcomes {
        metrics.metered(service::word(outcome));
    }
    for trouble in &round.troubles {
        tracing::warn!("metering: {trouble}");
    }
    for alert in &round.alerts {
        metrics.alerted(match alert {
            Alert::Conflict { .. } => "conflict",
            Alert::Config(_) => "config",
            Alert::Clock(_) => "clock",
            Alert::Lost { .. } => "lost",
            Alert::Mismatch { .. } => "mismatch",
        });
        tracing::error!(?alert, "metering: somebody should look at this");
    }
}

fn reason(suspension: Suspension) -> &'static str {
    use trustbridge_domain::metering::Blocked;
    match suspension {
        Suspension::Outage => "metering_outage",
        Suspension::Refused(Blocked::NotActive) => "metering_not_active",
        Suspension::Refused(Blocked::NotFound) => "metering_not_found",
        Suspension::Refused(Blocked::NotAuthorized) => "metering_not_authorized",
        Suspension::Refused(Blocked::NotSubscribed) => "metering_not_subscribed",
        // Not a reason to stop; kept here so that a new one cannot be forgotten.
        Suspension::Refused(Blocked::Config) => "metering_refused",
    }
}

fn message(suspension: Suspension) -> String {
    match suspension {
        Suspension::Outage => {
            "the metering service was out of reach for 24 hours and takes nothing older; let this machine reach \
             TB_METERING_URL, then start again"
                .to_owned()
        }
        Suspension::Refused(_) => format!(
            "the metering service refuses TB_METERING_RESOURCE ({}); settle the purchase in the marketplace, then \
             start again",
            reason(suspension)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{on_own_thread, run};
    use crate::billing::{Billing, Counter};
    use crate::events::Events;
    use crate::shared::Shared;
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};
    use tokio_util::sync::CancellationToken;

    #[tokio::test(flavor = "current_thread")]
    async fn a_disk_that_hangs_holds_up_nothing_that_serves() {
        let dir = tempfile::tempdir().unwrap();
        let billing = Arc::new(Billing::open(dir.path()).unwrap());
        // Somebody waits for the disk with the outbox in hand.
        let (held, is_held) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let outbox = billing.clone();
        let holder = std::thread::spawn(move || {
            let _outbox = outbox.outbox.lock();
            held.send(()).unwrap();
            released.recv_timeout(Duration::from_secs(20)).is_ok()
        });
        is_held.recv().unwrap();
        let (shared, stop) = (Shared::new(), CancellationToken::new());
        let (events, _happened) = Events::channel();
        let interval = Duration::from_millis(5);
        let task = run(billing.clone(), None, interval, shared, events, stop.clone());
        on_own_thread(task, stop.clone()).unwrap();
        let began = Instant::now();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it waited for the disk"
        );
        release.send(()).unwrap();
        assert!(holder.join().unwrap(), "the disk hung until here");
        // And once the disk answers, intervals are closed.
        billing.count(Counter::Requests, 1);
        while billing.page(0, 1).unwrap().is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no interval was closed"
            );
            tokio::time::sleep(interval).await;
        }
        stop.cancel();
    }
}
