//! The operator killed at each distinct write of its own: the story still ends the same, with one node pool.

pub mod operator;
mod verdict;
mod writes;

use crate::audit_log::{Event, Tail};
use crate::buyer::{Purchase, SERVING};
use crate::install::{NAMESPACE, OPERATOR};
use crate::orgs;
use crate::stage::Stage;
use crate::world::World;
use crate::{seller, terminate};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use operator::HostOperator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trustbridge_domain::phase::OrderPhase;

/// How often the audit log is looked at. A look costs one `stat`.
const LOOK: Duration = Duration::from_millis(1);
/// Longest pause between a kill and the restart.
const LONGEST_PAUSE_MS: u64 = 500;
/// Longest time by which later occurrences of a write are outlived, so that the operator dies between two writes
/// too: after a call to ARM and before what came of it is written down.
const LONGEST_LEAD_MS: u64 = 300;

/// A write at which the operator is killed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The write.
    pub shape: String,
    /// Which of its occurrences, from 1.
    pub occurrence: usize,
}

/// What became of a point.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The point.
    pub point: Point,
    /// Whether the write was made and the operator killed at it.
    pub reached: bool,
    /// How long the story took.
    pub took: Duration,
    /// Why it did not end as the clean run.
    pub failure: Option<String>,
}

/// A campaign on a running cluster with the charts installed and the asset published.
#[derive(Debug)]
pub struct Campaign<'a> {
    world: &'a World,
    stage: &'a Stage,
    operator: HostOperator,
    random: u64,
    next: u32,
}

impl<'a> Campaign<'a> {
    /// Takes the operator over from its Deployment.
    pub async fn new(world: &'a World, stage: &'a Stage, seed: u64) -> Result<Self> {
        let operator = HostOperator::take_over(world).await?;
        Ok(Self {
            world,
            stage,
            operator,
            random: seed,
            next: 0,
        })
    }

