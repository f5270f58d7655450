//! Real Kubernetes programs in a network namespace of this machine.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::addons;
use crate::cgroup;
use crate::command;
use crate::control_plane;
use crate::doctor;
use crate::forward;
use crate::images::{self, Archive, Image, Set};
use crate::journal::{Entry, Journal};
use crate::kubeconfig;
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::netns::{self, Place};
use crate::network::{API_PORT, NODE_ADDRESS, OUTSIDE_ADDRESS};
use crate::node;
use crate::pki;
use crate::process::{self, Running};
use crate::progress::Progress;
use crate::record::{Backend, Record};
use crate::status;
use crate::sysctl;
use crate::teardown;
use crate::tools;
use crate::workspace::Workspace;

/// Brings the cluster up, or says that it is up.
pub fn up(layout: &Layout, workspace: &Workspace, build: bool, progress: &Progress) -> Result<()> {
    doctor::require_suited()?;
    if status::local(layout).is_up() {
        progress.say("the cluster is running already");
        return Ok(());
    }
    teardown::refuse_anothers(layout)?;
    let archives = prepare(layout, workspace, build, progress)?;
    clear_the_ground(layout, progress)?;
    let journal = progress.step("state folder, certificates, namespaces, control groups", || {
        lay_out(layout)
    })?;
    let (mut running, runtime) = thread::scope(|scope| {
        let runtime = scope.spawn(|| start_runtime(layout, workspace, &archives, &journal, progress));
        let api = progress.step("etcd and kube-apiserver", || {
            control_plane::start_api(layout, &journal)
        });
        let runtime = runtime
            .join()
            .map_err(|_| anyhow!("the thread that starts containerd failed"))?;
        anyhow::Ok((api?, runtime?))
    })?;
    running.push(runtime);
    let kubectl = Kubectl::inside(layout);
    running.extend(start_rest(layout, workspace, &journal, &kubectl, progress)?);
    progress.step("node Ready", || {
        checked(addons::await_node(&kubectl), &mut running)
    })?;
    progress.step("DNS Ready", || checked(addons::await_dns(&kubectl), &mut running))?;
    progress.step("nvidia.com/gpu on the node", || {
        checked(addons::await_gpus(&kubectl), &mut running)
    })?;
    progress.step("the way in from the host", || {
        let from_host = Kubectl::on_host(layout.tool("kubectl"), layout.kubeconfig());
        checked(
            command::until("the forwarder", Duration::from_secs(10), || {
                from_host.run(&["get", "--raw", "/readyz"])
            }),
            &mut running,
        )
    })?;
    let up_seconds = progress.elapsed().as_secs_f64();
    Record {
        backend: Backend::Local,
        outside_address: OUTSIDE_ADDRESS,
        up_seconds,
    }
    .write(layout)?;
    progress.say(&format!(
        "the cluster is up: export KUBECONFIG={}",
        layout.kubeconfig().display()
    ));
    Ok(())
}

/// Builds images and imports them into the running cluster.
pub fn load(layout: &Layout, archives: &[Archive], progress: &Progress) -> Result<()> {
    for archive in archives {
        let imported = progress.step(&format!("load {}", archive.reference), || {
            images::load(layout, archive)
        })?;
        if !imported {
            progress.say(&format!("  {} is there already", archive.reference));
        }
    }
    Ok(())
}

/// Builds the archives of these images; what has not changed is taken from the cache.
pub fn build_images(
    layout: &Layout,
    workspace: &Workspace,
    chosen: &[Image],
    build: bool,
    progress: &Progress,
) -> Result<Vec<Archive>> {
    if build {
        build_programs(workspace, progress)?;
    }
    chosen
        .iter()
        .map(|image| {
            progress.step(&format!("image {}", image.name), || {
                images::build(layout, workspace, image)
            })
        })
        .collect()
}

fn build_programs(workspace: &Workspace, progress: &Progress) -> Result<()> {
    progress.step("cargo build", || images::build_programs(workspace))
}

/// Everything that does not touch the machine: it goes on where an earlier try stopped.
fn prepare(layout: &Layout, workspace: &Workspace, build: bool, progress: &Progress) -> Result<Vec<Archive>> {
    tools::ensure(layout, workspace, &[tools::Set::Cluster], progress)?;
    let harness: Vec<Image> = images::catalog()
        .into_iter()
        .filter(|image| image.set == Set::Harness)
        .collect();
    if build {
        build_programs(workspace, progress)?;
    }
    build_images(layout, workspace, &harness, false, progress)
}

