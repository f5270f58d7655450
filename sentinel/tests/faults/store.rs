//! A blob store: manifest, HEAD, ranges with `If-Match`, a SAS that runs out, in the words of Azure or of Azurite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::asset::{Asset, ID};
use super::wire::{Act, Answer, Ask, Script};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Manifest,
    Head,
    Range,
}

/// One admitted request.
pub struct BlobAsk<'a> {
    pub kind: Kind,
    /// Counts the requests of this kind, from 1.
    pub n: usize,
    pub start: usize,
    pub end: usize,
    pub blob: &'a [u8],
    pub etag: &'a str,
}

impl BlobAsk<'_> {
    /// What a store answers when nothing is wrong.
    pub fn usual(&self) -> Answer {
        match self.kind {
            Kind::Manifest => Answer::new(200, self.blob).with("etag", self.etag),
            Kind::Head => Answer::new(200, "")
                .with("content-length", &self.blob.len().to_string())
                .with("etag", self.etag),
            Kind::Range => self.of(&self.blob[self.start..self.end]),
        }
    }

    /// These bytes as if they were the asked ones.
    pub fn of(&self, bytes: &[u8]) -> Answer {
        let told = format!("bytes {}-{}/{}", self.start, self.end - 1, self.blob.len());
        Answer::new(206, bytes)
            .with("etag", self.etag)
            .with("content-range", &told)
    }
}

/// Breaks a request, or leaves it alone.
type Hook = Box<dyn FnMut(&BlobAsk) -> Option<Act> + Send>;

pub struct Store {
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    etag: Mutex<String>,
    /// A SAS of an earlier authorisation than this is refused.
    valid_from: AtomicUsize,
    /// Azurite's words for a refusal instead of Azure's.
    pub azurite: AtomicBool,
    hook: Mutex<Option<Hook>>,
    pub manifests: AtomicUsize,
    pub heads: AtomicUsize,
    pub ranges: AtomicUsize,
    /// Every range that was asked for and admitted: file, start, end.
    pub asked: Mutex<Vec<(String, usize, usize)>>,
    pub refused: AtomicUsize,
    /// Requests of any kind.
    pub hits: AtomicUsize,
}

impl Store {
    pub fn new(asset: &Asset) -> Arc<Self> {
        let mut blobs = asset.blobs.clone();
        blobs.insert("model.manifest.json".to_owned(), asset.manifest.clone());
        Arc::new(Self {
            blobs: Mutex::new(blobs),
            etag: Mutex::new("\"0x8DB1\"".to_owned()),
            valid_from: AtomicUsize::new(0),
            azurite: AtomicBool::new(false),
            hook: Mutex::default(),
            manifests: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            ranges: AtomicUsize::new(0),
            asked: Mutex::default(),
            refused: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
        })
    }

    pub fn script(self: &Arc<Self>) -> Script {
        let store = self.clone();
        Arc::new(move |ask| store.answer(ask))
    }

    /// Puts a fault in place.
    pub fn breaks(&self, hook: impl FnMut(&BlobAsk) -> Option<Act> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn heals(&self) {
        *self.hook.lock().unwrap() = None;
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.blobs.lock().unwrap().get_mut(name).unwrap());
    }

    pub fn set_etag(&self, etag: &str) {
        etag.clone_into(&mut self.etag.lock().unwrap());
    }

    /// From now on only a SAS of this authorisation or a later one is good.
    pub fn expire_before(&self, generation: usize) {
        self.valid_from.store(generation, Ordering::SeqCst);
    }

    /// Ciphertext bytes that were asked for.
    pub fn asked_bytes(&self) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|(_, from, to)| to - from)
            .sum()
    }

    /// An error in the store's own words.
    pub fn error(&self, status: u16, code: &str) -> Answer {
        let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>");
        let answer = Answer::new(status, body).with("x-ms-error-code", code);
        // Azurite's ranged GET tells the code in the document alone.
        if self.azurite.load(Ordering::SeqCst) {
            answer.without("x-ms-error-code")
        } else {
            answer
        }
    }

    fn unauthorised(&self) -> Answer {
        let code = if self.azurite.load(Ordering::SeqCst) {
            "AuthorizationFailure"
        } else {
            "AuthenticationFailed"
        };
        self.refused.fetch_add(1, Ordering::SeqCst);
        self.error(403, code)
    }

    fn answer(&self, ask: &Ask) -> Act {
        self.hits.fetch_add(1, Ordering::SeqCst);
        let sas = ask
            .query
            .split('&')
            .find_map(|part| part.strip_prefix("sig=secret-"));
        let generation: usize = sas.and_then(|text| text.parse().ok()).unwrap_or(0);
        let head = ask.method == "HEAD";
        // An answer to HEAD has no body, and tells the code in its header.
        let bare = |answer: Answer, code: &str| {
            if head {
                Answer::new(answer.status, "")
                    .with("x-ms-error-code", code)
                    .whole()
            } else {
                answer.whole()
            }
        };
        if generation == 0 || generation < self.valid_from.load(Ordering::SeqCst) {
            return bare(self.unauthorised(), "AuthenticationFailed");
        }
        let name = ask
            .path
            .strip_prefix(&format!("/c/models/{ID}/"))
            .unwrap_or_default();
        let Some(blob) = self.blobs.lock().unwrap().get(name).cloned() else {
            return bare(self.error(404, "BlobNotFound"), "BlobNotFound");
        };
        let etag = self.etag.lock().unwrap().clone();
        self.judged(ask, name, &blob, &etag)
    }

    fn judged(&self, ask: &Ask, name: &str, blob: &[u8], etag: &str) -> Act {
        let (kind, counter) = match (ask.method.as_str(), ask.header("range")) {
            ("HEAD", _) => (Kind::Head, &self.heads),
            (_, Some(_)) => (Kind::Range, &self.ranges),
            _ => (Kind::Manifest, &self.manifests),
        };
        let n = counter.fetch_add(1, Ordering::SeqCst) + 1;
        let (start, end) = ask.header("range").map_or((0, 0), range_of);
        if kind == Kind::Range {
            self.asked.lock().unwrap().push((name.to_owned(), start, end));
        }
        let question = BlobAsk {
            kind,
            n,
            start,
            end,
            blob,
            etag,
        };
        let broken = self
            .hook
            .lock()
            .unwrap()
            .as_mut()
            .and_then(|hook| hook(&question));
        if let Some(act) = broken {
            return act;
        }
        if ask.header("if-match").is_some_and(|pinned| pinned != etag) {
            return self.error(412, "ConditionNotMet").whole();
        }
        question.usual().whole()
    }
}

fn range_of(text: &str) -> (usize, usize) {
    let (start, last) = text.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    (start.parse().unwrap(), last.parse::<usize>().unwrap() + 1)
}
