//! Mode `serve`: the state machine of `trustbridge-domain`, and the tasks that it asks for.
//!
//! One loop owns the state. Tasks do the work and tell what happened; [`step`] says what that means; the loop
//! carries out what it asks for. Nothing else changes the state.

mod admin;
mod report;
mod tasks;

pub(crate) use report::{SETTINGS, cause, write_report};

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trustbridge_azure::http::Client;
use trustbridge_domain::sentinel::{Effect, Event, State, step};

use crate::audit::Audit;
use crate::billing::{self, Billing};
use crate::config::{Config, DeliveryMode};
use crate::decrypt::{Delivery, Volume};
use crate::events::{Events, Happened};
use crate::hydrate::Asset;
use crate::license::License;
use crate::proxy::{self, Proxy};
use crate::shared::Shared;
use crate::sys::Fenced;
use crate::{health, sys};

/// From SIGTERM to the end, at most.
const GRACE: Duration = Duration::from_secs(28);
/// For files that are being written to see that delivery was closed.
const WRITERS: Duration = Duration::from_secs(5);

/// What tasks hand to the loop beside their event.
type Slot<T> = Arc<std::sync::Mutex<Option<T>>>;

/// Runs until it is told to end. The code is 0 after SIGTERM, 1 when another start may do better.
pub(crate) async fn serve(config: Config, fenced: Fenced) -> anyhow::Result<ExitCode> {
    // Before anything can wait: nobody may take what an earlier start left for ours.
    Volume::of(&config).clear();
    let mut stop = Stop::new()?;
    check_memory(&config)?;
    let (config, shared) = (Arc::new(config), Shared::new());
    shared.facts.set_landlock(fenced.as_str());
    let billing = Arc::new(Billing::open(&config.state_dir)?);
    let opened = Arc::new(OnceLock::new());
    let admin = TcpListener::bind(config.admin_addr).await.map_err(|error| {
        let address = config.admin_addr;
        anyhow::anyhow!("TB_ADMIN_ADDR: {address}: {error}; is another program listening there?")
    })?;
    let router = health::router(&config, shared.clone(), opened.clone(), billing.clone());
    tokio::spawn(admin::serve(admin, router));
    // The kubelet is answered by now: what follows takes longer than all before it.
    let audit = open_audit(config.clone()).await?;
    opened.get_or_init(|| audit.clone());
    let (mut driver, mut happened) = Driver::new(config, shared, audit, billing)?;
    driver.keep_audit();
    driver.keep_lease();
    driver.bill()?;
    driver.events.send(Event::Started);
    let code = driver.run(&mut happened, &mut stop).await;
    driver.shut_down().await;
    Ok(code)
}

/// Opens the audit log and makes the key of this start. For the process's first random number AWS-LC collects entropy of
/// the CPU's own jitter, some 30 ms long.
async fn open_audit(config: Arc<Config>) -> anyhow::Result<Arc<Audit>> {
    let opening = move || Audit::open(Some(&config.audit_path), &config.contract_id, &config.asset_id);
    let audit = tokio::task::spawn_blocking(opening)
        .await?
        .map_err(|error| anyhow::anyhow!("TB_AUDIT_PATH: {error}; is the directory writable?"))?;
    Ok(Arc::new(audit))
}

/// SIGTERM and SIGINT.
struct Stop {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

struct Driver {
    config: Arc<Config>,
    shared: Arc<Shared>,
    audit: Arc<Audit>,
    billing: Arc<Billing>,
    /// Ends the task that closes intervals.
    billed: CancellationToken,
    events: Events,
    http: Client,
    tls: Option<TlsAcceptor>,
    license: Slot<Arc<License>>,
    asset: Slot<Asset>,
    delivery: Slot<Delivery>,
    /// Authorisation, hydration, renewal: what ends with the authorisation.
    tasks: Vec<AbortHandle>,
    watching: CancellationToken,
    delivering: TaskTracker,
    public: Option<proxy::Serving>,
}

impl Driver {
    fn new(
        config: Arc<Config>,
        shared: Arc<Shared>,
        audit: Arc<Audit>,
        billing: Arc<Billing>,
    ) -> anyhow::Result<(Self, UnboundedReceiver<Happened>)> {
        let mut client = Client::builder().body_limit(1 << 20);
        if let Some(path) = &config.ca_path {
            client = client.ca_file(path);
        }
        if let Some(pair) = &config.client_cert {
            client = client.client_certificate(&pair.cert, &pair.key);
        }
        let tls = config.public_tls.as_ref().map(proxy::tls_acceptor).transpose();
        let (events, happened) = Events::channel();
        let driver = Self {
            shared,
            audit,
            billing,
            billed: CancellationToken::new(),
            events,
            http: client.build()?,
            tls: tls.map_err(anyhow::Error::msg)?,
            license: Slot::default(),
            asset: Slot::default(),
            delivery: Slot::default(),
            tasks: Vec::new(),
            watching: CancellationToken::new(),
            delivering: TaskTracker::new(),
            public: None,
            config,
        };
        Ok((driver, happened))
    }

