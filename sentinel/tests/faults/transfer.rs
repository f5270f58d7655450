//! B1 to B15 while it hydrates: what a store and the way to it can do to a transfer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::scene::{RANGE, Scene, WORKERS, directory, eventually, largest_file, single};
use crate::store::{BlobAsk, Kind};
use crate::trust::Flaw;
use crate::wire::{Act, Answer, End, serve};

/// Failures in a row that one piece of work bears, its own and those of the others beside it.
const STORM: usize = 6 * WORKERS;

/// Breaks the first `faults` ranges, each once.
fn ranges_break(scene: &Scene, faults: usize, act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    scene
        .store
        .breaks(move |ask| (ask.kind == Kind::Range && ask.n <= faults).then(|| act(ask)));
}

/// A fault in ranges that passes: Ready, and at most one range is asked for again for each.
fn passes(act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    let scene = Scene::new(single());
    ranges_break(&scene, 5, act);
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    scene.fetched_at_most(5 * RANGE);
    assert_eq!(scene.plane.asked(), 1);
}

/// A fault in every range: it gives up after a number of attempts that has a bound.
fn lasts(act: impl Fn(&BlobAsk) -> Act + Send + 'static) {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, act);
    let mut sentinel = scene.start();
    scene.gives_up(&mut sentinel, "Unavailable");
    let ranges = scene.store.ranges.load(Ordering::SeqCst);
    assert!(ranges <= STORM, "{ranges} attempts");
    assert_eq!(scene.plane.asked(), 1);
}

pub fn short_bodies_are_taken_up() {
    passes(|ask| ask.usual().cut(RANGE / 3, End::Close));
}

pub fn short_bodies_for_ever() {
    lasts(|ask| ask.usual().cut(1000, End::Close));
}

pub fn resets_are_taken_up() {
    passes(|ask| ask.usual().cut(RANGE / 2, End::Reset));
}

pub fn resets_for_ever() {
    lasts(|ask| ask.usual().cut(0, End::Reset));
}

pub fn a_trickle_is_given_up_and_tried_again() {
    passes(|ask| ask.usual().whole().dripping(Duration::from_millis(200)));
}

/// A byte now and then is progress of a kind, and must not make the budget whole again.
pub fn a_trickle_for_ever() {
    lasts(|ask| ask.usual().whole().dripping(Duration::from_millis(200)));
}

pub fn stalls_are_given_up_and_tried_again() {
    passes(|ask| ask.usual().cut(RANGE / 2, End::Stall));
}

pub fn a_stall_before_the_head_is_given_up() {
    passes(|_| Act::silence());
}

/// SIGTERM while every worker waits.
pub fn a_stop_in_the_middle_of_a_stall() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| ask.usual().cut(RANGE / 2, End::Stall));
    let mut sentinel = scene.start_with(&[("TB_DOWNLOAD_IDLE_SECONDS", "600")], &[]);
    eventually("all workers wait", || {
        scene.store.ranges.load(Ordering::SeqCst) == WORKERS
    });
    assert_eq!(sentinel.state(), "Hydrate");
    sentinel.stops(0);
    assert!(!sentinel.was_open());
}

pub fn a_whole_blob_for_a_range_is_refused() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| {
        Answer::new(200, ask.blob).with("etag", ask.etag).whole()
    });
    let mut sentinel = scene.start();
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("must support Range"),
        "{report}"
    );
    let landed = std::fs::read(scene.landed()).unwrap();
    assert!(
        landed.iter().all(|byte| *byte == 0),
        "a whole body was written somewhere"
    );
}

/// Five ways to tell another range than the asked one.
fn mislabelled(ask: &BlobAsk) -> Answer {
    let (from, last, all) = (ask.start, ask.end - 1, ask.blob.len());
    let usual = ask.usual();
    match ask.n % 5 {
        0 => usual.without("content-range"),
        1 => usual.with("content-range", &format!("bytes {}-{}/{all}", from + 1, last + 1)),
        2 => usual.with("content-range", &format!("bytes {from}-{last}/{}", all + 1)),
        3 => usual.with(
            "content-range",
            &format!("bytes {from}-{}/{all}", last.saturating_sub(5)),
        ),
        _ => usual
            .without("content-range")
            .with("content-type", "multipart/byteranges; boundary=x"),
    }
}

pub fn mislabelled_ranges_are_asked_for_again() {
    passes(|ask| mislabelled(ask).whole());
}

pub fn mislabelled_ranges_for_ever() {
    lasts(|ask| mislabelled(ask).whole());
}

/// The blob is overwritten with the same bytes; the store enforces `If-Match`.
pub fn another_etag_begins_again() {
    let scene = Scene::new(single());
    let store = scene.store.clone();
    scene.store.breaks(move |ask| {
        if ask.kind == Kind::Range && ask.n == 5 {
            store.set_etag("\"0x8DB2\"");
            return Some(store.error(412, "ConditionNotMet").whole());
        }
        None
    });
    let mut sentinel = scene.start();
    scene.gets_ready(&mut sentinel);
    assert_eq!(scene.plane.asked(), 2);
    scene.fetched_at_most(6 * RANGE + WORKERS * RANGE);
}

/// It is overwritten whenever somebody looks away, by a store that ignores `If-Match`.
pub fn another_etag_each_time() {
    let scene = Scene::new(single());
    ranges_break(&scene, usize::MAX, |ask| {
        ask.usual().with("etag", &format!("\"{}\"", ask.n)).whole()
    });
    let mut sentinel = scene.start();
    let report = scene.gives_up(&mut sentinel, "Unavailable");
    assert!(
        report["message"].as_str().unwrap().contains("overwrite"),
        "{report}"
    );
    assert_eq!(scene.plane.asked(), 3);
}

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