/// A half-made or dead cluster goes; a living one of another state folder is not touched.
fn clear_the_ground(layout: &Layout, progress: &Progress) -> Result<()> {
    if layout.journal().exists() {
        progress.say("an earlier cluster was not taken down; that comes first");
        return teardown::down(layout, progress);
    }
    teardown::refuse_anothers(layout)?;
    let left = [Place::Node, Place::Outside]
        .into_iter()
        .find(|place| place.path().exists());
    if let Some(place) = left {
        progress.say(&format!(
            "{} is left of a cluster whose state folder was deleted; that goes first",
            place.path().display()
        ));
        return teardown::down(layout, progress);
    }
    Ok(())
}

fn lay_out(layout: &Layout) -> Result<Journal> {
    for folder in [
        layout.state().to_path_buf(),
        layout.logs(),
        layout.config(),
        layout.run(),
    ] {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let journal = Journal::open(&layout.journal())?;
    note_the_machine(&journal)?;
    pki::write_cluster(&layout.pki())?;
    let server = format!("https://{NODE_ADDRESS}:{API_PORT}");
    for client in [
        "admin",
        "controller-manager",
        "scheduler",
        "proxy",
        "kubelet",
        "netpol",
    ] {
        let path = layout.config().join(format!("{client}.kubeconfig"));
        kubeconfig::write(&path, &layout.pki(), client, &server)?;
    }
    kubeconfig::write(&layout.outside_kubeconfig(), &layout.pki(), "admin", &server)?;
    sysctl::apply(&journal)?;
    netns::create(&journal)?;
    cgroup::create(&journal)?;
    // The kubelet makes this folder, and a pod that mounts it wants it to be there first.
    fs::create_dir_all("/var/lib/kubelet/device-plugins")?;
    Ok(journal)
}

/// What was there before, so that `down` can tell ours from others'.
fn note_the_machine(journal: &Journal) -> Result<()> {
    journal.write(&Entry::NamespacesBefore {
        names: teardown::namespace_names(),
        mounted: teardown::folder_is_mounted()?,
    })?;
    for path in teardown::absent_places() {
        journal.write(&Entry::Outside { path })?;
    }
    Ok(())
}

fn start_runtime(
    layout: &Layout,
    workspace: &Workspace,
    archives: &[Archive],
    journal: &Journal,
    progress: &Progress,
) -> Result<Running> {
    let running = progress.step("containerd", || node::start_runtime(layout, workspace, journal))?;
    progress.step("import images", || {
        archives
            .iter()
            .try_for_each(|archive| images::load(layout, archive).map(drop))
    })?;
    Ok(running)
}

fn start_rest(
    layout: &Layout,
    workspace: &Workspace,
    journal: &Journal,
    kubectl: &Kubectl,
    progress: &Progress,
) -> Result<Vec<Running>> {
    let port = forward::choose_port()?;
    kubeconfig::write(
        &layout.kubeconfig(),
        &layout.pki(),
        "admin",
        &format!("https://127.0.0.1:{port}"),
    )?;
    let mut running = vec![process::start(layout, journal, &forward::daemon(layout, port)?)?];
    running.extend(control_plane::start_controllers(layout, journal)?);
    progress.step("rights of the cluster's own clients", || {
        addons::apply_rights(kubectl)
    })?;
    running.push(node::start_netpol(layout, workspace, journal)?);
    running.extend(node::start_agents(layout, journal)?);
    progress.step("apply DNS and the fake GPU", || {
        addons::apply_dns(kubectl).and_then(|()| addons::apply_fake_gpu(kubectl))
    })?;
    Ok(running)
}

/// When waiting was in vain, a program that has ended is the better reason.
fn checked<T>(result: Result<T>, running: &mut [Running]) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => match control_plane::check(running) {
            Ok(()) => Err(error),
            Err(ended) => Err(error.context(ended.to_string())),
        },
    }
}

/// Takes the cluster down.
pub fn down(layout: &Layout, progress: &Progress) -> Result<()> {
    doctor::require_suited()?;
    if !layout.state().exists() && !Path::new("/run/netns").join(Place::Node.name()).exists() {
        progress.say("there is no cluster; looking for left-overs all the same");
    }
    teardown::down(layout, progress)
}
