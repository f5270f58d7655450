//! B13 to B15: encodings, TLS and lengths; and when a store is asked at all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::process::eventually;
use crate::scene::{RANGE, Scene, largest_file, single};
use crate::store::Kind;
use crate::transfer::{lasts, passes};
use crate::trust::Flaw;
use crate::wire::{Act, Answer, End, serve};

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
