//! `tb-campaign`: kills the operator at each distinct write of its own, and compares how the story ends.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::fmt::Write as _;
use std::process::ExitCode;
use trustbridge_e2e::campaign::{Campaign, Outcome, Point};
use trustbridge_e2e::commit;
use trustbridge_e2e::provider::{ASSET, Provider};
use trustbridge_e2e::report::Report;
use trustbridge_e2e::story;
use trustbridge_e2e::world::World;

/// The operator dies at each distinct write of its own; the story must end the same.
#[derive(Parser)]
#[command(name = "tb-campaign", version)]
struct Cli {
    /// Points at least. Every distinct write is one; later occurrences fill up.
    #[arg(long, default_value_t = 30)]
    points: usize,
    /// Draws later occurrences and pauses; printed, so that a campaign can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// The CI size: no more points than that, drawn by the seed among the distinct writes.
    #[arg(long, conflicts_with = "full")]
    sample: bool,
    /// The full size: every occurrence of every write; writes `docs/benchmarks/crash-campaign.md`.
    #[arg(long)]
    full: bool,
    /// Only points whose write contains this text.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match World::enter().and_then(|world| World::runtime()?.block_on(run(&world, &cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("campaign failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(world: &World, cli: &Cli) -> Result<()> {
    let seed = match cli.seed {
        Some(seed) => seed,
        None => u64::try_from(jiff::Timestamp::now().as_millisecond())?,
    };
    println!("seed {seed}");
    let mut report = Report::telling();
    let stage = story::set_up(world, &mut report).await?;
    let provider = Provider::new(world, &stage, ASSET)?;
    let publish = async { Ok(((), provider.publish(4, None).await.map(|_| ASSET.to_owned())?)) };
    report.step("provider", "publishes the asset", publish).await?;
    let mut campaign = Campaign::new(world, &stage, seed).await?;
    let result = strike(&mut campaign, cli).await;
    campaign.close().await?;
    let outcomes = result?;
    if cli.full {
        let path = world.root().join("docs/benchmarks/crash-campaign.md");
        std::fs::write(&path, markdown(world, seed, &outcomes))
            .context("docs/benchmarks/crash-campaign.md")?;
    }
    conclude(cli, seed, &outcomes)
}

async fn strike(campaign: &mut Campaign<'_>, cli: &Cli) -> Result<Vec<Outcome>> {
    let (learned, clean) = campaign.learn().await.context("the clean runs")?;
    println!(
        "{} distinct writes of the operator in a clean story",
        learned.len()
    );
    let wanted = if cli.full { usize::MAX } else { cli.points };
    let mut points: Vec<Point> = campaign.points(&learned, wanted);
    if cli.sample {
        campaign.draw_from(&mut points, cli.points);
        println!("CI size: {} of them, drawn by the seed", points.len());
    }
    let chosen = points
        .into_iter()
        .filter(|point| cli.only.as_ref().is_none_or(|text| point.shape.contains(text)));
    let mut outcomes = Vec::new();
    for point in chosen {
        let outcome = campaign.run(&point, &clean).await?;
        let word = word(&outcome);
        println!(
            "{:>3} {word:<8} {:>6.1} s  #{} {}",
            outcomes.len() + 1,
            outcome.took.as_secs_f64(),
            point.occurrence,
            point.shape
        );
        if let Some(why) = &outcome.failure {
            println!("      {why}");
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn word(outcome: &Outcome) -> &'static str {
    match (outcome.reached, &outcome.failure) {
        (_, Some(_)) => "FAILED",
        (true, None) => "same",
        // The write was not made in that run, e.g. because ARM was not busy: nothing was killed, nothing is shown.
        (false, None) => "missed",
    }
}

fn conclude(cli: &Cli, seed: u64, outcomes: &[Outcome]) -> Result<()> {
    let same = outcomes.iter().filter(|outcome| word(outcome) == "same").count();
    let missed = outcomes
        .iter()
        .filter(|outcome| word(outcome) == "missed")
        .count();
    let failed = outcomes
        .iter()
        .filter(|outcome| word(outcome) == "FAILED")
        .count();
    if failed > 0 {
        bail!(
            "{failed} of {} points ended differently, seed {seed}",
            outcomes.len()
        );
    }
    if cli.only.is_none() && same < cli.points {
        bail!(
            "only {same} points were reached instead of {}, seed {seed}",
            cli.points
        );
    }
    println!(
        "{same} points: killed and ended as the clean run, one node pool each; {missed} not reached; seed {seed}"
    );
    Ok(())
}

fn markdown(world: &World, seed: u64, outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "# The operator killed at each of its writes\n\nWritten by `make campaign`. Date: {}. Commit: {}. Seed: {seed}.\n\n\
         A point is a write of the operator that the API server's audit log shows; the operator is killed with SIGKILL the\n\
         moment it appears. `same`: the story ended as a clean one, with exactly one node pool at the ARM double.\n\n\
         | # | Write | Occurrence | Result | Seconds |\n|---|---|---|---|---|\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit::of(world),
    );
    for (number, outcome) in outcomes.iter().enumerate() {
        let seconds = outcome.took.as_secs_f64();
        let point = &outcome.point;
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} | {seconds:.1} |",
            number + 1,
            point.shape,
            point.occurrence,
            word(outcome)
        );
    }
    text
}
