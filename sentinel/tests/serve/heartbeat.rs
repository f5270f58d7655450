//! The sign of life of the whole program, behind its fence.

use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;

use crate::world::{Asset, Runtime, World, eventually, get, weights};

/// The variables that make it beat, with the token in a folder of its own, as the kubelet mounts it.
fn variables(world: &World) -> Vec<(&'static str, String)> {
    let folder = world.disk.path().join("api");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("token"), "tok-first").unwrap();
    std::fs::copy(world.disk.path().join("ca.crt"), folder.join("ca.crt")).unwrap();
    let control = world.servers.control;
    vec![
        ("TB_LEASE", "tb-acme-protected/tp-x-heartbeat".to_owned()),
        ("TB_API_TOKEN_PATH", folder.join("token").display().to_string()),
        ("TB_API_CA_PATH", folder.join("ca.crt").display().to_string()),
        ("KUBERNETES_SERVICE_HOST", control.ip().to_string()),
        ("KUBERNETES_SERVICE_PORT", control.port().to_string()),
    ]
}

fn beats(world: &World) -> Vec<(String, serde_json::Value)> {
    world.servers.world.beats.lock().unwrap().clone()
}

/// An API server that is away holds up nothing; once it is back, the Lease is renewed again, with the token of then.
#[test]
fn an_api_server_that_is_away_holds_up_nothing() {
    let asset = Asset::single();
    let world = World::new(&asset);
    world.servers.world.api_down.store(true, Ordering::SeqCst);
    let variables = variables(&world);
    let more: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut sentinel = world.sentinel(&more);
    sentinel.wait_for("Decrypt");
    let _runtime = Runtime::start(&world, weights(&world, &asset));
    sentinel.wait_for("Ready");
    assert_eq!(get(world.public, "/v1/demo").status, 200);
    eventually("beats that are refused", || beats(&world).len() >= 2);
    let (token, body) = beats(&world).remove(0);
    assert_eq!(token, "Bearer tok-first");
    assert_eq!(body["kind"], "Lease");
    let boot = body["spec"]["holderIdentity"].as_str().unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&boot).is_ok(), "{boot}");
    // As the kubelet does it: another file takes the place.
    let folder = world.disk.path().join("api");
    std::fs::write(folder.join("next"), "tok-second").unwrap();
    std::fs::rename(folder.join("next"), folder.join("token")).unwrap();
    world.servers.world.api_down.store(false, Ordering::SeqCst);
    eventually("a beat with the new token", || {
        beats(&world)
            .iter()
            .any(|(token, _)| token == "Bearer tok-second")
    });
    eventually("word of it", || {
        sentinel.log().contains("the Lease is renewed again")
    });
    assert!(
        beats(&world)
            .iter()
            .all(|(_, body)| body["spec"]["holderIdentity"] == boot.as_str())
    );
    let log = sentinel.log();
    assert!(!log.contains("Bearer") && !log.contains("tok-"), "{log}");
    sentinel.signal(Signal::SIGTERM);
    assert_eq!(sentinel.ended().code(), Some(0));
}
