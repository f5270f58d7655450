//! Deaths and restarts, of the sentinel and of what is around it.

use std::io::Read as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::world::{Asset, Runtime, World, eventually, get, weights};

#[test]
fn a_killed_start_is_taken_up_where_it_ended() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let shared = &world.servers.world;
    shared.stall_after.store(20, Ordering::SeqCst);
    let mut sentinel = world.sentinel(&[("TB_DOWNLOAD_CONCURRENCY", "1")]);
    eventually("twenty ranges", || shared.ranges.load(Ordering::SeqCst) > 20);
    sentinel.signal(Signal::SIGKILL);
    sentinel.ended();
    shared.stall_after.store(usize::MAX, Ordering::SeqCst);
    shared.ranges.store(0, Ordering::SeqCst);
    let mut sentinel = world.sentinel(&[]);
    // The dead one had offered its file already: a runtime that came too early would wait at that FIFO.
    sentinel.wait_for("Decrypt");
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    assert_eq!(runtime.sums()["model-pipe"], asset.sha256("model.tbenc"));
    let ranges = asset.blobs["model.tbenc"].len().div_ceil(65_536);
    assert_eq!(shared.ranges.load(Ordering::SeqCst), ranges - 20);
}

#[test]
fn what_a_dead_start_left_damaged_is_fetched_again() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    sentinel.signal(Signal::SIGKILL);
    sentinel.ended();
    let file = world.target().join("model.tbenc");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1_000_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    assert_eq!(runtime.sums()["model-pipe"], asset.sha256("model.tbenc"));
}

#[test]
fn a_reader_that_dies_is_served_again_from_the_beginning() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    eventually("the signal", || world.ready_signal().exists());
    let mut half = vec![0; 1_500_000];
    std::fs::File::open(world.pipe())
        .unwrap()
        .read_exact(&mut half)
        .unwrap();
    assert_eq!(half, asset.plain["model.tbenc"][..half.len()]);
    // All but the last byte: every write of the sentinel has succeeded, and still it was not read.
    eventually("the FIFO anew", || world.pipe().exists());
    let mut most = vec![0; asset.plain["model.tbenc"].len() - 1];
    std::fs::File::open(world.pipe())
        .unwrap()
        .read_exact(&mut most)
        .unwrap();
    eventually("the FIFO anew", || world.pipe().exists());
    assert_eq!(sentinel.status().unwrap()["delivered"], false);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    assert_eq!(runtime.sums()["model-pipe"], asset.sha256("model.tbenc"));
    sentinel.wait_for("Ready");
}

#[test]
fn a_runtime_that_starts_anew_is_served_anew_and_clients_are_told_to_wait() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    runtime.die();
    sentinel.wait_for("Decrypt");
    let refused = get(world.public, "/v1/demo");
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    assert_eq!(get(world.public, "/health").status, 503);
    let again = Runtime::start(&world, weights(&world, &asset));
    assert_eq!(again.sums()["model-pipe"], asset.sha256("model.tbenc"));
    sentinel.wait_for("Ready");
    assert_eq!(get(world.public, "/v1/demo").status, 200);
}

#[test]
fn a_sentinel_that_dies_beside_a_loaded_runtime_serves_again() {
    let asset = Asset::directory();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    let runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    sentinel.signal(Signal::SIGKILL);
    sentinel.ended();
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Ready");
    assert_eq!(get(world.public, "/v1/demo").status, 200);
    runtime.die();
    sentinel.wait_for("Decrypt");
    let again = Runtime::start(&world, weights(&world, &asset));
    assert_eq!(again.sums().len(), 2);
    sentinel.wait_for("Ready");
}

#[test]
fn a_reader_that_waits_at_a_dead_sentinels_fifo_is_woken() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    eventually("the signal", || world.ready_signal().exists());
    sentinel.signal(Signal::SIGKILL);
    sentinel.ended();
    let pipe = world.pipe();
    let waiting = std::thread::spawn(move || std::fs::read(pipe).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    assert_eq!(waiting.join().unwrap(), b"");
}

#[test]
fn a_stop_while_waiting_ends_at_once() {
    let asset = Asset::single();
    let world = World::new(&asset);
    let mut sentinel = world.sentinel(&[]);
    sentinel.wait_for("Decrypt");
    let asked = std::time::Instant::now();
    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5));
}
