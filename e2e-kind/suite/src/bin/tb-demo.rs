//! `tb-demo up`: the whole story on the running cluster, told as it happens. `tb-demo down`: everything of it away.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use trustbridge_cluster::layout::Layout;
use trustbridge_cluster::record::Record;
use trustbridge_e2e::report::Report;
use trustbridge_e2e::stage::Stage;
use trustbridge_e2e::world::World;
use trustbridge_e2e::{commit, install, orgs, story};

/// Where the timings of the last demo are written.
const BENCHMARK: &str = "docs/benchmarks/demo.md";

/// The whole story on a real cluster.
#[derive(Parser)]
#[command(name = "tb-demo", version)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Tells the story; exit code 0 when all of it was seen.
    Up,
    /// Stops what runs outside the cluster, deletes the organisations, uninstalls the charts.
    Down,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Verb::Up => up(),
        Verb::Down => down(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ntb-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up() -> Result<()> {
    let world = World::enter()?;
    let mut report = Report::telling();
    World::runtime()?
        .block_on(story::tell(&world, &mut report))
        .with_context(|| hint(&world))?;
    println!("\n== What was shown, in {:.0} s", report.elapsed().as_secs_f64());
    print!("{}", report.table());
    println!("{}", look_further(&world));
    let path = world.root().join(BENCHMARK);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, benchmark(&world, &report)).context(BENCHMARK)?;
    println!("Timings: {BENCHMARK}");
    Ok(())
}

fn down() -> Result<()> {
    if Record::read(&Layout::from_env()?).is_none() {
        println!("no cluster is up, so nothing of the demo is");
        return Ok(());
    }
    let world = World::enter()?;
    let mut report = Report::telling();
    World::runtime()?.block_on(async {
        report
            .step("demo", "orders end, organisations go", async {
                Ok(((), orgs::remove_all(&world).await?))
            })
            .await?;
        let charts = async { Ok(((), install::uninstall(&world).await?)) };
        report.step("demo", "helm uninstall", charts).await
    })?;
    Stage::down(&world)?;
    println!("Azurite and the doubles have ended");
    Ok(())
}

fn hint(world: &World) -> String {
    format!(
        "the story broke off; look at it with: export KUBECONFIG={}",
        shown_kubeconfig(world)
    )
}

fn shown_kubeconfig(world: &World) -> String {
    // From a shell of the host: there the forwarder's port answers.
    let host = world.layout().kubeconfig();
    world.shown(&if host.is_file() { host } else { world.kubeconfig() })
}

fn look_further(world: &World) -> String {
    format!(
        "\nWhere to look next:\n  export KUBECONFIG={}\n  \
         kubectl get orders,quotes,tunepods,modelassets -A\n  \
         kubectl describe tunepod --namespace tb-acme order-e2e-001-0\n  \
         kubectl get order --namespace tb-acme order-e2e-001 --output yaml\n  \
         kubectl logs --namespace trustbridge-system deployment/trustbridge-operator\n  \
         kubectl get networkpolicies,resourcequotas --namespace tb-acme-protected\n  \
         (kubectl, helm: {})\nThe end: make demo-down",
        shown_kubeconfig(world),
        world.shown(&world.layout().bin())
    )
}

fn benchmark(world: &World, report: &Report) -> String {
    let up = Record::read(world.layout()).map_or(0.0, |record| record.up_seconds);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# Timings of the demo\n\nWritten by `make demo`. Date: {}. Commit: {}. Machine: {cores} cores.\n\n\
         The cluster came up in {up:.1} s before; the story took {:.1} s.\n\n{}",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit::of(world),
        report.elapsed().as_secs_f64(),
        report.markdown()
    )
}
