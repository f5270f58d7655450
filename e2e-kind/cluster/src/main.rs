//! `tb-cluster`: a real Kubernetes cluster by one command.

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use trustbridge_cluster::backend::{self, Surroundings, external, kind, local};
use trustbridge_cluster::images;
use trustbridge_cluster::kubectl::Kubectl;
use trustbridge_cluster::lock::Lock;
use trustbridge_cluster::netns::{self, Place};
use trustbridge_cluster::progress::Progress;
use trustbridge_cluster::record::{Backend, Record};
use trustbridge_cluster::workspace::Workspace;
use trustbridge_cluster::{Layout, doctor, drill, forward, status, tools};

/// A real single-node Kubernetes: local programs in a network namespace, kind, or the cluster that KUBECONFIG names.
#[derive(Debug, Parser)]
#[command(name = "tb-cluster", version, after_help = ENVIRONMENT)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

const ENVIRONMENT: &str = "Environment:
  TB_BACKEND        local, kind or external; by default KUBECONFIG's cluster, else kind with Docker, else local
  TB_CLUSTER_STATE  state folder, removed by down (default ~/.local/state/trustbridge/cluster)
  TB_CACHE          cache folder, kept by down (default ~/.cache/trustbridge)";

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring the cluster up; when it is up, say so.
    Up {
        /// Use the programs and images that were built before.
        #[arg(long)]
        no_build: bool,
    },
    /// Take the cluster down and prove that nothing is left of it.
    Down,
    /// Say whether the cluster is up; the exit code is 0 only then.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the machine; each missing thing comes with its fix.
    Doctor,
    /// Install the Debian packages that the local cluster needs.
    InstallPrerequisites,
    /// Build the Go programs of the cluster into the cache.
    BuildTools,
    /// Build images into the cache, without loading them.
    BuildImages {
        /// Use the programs that were built before.
        #[arg(long)]
        no_build: bool,
        /// Names such as `operator`; all when none is given.
        names: Vec<String>,
    },
    /// Build images and load them into the running cluster.
    Load {
        /// Use the programs that were built before.
        #[arg(long)]
        no_build: bool,
        /// Names such as `operator`; all when none is given.
        names: Vec<String>,
    },
    /// Print shell lines that point kubectl and helm at the cluster: `eval "$(tb-cluster kubectl-env)"`.
    KubectlEnv,
    /// Run a command in the world outside the cluster, where the doubles stand.
    Outside {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Kill `up` at random moments and see that `down` leaves nothing; the cluster must be down.
    CrashDrill {
        /// Repeats the moments of an earlier drill.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many crashes.
        #[arg(long, default_value_t = 10)]
        count: u32,
    },
    /// Forward the host's loopback to the API server; `up` starts this.
    #[command(hide = true)]
    Forward {
        /// Names the cluster in the process's command line.
        #[arg(long)]
        state: PathBuf,
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Not by `Debug`: that would print a backtrace where RUST_BACKTRACE is set.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let layout = Layout::from_env()?;
    let progress = Progress::default();
    match cli.action {
        Action::Forward { port, .. } => forward::serve(port),
        Action::InstallPrerequisites => doctor::install_prerequisites(current_backend(&layout)?),
        Action::CrashDrill { seed, count } => drill::run(&layout, seed, count, &progress),
        Action::Outside { command } => outside(&command),
        Action::KubectlEnv => kubectl_env(&layout),
        Action::BuildTools => {
            let sets = [tools::Set::Cluster, tools::Set::Scale];
            tools::ensure(&layout, &Workspace::find()?, &sets, &progress)?;
            progress.say(&format!("the tools are in {}", layout.bin().display()));
            Ok(())
        }
        Action::Doctor => doctor::report(&doctor::examine(current_backend(&layout)?, &layout)),
        Action::Status { json } => show_status(&layout, json),
        Action::Up { no_build } => up(&layout, !no_build, &progress),
        Action::Down => down(&layout, &progress),
        Action::BuildImages { no_build, names } => {
            build_or_load(&layout, &names, !no_build, false, &progress)
        }
        Action::Load { no_build, names } => build_or_load(&layout, &names, !no_build, true, &progress),
    }
}

/// What is up decides; when nothing is, the surroundings do.
fn current_backend(layout: &Layout) -> Result<Backend> {
    match Record::read(layout) {
        Some(record) => Ok(record.backend),
        None if layout.journal().exists() => Ok(Backend::Local),
        None => backend::select(&Surroundings::look(layout)),
    }
}

fn up(layout: &Layout, build: bool, progress: &Progress) -> Result<()> {
    let _lock = Lock::take(&layout.cache().join("cluster.lock"), "up or down", progress)?;
    let workspace = Workspace::find()?;
    let chosen = current_backend(layout)?;
    progress.say(&format!(
        "backend {chosen}, state in {}",
        layout.state().display()
    ));
    match chosen {
        Backend::Local => local::up(layout, &workspace, build, progress),
        Backend::Kind => kind::up(layout, &workspace, progress),
        Backend::External => external::up(layout, progress),
    }
}

fn down(layout: &Layout, progress: &Progress) -> Result<()> {
    let _lock = Lock::take(&layout.cache().join("cluster.lock"), "up or down", progress)?;
    match current_backend(layout)? {
        Backend::Local => local::down(layout, progress),
        Backend::Kind => kind::down(layout, progress),
        Backend::External => external::down(layout, progress),
    }
}

fn build_or_load(
    layout: &Layout,
    names: &[String],
    build: bool,
    load: bool,
    progress: &Progress,
) -> Result<()> {
    let workspace = Workspace::find()?;
    let chosen = images::select(names)?;
    let _lock = Lock::take(&layout.cache().join("images.lock"), "build of images", progress)?;
    match current_backend(layout)? {
        Backend::Kind => kind::load(layout, &workspace, &chosen, progress),
        Backend::External if load => {
            progress
                .say("the cluster of KUBECONFIG pulls its images: push these to a registry that it reaches");
            for image in &chosen {
                progress.say(&image.reference());
            }
            Ok(())
        }
        Backend::Local | Backend::External => {
            let archives = local::build_images(layout, &workspace, &chosen, build, progress)?;
            if load {
                local::load(layout, &archives, progress)
            } else {
                Ok(())
            }
        }
    }
}

fn show_status(layout: &Layout, json: bool) -> Result<()> {
    let now = match current_backend(layout)? {
        Backend::Local => status::local(layout),
        Backend::Kind => status::remote(layout, &Kubectl::on_host("kubectl".into(), layout.kubeconfig())),
        Backend::External => {
            let kubeconfig = std::env::var_os("KUBECONFIG").context("KUBECONFIG is not set any more")?;
            status::remote(layout, &Kubectl::on_host("kubectl".into(), kubeconfig.into()))
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&now)?);
    } else {
        println!("{}", now.state);
        for program in &now.programs {
            println!(
                "  {:<24} pid {:<8} {}",
                program.name,
                program.pid,
                if program.running { "running" } else { "GONE" }
            );
        }
    }
    if !now.is_up() {
        std::process::exit(1);
    }
    Ok(())
}

fn kubectl_env(layout: &Layout) -> Result<()> {
    let record = Record::read(layout).context("no cluster is up; run `tb-cluster up`")?;
    let address: IpAddr = record.outside_address;
    match record.backend {
        Backend::External => {}
        Backend::Kind => println!("export KUBECONFIG='{}'", layout.kubeconfig().display()),
        Backend::Local => {
            println!("export KUBECONFIG='{}'", layout.kubeconfig().display());
            println!("export KUBECACHEDIR='{}'", layout.kubectl_cache().display());
            for folder in ["CACHE", "CONFIG", "DATA"] {
                println!(
                    "export HELM_{folder}_HOME='{}'",
                    layout.helm_home().join(folder.to_lowercase()).display()
                );
            }
            println!("export PATH='{}':\"$PATH\"", layout.bin().display());
        }
    }
    println!("export TB_OUTSIDE_ADDRESS='{address}'");
    Ok(())
}

fn outside(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command given")?;
    netns::enter(Place::Outside)?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