    /// Two clean runs: the writes that both made, in the order of the first one, and how it ends.
    pub async fn learn(&mut self) -> Result<(Vec<(String, usize)>, Value)> {
        let (first, end) = self.clean().await?;
        let (second, other) = self.clean().await?;
        if let Some(difference) = verdict::difference(&end, &other) {
            bail!("two clean runs end differently, so nothing can be compared with them: {difference}");
        }
        let counted = |writes: &[String]| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for write in writes {
                *counts.entry(write.clone()).or_default() += 1;
            }
            counts
        };
        let (one, two) = (counted(&first), counted(&second));
        let mut learned: Vec<(String, usize)> = Vec::new();
        for write in &first {
            let both = one.get(write).zip(two.get(write)).map(|(a, b)| *a.min(b));
            if let Some(count) = both.filter(|_| !learned.iter().any(|(known, _)| known == write)) {
                learned.push((write.clone(), count));
            }
        }
        Ok((learned, end))
    }

    /// Every distinct write once; then, up to the number asked for, later occurrences by the seed.
    pub fn points(&mut self, learned: &[(String, usize)], wanted: usize) -> Vec<Point> {
        let mut points: Vec<Point> = learned
            .iter()
            .map(|(shape, _)| Point {
                shape: shape.clone(),
                occurrence: 1,
            })
            .collect();
        let mut more: Vec<Point> = learned
            .iter()
            .flat_map(|(shape, count)| {
                (2..=*count).map(|occurrence| Point {
                    shape: shape.clone(),
                    occurrence,
                })
            })
            .collect();
        while points.len() < wanted && !more.is_empty() {
            let at = usize::try_from(self.draw()).unwrap_or(usize::MAX) % more.len();
            points.push(more.swap_remove(at));
        }
        points
    }

    /// Leaves `wanted` of the points, drawn by the seed, in their order.
    pub fn draw_from(&mut self, points: &mut Vec<Point>, wanted: usize) {
        while points.len() > wanted {
            let at = usize::try_from(self.draw()).unwrap_or(usize::MAX) % points.len();
            points.remove(at);
        }
    }

    /// One story with the operator killed at that point.
    pub async fn run(&mut self, point: &Point, clean: &Value) -> Result<Outcome> {
        let begun = Instant::now();
        let purchase = self.purchase();
        let pause = Duration::from_millis(self.draw() % LONGEST_PAUSE_MS);
        let lead = Duration::from_millis(self.draw() % LONGEST_LEAD_MS);
        let lead = if point.occurrence == 1 {
            Duration::ZERO
        } else {
            lead
        };
        let reached = Arc::new(AtomicBool::new(false));
        let story = self
            .killed_story(&purchase, point, (lead, pause), Arc::clone(&reached))
            .await;
        let failure = match story {
            Ok(end) => verdict::difference(clean, &end),
            Err(error) => Some(format!("{error:#}")),
        };
        self.operator.kill().await?;
        // Without an operator the rest of a failed story would stay; what can go, goes.
        if failure.is_none() {
            self.forget(&purchase).await?;
        }
        Ok(Outcome {
            point: point.clone(),
            reached: reached.load(Ordering::Acquire),
            took: begun.elapsed(),
            failure,
        })
    }

    /// Hands the operator back to its Deployment.
    pub async fn close(mut self) -> Result<()> {
        self.operator.kill().await?;
        operator::scale(self.world, 1).await
    }

    async fn clean(&mut self) -> Result<(Vec<String>, Value)> {
        let purchase = self.purchase();
        let mut tail = Tail::from_end(&self.world.layout().audit_log())?;
        self.operator.start()?;
        tell(self.world, &purchase).await?;
        let end = verdict::of(self.world, self.stage, &purchase).await?;
        self.operator.kill().await?;
        let writes = tail
            .poll()?
            .iter()
            .filter(|event| is_own(event))
            .map(|event| writes::shape(event, &purchase.org))
            .collect();
        self.forget(&purchase).await?;
        Ok((writes, end))
    }

    async fn killed_story(
        &mut self,
        purchase: &Purchase,
        point: &Point,
        (lead, pause): (Duration, Duration),
        reached: Arc<AtomicBool>,
    ) -> Result<Value> {
        let tail = Tail::from_end(&self.world.layout().audit_log())?;
        self.operator.start()?;
        let pid = self.operator.pid().context("the operator did not start")?;
        let over = Arc::new(AtomicBool::new(false));
        let killer = {
            let (point, org, over, reached) = (
                point.clone(),
                purchase.org.clone(),
                Arc::clone(&over),
                Arc::clone(&reached),
            );
            tokio::task::spawn_blocking(move || kill_at(tail, (&point, lead), &org, pid, &over, &reached))
        };
        let restarted = async {
            let was_killed = killer.await.context("the killer ended badly")??;
            if was_killed {
                tokio::time::sleep(pause).await;
                self.operator.kill().await?;
                self.operator.start()?;
            }
            anyhow::Ok(())
        };
        let told = async {
            let told = tell(self.world, purchase).await;
            over.store(true, Ordering::Release);
            told
        };
        let (restarted, told) = tokio::join!(restarted, told);
        restarted?;
        told?;
        verdict::of(self.world, self.stage, purchase).await
    }

    /// An order in an organisation that no other run has.
    fn purchase(&mut self) -> Purchase {
        self.next += 1;
        Purchase::new(
            &format!("crash{}n{}", std::process::id(), self.next),
            "order-crash",
        )
    }

    /// Takes the organisation of a run away; its namespaces go in their own time.
    async fn forget(&self, purchase: &Purchase) -> Result<()> {
        orgs::let_go(self.world, &purchase.org).await
    }

    /// splitmix64: the same seed, the same campaign.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The story that is repeated: organisation, order, Active, the end.
async fn tell(world: &World, purchase: &Purchase) -> Result<()> {
    seller::organisation(world, &purchase.org).await?;
    purchase.place(world).await?;
    purchase.until_phase(world, OrderPhase::Active, SERVING).await?;
    terminate::end(world, purchase, "the campaign goes on")
        .await
        .map(drop)
}

fn is_own(event: &Event) -> bool {
    event.is_write() && event.user.username == format!("system:serviceaccount:{NAMESPACE}:{OPERATOR}")
}

/// Kills the process the moment the write appears in the audit log, or `lead` later; answers whether it did.
fn kill_at(
    mut tail: Tail,
    (point, lead): (&Point, Duration),
    org: &str,
    pid: i32,
    over: &AtomicBool,
    reached: &AtomicBool,
) -> Result<bool> {
    let mut seen = 0;
    while !over.load(Ordering::Acquire) {
        for event in tail.poll()?.iter().filter(|event| is_own(event)) {
            if writes::shape(event, org) == point.shape {
                seen += 1;
            }
            if seen == point.occurrence {
                std::thread::sleep(lead);
                kill(Pid::from_raw(pid), Signal::SIGKILL)
                    .context("the operator was gone before it was killed")?;
                reached.store(true, Ordering::Release);
                return Ok(true);
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(false)
}
