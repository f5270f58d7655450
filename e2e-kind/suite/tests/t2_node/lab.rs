//! Stage, charts, one published asset with a canary, and one order that serves: made once.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::sync::OnceCell;
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::canary::Canary;
use trustbridge_e2e::provider::{ASSET, Model, Provider};
use trustbridge_e2e::stage::Stage;
use trustbridge_e2e::world::World;
use trustbridge_e2e::{arm, install, orgs, seller};

/// Size of the tests' model.
const MEBIBYTES: u32 = 8;

/// What the tests share.
pub struct Lab {
    /// The cluster.
    pub world: World,
    /// What runs outside it.
    pub stage: Stage,
    /// The model of the asset, in memory.
    pub model: Model,
    /// What to look for on disks.
    pub canary: Canary,
    serving: OnceCell<Purchase>,
    orgs: Mutex<BTreeSet<String>>,
}

impl Lab {
    /// Sets everything up, from nothing or from what an earlier run left.
    pub async fn open(world: World) -> Result<Self> {
        trustbridge_e2e::stage::azurite::install(&world).await?;
        let (stage, _) = Stage::up(&world).await?;
        arm::heal(&stage).await?;
        install::crds(&world).await?;
        install::chart(&world, &stage).await?;
        let canary = Canary::new()?;
        let provider = Provider::new(&world, &stage, ASSET)?;
        let model = provider
            .publish(MEBIBYTES, Some(&canary))
            .await
            .context("publishing the asset")?;
        Ok(Self {
            world,
            stage,
            model,
            canary,
            serving: OnceCell::new(),
            orgs: Mutex::default(),
        })
    }

    /// A new organisation of a test's own.
    pub async fn organisation(&self, name: &str) -> Result<()> {
        // What an earlier run left would answer instead of what this run does.
        orgs::remove(&self.world, name).await?;
        seller::organisation(&self.world, name).await?;
        self.orgs.lock().unwrap().insert(name.to_owned());
        Ok(())
    }

    /// An order that is Active.
    pub async fn serving(&self) -> Result<&Purchase> {
        let make = async || {
            let purchase = Purchase::new("t2-serving", "order-e2e-001");
            self.organisation(&purchase.org).await?;
            purchase.place(&self.world).await?;
            purchase
                .until_phase(&self.world, OrderPhase::Active, SERVING)
                .await?;
            Ok(purchase)
        };
        self.serving.get_or_try_init(make).await
    }

    /// Takes the organisations away.
    pub async fn close(&self) -> Result<()> {
        let names = std::mem::take(&mut *self.orgs.lock().unwrap());
        for org in names {
            orgs::remove(&self.world, &org)
                .await
                .with_context(|| format!("removing organisation {org}"))?;
        }
        Ok(())
    }
}