    async fn run(&mut self, happened: &mut UnboundedReceiver<Happened>, stop: &mut Stop) -> ExitCode {
        loop {
            let next = tokio::select! {
                () = stop.asked() => return ExitCode::SUCCESS,
                next = happened.recv() => next,
            };
            // `self.events` keeps the channel open.
            let Some(news) = next else {
                return ExitCode::SUCCESS;
            };
            if news.event == Event::DeliveryBegan {
                // A runtime that loads anew is not the one for which somebody drained.
                self.shared.set_draining(false);
            }
            let before = self.shared.state();
            let (after, effects) = step(before, news.event);
            tell(before, after, &news);
            if after != before || !news.reason.is_empty() && !matches!(before, State::Suspended(_)) {
                self.shared.enter(after, &news.reason, &news.message);
            }
            for effect in effects {
                if let Some(code) = self.carry_out(effect).await {
                    return code;
                }
            }
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<ExitCode> {
        match effect {
            Effect::Authorize => self.authorize(),
            Effect::Hydrate => self.hydrate(),
            Effect::Deliver => self.deliver(),
            Effect::Withdraw => self.withdraw().await,
            Effect::OpenPublic => self.open_public().await,
            Effect::CloseDelivery => self.close_delivery().await,
            Effect::Report => self.report(),
            Effect::Exit => return Some(ExitCode::FAILURE),
        }
        None
    }

    async fn open_public(&mut self) {
        if self.public.is_some() {
            return;
        }
        let address = self.config.public_addr;
        let (audit, shared) = (self.audit.clone(), self.shared.clone());
        let proxy = Proxy::new(&self.config, audit, shared, self.billing.clone());
        let serving = TcpListener::bind(address)
            .await
            .and_then(|listener| proxy::serve(listener, self.tls.clone(), Arc::new(proxy)));
        match serving {
            Ok(serving) => {
                self.public = Some(serving);
                // Fetching and decrypting took room that serving does not need.
                trustbridge_secret_page::give_back_free_pages();
                tracing::info!(%address, tls = self.tls.is_some(), "the public port is open");
            }
            Err(error) => {
                let message =
                    format!("TB_PUBLIC_ADDR: {address}: {error}; is another program listening there?");
                self.events.send_because(Event::GaveUp, "public_port", &message);
            }
        }
    }

    /// Ends delivery alone: hydration begins anew, and what it describes next is offered instead.
    async fn withdraw(&mut self) {
        self.stop_delivery().await;
        self.watching = CancellationToken::new();
        self.delivering.reopen();
    }

    async fn close_delivery(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.stop_delivery().await;
        let volume = Volume::of(&self.config);
        if matches!(self.shared.state(), State::Suspended(_)) {
            volume.forget_taken();
        }
        if let Some(license) = get(&self.license) {
            license.forget();
        }
    }

    /// Stops the writers and whoever watches the runtime, and clears the memory volume.
    async fn stop_delivery(&mut self) {
        self.watching.cancel();
        let delivery = self
            .delivery
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(delivery) = delivery {
            delivery.close().await;
        }
        // A file that is being written is left off at its next record; cleared before, it would appear after.
        self.delivering.close();
        if tokio::time::timeout(WRITERS, self.delivering.wait())
            .await
            .is_err()
        {
            tracing::error!("a file in memory is still being written; clearing the volume nevertheless");
        }
        self.shared.facts.set_offered(false);
        Volume::of(&self.config).clear();
    }

    fn report(&self) {
        let now = self.shared.snapshot();
        if let Err(error) = write_report(&self.config.termination_log, now.state, &now.reason, &now.message) {
            tracing::warn!(%error, path = %self.config.termination_log.display(), "termination message not written");
        }
    }

    /// Lets answers finish, closes every pipe, makes the audit log durable.
    async fn shut_down(&mut self) {
        if let Some(serving) = self.public.take() {
            self.shared.set_draining(true);
            serving.end(GRACE).await;
        }
        self.billed.cancel();
        billing::close(self.billing.clone(), self.shared.clone()).await;
        self.close_delivery().await;
        match self.audit.close() {
            Ok(()) => {
                let head = self.audit.head();
                let (seq, hash, signature) = (head.seq, head.hash, head.signature);
                tracing::info!(seq, hash, signature, "audit log closed");
            }
            Err(error) => tracing::error!(%error, "TB_AUDIT_PATH: the log could not be made durable"),
        }
    }
}

/// Files of plaintext must not be made on a disk. A FIFO has no content there, a small file has.
fn check_memory(config: &Config) -> anyhow::Result<()> {
    let mut places = vec![("TB_MODEL_DIR", &config.model_dir)];
    if config.delivery == DeliveryMode::RamFile {
        places.push(("TB_PIPE_PATH", &config.pipe_path));
    }
    for (field, path) in places {
        let in_memory = sys::is_in_memory(path)
            .map_err(|error| anyhow::anyhow!("{field}: {}: {error}", path.display()))?;
        if !in_memory {
            let next = "mount an emptyDir with medium: Memory there";
            anyhow::bail!(
                "{field}: {}: must lie on a tmpfs, or plaintext would reach a disk; {next}",
                path.display()
            );
        }
    }
    Ok(())
}

fn tell(before: State, after: State, news: &Happened) {
    let (event, from, to) = (news.event, before.as_str(), after.as_str());
    if news.reason.is_empty() && before == after {
        tracing::trace!(?event, from, "event");
    } else if news.reason.is_empty() {
        tracing::info!(?event, from, to, "event");
    } else {
        tracing::error!(?event, from, to, reason = news.reason, "{}", news.message);
    }
}

fn put<T>(slot: &Slot<T>, value: T) {
    *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
}

fn get<T: Clone>(slot: &Slot<T>) -> Option<T> {
    slot.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone()
}
