//! B8 to B12 while it hydrates: refusals, waits, errors and redirects of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::eventually;
use crate::scene::{RANGE, Scene, WORKERS, directory, single};
use crate::store::Kind;
use crate::transfer::{lasts, passes, ranges_break};
use crate::trust::Flaw;
use crate::wire::{Answer, End, serve};

/// The SAS of all workers runs out at once, in the middle of their bodies.
fn expires_at_once(azurite: bool) {
    let scene = Scene::new(single());
    scene.store.azurite.store(azurite, Ordering::SeqCst);
    let store = scene.store.clone();
    ranges_break(&scene, 12 + WORKERS, move |ask| {
        if ask.n <= 12 {
            return ask.usual().whole();
        }
        store.expire_before(2);
        ask.usual().cut(RANGE / 4, End::Reset)
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 2, "one authorisation for all workers");
    assert!(scene.store.refused.load(Ordering::SeqCst) >= 1);
    scene.fetched_at_most(WORKERS * RANGE);
}

pub fn a_sas_runs_out_on_all_workers_as_azure_says_it() {
    expires_at_once(false);
}

pub fn a_sas_runs_out_on_all_workers_as_azurite_says_it() {
    expires_at_once(true);
}

/// All workers stand before the store with the same old SAS and are refused together.
pub fn refused_together_they_ask_once() {
    let scene = Scene::new(single());
    let store = scene.store.clone();
    ranges_break(&scene, WORKERS, move |_| {
        store
            .error(403, "AuthenticationFailed")
            .whole()
            .after(Duration::from_millis(300))
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 2);
    scene.fetched_at_most(WORKERS * RANGE);
}

/// The first SAS never works: the manifest is refused, and then HEAD.
pub fn a_sas_dead_on_arrival() {
    for azurite in [false, true] {
        let scene = Scene::new(directory());
        scene.store.azurite.store(azurite, Ordering::SeqCst);
        scene.store.expire_before(2);
        let store = scene.store.clone();
        scene.store.breaks(move |ask| {
            if ask.kind == Kind::Manifest {
                store.expire_before(3);
            }
            None
        });
        let mut sentinel = scene.start();
        scene.gets_ready(&mut sentinel);
        assert_eq!(scene.plane.asked(), 3);
        scene.fetched_at_most(0);
    }
}

/// The renewed URL names another store, where the same blob has another `ETag`.
pub fn a_renewed_url_points_elsewhere() {
    let scene = Scene::new(single());
    let elsewhere = crate::store::Store::new(scene.asset);
    elsewhere.set_etag("\"0xE15E\"");
    let tls = scene.authority.acceptor(scene.ip, Flaw::None);
    let free = std::net::SocketAddr::from((scene.ip, 0));
    let at = serve(scene.tokio.handle(), free, Some(tls), elsewhere.script());
    let (plane, store) = (scene.plane.clone(), scene.store.clone());
    ranges_break(&scene, usize::MAX, move |ask| {
        if ask.n > 10 {
            *plane.store.lock().unwrap() = Some(at);
            store.expire_before(2);
        }
        ask.usual().whole()
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    // The SAS, and once more because the blob is another one.
    assert_eq!(scene.plane.asked(), 3);
    assert!(elsewhere.asked_bytes() <= scene.ciphertext_bytes() + WORKERS * RANGE);
}

pub fn refused_for_ever_is_a_no() {
    let scene = Scene::new(single());
    scene.store.expire_before(usize::MAX);
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Denied");
    assert_eq!(scene.plane.asked(), 3);
    scene.fetched_at_most(0);
}

/// A right that is missing in the SAS does not come by asking again.
pub fn a_missing_right_is_a_no() {
    for code in [
        "AuthorizationPermissionMismatch",
        "AuthorizationSourceIPMismatch",
        "AccountIsDisabled",
    ] {
        let scene = Scene::new(single());
        let store = scene.store.clone();
        ranges_break(&scene, usize::MAX, move |_| store.error(403, code).whole());
        let mut sentinel = scene.start();
        scene.is_suspended(&mut sentinel, "Denied");
        assert_eq!(scene.plane.asked(), 1);
    }
}

pub fn retry_after_in_every_form() {
    let told = [
        "0",
        "-1",
        "soon",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "99999999999999999999999999",
        "1",
    ];
    let scene = Scene::new(single());
    scene.store.breaks(move |ask| {
        let text = told.get(ask.n.checked_sub(1)?)?;
        let status = if ask.n % 2 == 0 { 429 } else { 503 };
        (ask.kind == Kind::Range).then(|| Answer::new(status, "").with("retry-after", text).whole())
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(told.len() * RANGE);
}

/// A `Retry-After` of zero must not turn the attempts into a storm.
pub fn retry_after_zero_is_no_storm() {
    let begun = Instant::now();
    lasts(|_| Answer::new(503, "").with("retry-after", "0").whole());
    assert!(
        begun.elapsed() > Duration::from_secs(2),
        "six attempts without a pause"
    );
}

/// Thirty years are waited for a minute at most, and SIGTERM not at all.
pub fn retry_after_for_ages() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |_| {
        Answer::new(503, "").with("retry-after", "1000000000").whole()
    });
    let mut sentinel = scene.start();
    let ranges = || scene.store.ranges.load(Ordering::SeqCst);
    eventually("all workers wait", || ranges() == WORKERS);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((ranges(), sentinel.state().as_str()), (WORKERS, "Hydrate"));
    sentinel.stops(0);
}

pub fn server_errors_are_ridden_out() {
    passes(|ask| Answer::new([500, 502, 504, 503, 408][ask.n % 5], "<html>no</html>").whole());
}

pub fn server_errors_for_ever() {
    lasts(|ask| Answer::new([500, 502, 504][ask.n % 3], "").whole());
}

/// The same storms over manifest and HEAD.
pub fn server_errors_before_the_first_range() {
    for kind in [Kind::Manifest, Kind::Head] {
        let scene = Scene::new(single());
        scene
            .store
            .breaks(move |ask| (ask.kind == kind && ask.n < 3).then(|| Answer::new(502, "").whole()));
        let mut sentinel = scene.start();
        scene.gets_ready(&mut sentinel);
        scene.fetched_at_most(0);
        let scene = Scene::new(single());
        scene
            .store
            .breaks(move |ask| (ask.kind == kind).then(|| Answer::new(500, "").cut(0, End::Reset)));
        let mut sentinel = scene.start();
        scene.gives_up(&mut sentinel, "Unavailable");
        scene.fetched_at_most(0);
    }
}

#[derive(Clone, Copy)]
enum To {
    Itself,
    Other,
    Plain,
    Metadata,
}

pub fn redirects_are_not_followed() {
    let visited = Arc::new(AtomicUsize::new(0));
    for (status, kind, to) in [
        (302, Kind::Manifest, To::Other),
        (307, Kind::Head, To::Plain),
        (301, Kind::Range, To::Metadata),
        (308, Kind::Range, To::Itself),
    ] {
        let scene = Scene::new(single());
        let trap = |tls| {
            let visits = visited.clone();
            let script = Arc::new(move |_: &_| {
                visits.fetch_add(1, Ordering::SeqCst);
                Answer::new(200, "").whole()
            });
            let free = std::net::SocketAddr::from((scene.ip, 0));
            serve(scene.tokio.handle(), free, tls, script)
        };
        let other = trap(Some(scene.authority.acceptor(scene.ip, Flaw::None)));
        let plain = trap(None);
        let own = scene.plane.store.lock().unwrap().unwrap();
        let to = match to {
            To::Itself => format!("https://{own}/again"),
            To::Other => format!("https://{other}/x"),
            To::Plain => format!("http://{plain}/x"),
            To::Metadata => "http://169.254.169.254/metadata/instance".to_owned(),
        };
        scene.store.breaks(move |ask| {
            (ask.kind == kind).then(|| Answer::new(status, "").with("location", &to).whole())
        });
        let mut sentinel = scene.start();
        scene.gives_up(&mut sentinel, "Unavailable");
        assert!(scene.store.hits.load(Ordering::SeqCst) <= 2 + WORKERS);
    }
    assert_eq!(visited.load(Ordering::SeqCst), 0, "a redirect was followed");
}