pub fn encoded_bodies_are_asked_for_again() {
    passes(|ask| ask.usual().with("content-encoding", "gzip").whole());
}

pub fn encoded_bodies_for_ever() {
    lasts(|ask| ask.usual().with("content-encoding", "gzip").whole());
}

/// A manifest that expands to a thousand times its size: it is taken as it is, and is none.
pub fn a_manifest_that_is_a_bomb() {
    let scene = Scene::new(single());
    // One stored gzip member of nothing; what matters is that nobody unpacks it.
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    scene.store.breaks(move |ask| {
        let packed = Answer::new(200, gzip).with("content-encoding", "gzip");
        (ask.kind == Kind::Manifest).then(|| packed.whole())
    });
    let mut sentinel = scene.start();
    scene.is_suspended(&mut sentinel, "Integrity");
    scene.fetched_at_most(0);
    let scene = Scene::new(single());
    scene.store.breaks(|ask| {
        let endless = Answer::new(200, vec![b' '; 40 << 20]);
        (ask.kind == Kind::Manifest).then(|| endless.whole())
    });
    let mut sentinel = scene.start();
    scene.gives_up(&mut sentinel, "Unavailable");
}

/// A store whose certificate is wrong in one way, or that has none.
pub fn stores_that_prove_nothing() {
    let flaws = [
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::OtherHost,
        Flaw::SelfSigned,
    ];
    for flaw in flaws.map(Some).into_iter().chain([None]) {
        let scene = Scene::new(single());
        let tls = flaw.map(|flaw| scene.authority.acceptor(scene.ip, flaw));
        let free = std::net::SocketAddr::from((scene.ip, 0));
        let at = serve(scene.tokio.handle(), free, tls, scene.store.script());
        *scene.plane.store.lock().unwrap() = Some(at);
        let mut sentinel = scene.start();
        scene.gives_up(&mut sentinel, "Unavailable");
        assert_eq!(
            scene.store.hits.load(Ordering::SeqCst),
            0,
            "{flaw:?}: it was asked all the same"
        );
    }
}

/// TLS ends without a word: what was not complete by its length is not complete.
pub fn tls_that_ends_without_a_word() {
    passes(|ask| match ask.n % 2 {
        0 => ask.usual().cut(RANGE / 2, End::Cut),
        // Neither a length nor a last chunk: only the end of the connection could tell.
        _ => ask
            .usual()
            .with("transfer-encoding", "identity")
            .cut(RANGE / 2, End::Cut),
    });
}

pub fn lengths_that_lie_at_head() {
    for length in ["0", "1", "9223372036854775808", "18446744073709551615"] {
        let scene = Scene::new(single());
        scene.store.breaks(move |ask| {
            (ask.kind == Kind::Head).then(|| ask.usual().with("content-length", length).whole())
        });
        let mut sentinel = scene.start();
        scene.is_suspended(&mut sentinel, "Integrity");
        assert!(
            largest_file(&scene.target()) < 10_000,
            "room was taken before the length was judged"
        );
    }
    let scene = Scene::new(single());
    scene.store.breaks(|ask| {
        let unknown = ask
            .usual()
            .without("content-length")
            .with("transfer-encoding", "chunked");
        (ask.kind == Kind::Head).then(|| unknown.whole())
    });
    let mut sentinel = scene.start();
    scene.gives_up(&mut sentinel, "Unavailable");
}

/// Chunked bodies that are longer or shorter than the range, and a length that is not the body's.
pub fn lengths_that_lie_in_a_range() {
    passes(|ask| {
        let part = &ask.blob[ask.start..ask.end];
        let chunked = |bytes: &[u8]| {
            let mut body = format!("{:x}\r\n", bytes.len()).into_bytes();
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n0\r\n\r\n");
            ask.of(&body).with("transfer-encoding", "chunked").whole()
        };
        match ask.n % 3 {
            0 => chunked(&[part, &[7; 100]].concat()),
            1 => chunked(&part[..part.len() / 2]),
            _ => ask
                .usual()
                .with("content-length", &(part.len() / 2).to_string())
                .cut(part.len() / 2, End::Close),
        }
    });
}

/// After the last byte landed nothing of it matters any more: the store is gone, and Decrypt and Ready go on.
pub fn the_store_is_not_asked_after_hydration() {
    let scene = Scene::new(single());
    let mut sentinel = scene.start();
    sentinel.wait_for("Decrypt");
    let hits = scene.store.hits.load(Ordering::SeqCst);
    scene.store.breaks(|ask| Some(ask.usual().cut(0, End::Reset)));
    scene.load();
    sentinel.wait_for("Ready");
    scene.model.is_empty();
    scene.load();
    sentinel.wait_for("Ready");
    assert_eq!(scene.store.hits.load(Ordering::SeqCst), hits);
    scene.fetched_at_most(0);
    sentinel.stops(0);
}

/// Before the authorisation there is nothing to ask a store for.
pub fn the_store_is_not_asked_before_the_authorisation() {
    let scene = Scene::new(single());
    scene.plane.breaks(|_, _| Some(Act::silence()));
    let mut sentinel = scene.start();
    sentinel.wait_for("Authorize");
    eventually("a question", || scene.plane.asked() == 1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(scene.store.hits.load(Ordering::SeqCst), 0);
    assert_eq!(largest_file(&scene.target()), 0);
    sentinel.stops(0);
}
