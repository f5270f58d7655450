//! The tasks that the state machine asks for. Each ends by telling what happened.

use std::sync::{Arc, PoisonError};

use trustbridge_domain::sentinel::Event;

use super::{Driver, get, put};
use crate::billing;
use crate::decrypt::Delivery;
use crate::events::Events;
use crate::heartbeat;
use crate::hydrate::{self, Hydration, Told};
use crate::license::{self, License};
use crate::runtime;

/// Said where the asset became another one while it was offered.
const ANOTHER: &str = "the manifest names other files than those that were offered, and the runtime may have read some of them: start it anew beside the sentinel; TB_MANIFEST_SHA256 keeps an asset from changing under a contract";

impl Driver {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task).abort_handle());
    }

    /// Starts what signs the audit log from time to time, until usage is closed as well.
    pub(super) fn keep_audit(&self) {
        tokio::spawn(self.audit.clone().keep_signed(self.billed.clone()));
    }

    /// Starts the sign of life, where somebody waits for one. It is given in every state, until the process ends.
    pub(super) fn keep_lease(&self) {
        if let Some(settings) = self.config.lease.clone() {
            tokio::spawn(heartbeat::keep(settings, self.billing.boot().to_owned()));
        }
    }

    /// Starts what closes intervals and, where this machine bills itself, reports them. It goes on in every state.
    pub(super) fn bill(&self) -> anyhow::Result<()> {
        let agent = billing::own_meter(&self.config, &self.billing, &self.http)?;
        let task = billing::run(
            self.billing.clone(),
            agent,
            self.config.usage_interval,
            self.shared.clone(),
            self.events.clone(),
            self.billed.clone(),
        );
        Ok(billing::on_own_thread(task, self.billed.clone())?)
    }

    pub(super) fn authorize(&mut self) {
        let (config, http, events) = (self.config.clone(), self.http.clone(), self.events.clone());
        let granted = self.shared.metrics.authorizations.clone();
        let (slot, audit_key) = (self.license.clone(), self.audit.public_key());
        let shared = self.shared.clone();
        self.spawn(async move {
            let hw_id = match license::hardware_id(&config).await {
                Ok(hw_id) => hw_id,
                Err(message) => return events.send_because(Event::GaveUp, "no_hardware_id", &message),
            };
            let license = Arc::new(License::new(http, &config, hw_id, audit_key, granted));
            match license.renew(0).await {
                Ok(grant) => {
                    shared.facts.set_key_memory(grant.key_memory);
                    put(&slot, license.clone());
                    events.send(Event::Authorized);
                }
                Err(error) => return refused(&events, &error),
            }
            match license::keep(&license, config.expiry_grace).await {
                license::Ended::Error(error) => refused(&events, &error),
                license::Ended::Expired(message) => {
                    events.send_because(Event::LicenseExpired, "license_expired", &message);
                }
            }
        });
    }

    pub(super) fn hydrate(&mut self) {
        let Some(license) = get(&self.license) else {
            return self
                .events
                .send_because(Event::GaveUp, "internal", "hydration without authorisation");
        };
        let job = Hydration {
            http: self.http.clone(),
            license,
            shared: self.shared.clone(),
            asset_id: self.config.asset_id.clone(),
            target_dir: self.config.target_dir.clone(),
            concurrency: self.config.download_concurrency,
            range_bytes: self.config.download_chunk_bytes,
            idle: self.config.download_idle,
            anchor: self.config.manifest_sha256.clone(),
            tell: self.on_told(),
        };
        let events = self.events.clone();
        self.spawn(async move {
            match hydrate::run(&job).await {
                Ok(()) => events.send(Event::Hydrated),
                Err(error) => {
                    let (event, reason) = match &error {
                        hydrate::Error::Denied(_) => (Event::Denied, "denied"),
                        hydrate::Error::Integrity(_) => (Event::IntegrityFailed, "integrity"),
                        hydrate::Error::GaveUp(_) | hydrate::Error::Changed(_) => {
                            (Event::GaveUp, "hydration")
                        }
                    };
                    events.send_because(event, reason, &error.to_string());
                }
            }
        });
    }

    /// What hydration tells on its way becomes an event; what it describes is there before the event is.
    fn on_told(&self) -> Box<dyn Fn(Told) + Send + Sync> {
        let (events, slot) = (self.events.clone(), self.asset.clone());
        Box::new(move |told| match told {
            Told::Described(asset) => {
                let before = get(&slot).map(|before| before.digest);
                if before.is_some_and(|before| before != asset.digest) {
                    // What it reads next would be another model's than what it has.
                    return events.send_because(Event::GaveUp, "asset_changed", ANOTHER);
                }
                put(&slot, asset);
                events.send(Event::Described);
            }
            Told::Changed => events.send(Event::Changed),
        })
    }

    pub(super) fn deliver(&mut self) {
        let grant = get(&self.license).and_then(|license| license.current());
        let (Some(grant), Some(asset)) = (grant, get(&self.asset)) else {
            return self
                .events
                .send_because(Event::GaveUp, "internal", "delivery without asset");
        };
        let (config, shared, events) = (self.config.clone(), self.shared.clone(), self.events.clone());
        let (slot, watching) = (self.delivery.clone(), self.watching.clone());
        let delivering = async move {
            match Delivery::start(&config, &asset, &grant.key, &shared, &events, &watching).await {
                Ok(delivery) if !watching.is_cancelled() => {
                    put(&slot, delivery);
                    if watching.is_cancelled() {
                        // Closed between the question and the answer.
                        let delivery = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                        return close(delivery).await;
                    }
                    runtime::watch(config.runtime.clone(), events, watching).await;
                }
                Ok(delivery) => close(Some(delivery)).await,
                // Closed while it wrote: no failure of its own.
                Err(_) if watching.is_cancelled() => {}
                Err(error) => events.send_because(error.event(), "delivery", &error.to_string()),
            }
        };
        // Not among the tasks that are aborted: it must come to its own end, or leave plaintext behind.
        self.delivering.spawn(delivering);
    }
}

async fn close(delivery: Option<Delivery>) {
    if let Some(delivery) = delivery {
        delivery.close().await;
    }
}

fn refused(events: &Events, error: &license::Error) {
    let (event, reason) = match error {
        license::Error::Denied { reason } => (Event::Denied, reason.as_str()),
        license::Error::Contradiction(_) => (Event::IntegrityFailed, "integrity"),
        license::Error::Unavailable(_) => (Event::GaveUp, "control_plane_unavailable"),
    };
    events.send_because(event, reason, &error.to_string());
}
