//! A model server: healthy when told so, and slow, silent or dead when told that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::wire::{self, Act, Answer, Ask};

#[derive(Default)]
pub struct Model {
    healthy: AtomicBool,
    ever: AtomicBool,
    silent: AtomicBool,
    pub requests: AtomicUsize,
}

impl Model {
    pub fn start(tokio: &tokio::runtime::Handle, at: SocketAddr) -> Arc<Self> {
        let model = Arc::new(Self::default());
        let answers = model.clone();
        wire::serve(tokio, at, None, Arc::new(move |ask| answers.answer(ask)));
        model
    }

    pub fn is_healthy(&self) {
        self.ever.store(true, Ordering::SeqCst);
        self.healthy.store(true, Ordering::SeqCst);
    }

    /// As after a restart: it answers, and has nothing loaded.
    pub fn is_empty(&self) {
        self.healthy.store(false, Ordering::SeqCst);
    }

    /// It takes requests and never answers any.
    pub fn hangs(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    pub fn ever_healthy(&self) -> bool {
        self.ever.load(Ordering::SeqCst)
    }

    fn answer(&self, ask: &Ask) -> Act {
        if self.silent.load(Ordering::SeqCst) {
            return Act::silence();
        }
        if ask.path == "/health" {
            let status = if self.healthy.load(Ordering::SeqCst) {
                200
            } else {
                503
            };
            return Answer::new(status, "").whole();
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        if ask.body == b"think" {
            return Act::silence();
        }
        Answer::new(200, ask.body.clone()).whole()
    }
}
