//! A control plane: authorises, counts, and says what a script makes it say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::asset::{Asset, ID};
use super::wire::{Act, Answer, Ask, Script};

/// Where a blob lies, by the number of the question and its name, for a store that is not ours.
type Address = Box<dyn Fn(usize, &str) -> String + Send>;

/// Breaks a question (its number from 1, the usual answer), or leaves it alone.
type Hook = Box<dyn FnMut(usize, &Value) -> Option<Act> + Send>;

pub struct Plane {
    key: String,
    paths: Vec<String>,
    directory: bool,
    pub store: Mutex<Option<SocketAddr>>,
    address: Mutex<Option<Address>>,
    /// Seconds until `expires_at`, from the question.
    pub life_s: AtomicUsize,
    pub anchor: Mutex<Option<String>>,
    pub questions: Mutex<Vec<Value>>,
    hook: Mutex<Option<Hook>>,
}

impl Plane {
    pub fn new(asset: &Asset) -> Arc<Self> {
        Arc::new(Self {
            key: asset.key.to_hex().to_string(),
            paths: asset.plain.keys().cloned().collect(),
            directory: asset.directory,
            store: Mutex::default(),
            address: Mutex::default(),
            life_s: AtomicUsize::new(3600),
            anchor: Mutex::default(),
            questions: Mutex::default(),
            hook: Mutex::default(),
        })
    }

    pub fn script(self: &Arc<Self>) -> Script {
        let plane = self.clone();
        Arc::new(move |ask| plane.answer(ask))
    }

    pub fn breaks(&self, hook: impl FnMut(usize, &Value) -> Option<Act> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Answers so from now on.
    pub fn says(&self, answer: Answer) {
        self.breaks(move |_, _| Some(answer.clone().whole()));
    }

    /// Changes the usual answer from question `from` on.
    pub fn edits(&self, from: usize, edit: impl Fn(&mut Value) + Send + 'static) {
        self.breaks(move |n, usual| {
            (n >= from).then(|| {
                let mut answer = usual.clone();
                edit(&mut answer);
                Answer::new(200, answer.to_string()).whole()
            })
        });
    }

    /// Sends the sentinel to another store from now on.
    #[allow(dead_code, reason = "for the cases against a real Azurite")]
    pub fn points_to(&self, address: impl Fn(usize, &str) -> String + Send + 'static) {
        *self.address.lock().unwrap() = Some(Box::new(address));
    }

    pub fn asked(&self) -> usize {
        self.questions.lock().unwrap().len()
    }

    fn answer(&self, ask: &Ask) -> Act {
        if ask.method != "POST" || ask.path != "/api/v1/license/authorize" {
            return Answer::new(404, "{}").whole();
        }
        let n = {
            let mut questions = self.questions.lock().unwrap();
            questions.push(serde_json::from_slice(&ask.body).unwrap());
            questions.len()
        };
        let usual = self.usual(n);
        let broken = self
            .hook
            .lock()
            .unwrap()
            .as_mut()
            .and_then(|hook| hook(n, &usual));
        broken.unwrap_or_else(|| Answer::new(200, usual.to_string()).whole())
    }

    fn usual(&self, n: usize) -> Value {
        let host = self.store.lock().unwrap().unwrap();
        let elsewhere = self.address.lock().unwrap();
        let url = |blob: &str| match &*elsewhere {
            Some(address) => address(n, blob),
            None => format!("https://{host}/c/models/{ID}/{blob}?sv=2022-11-02&sig=secret-{n}"),
        };
        let life = i64::try_from(self.life_s.load(Ordering::SeqCst)).unwrap();
        let mut answer = json!({
            "status": "authorized",
            "sas_url": url("model.tbenc"),
            "manifest_url": url("model.manifest.json"),
            "decryption_key_hex": self.key,
            "expires_at": (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(life)).to_string(),
        });
        if self.directory {
            let files = self
                .paths
                .iter()
                .map(|path| json!({"path": path, "url": url(&format!("files/{path}.tbenc"))}));
            answer["files"] = files.collect();
        }
        if let Some(digest) = &*self.anchor.lock().unwrap() {
            answer["manifest_sha256"] = json!(digest);
        }
        answer
    }
}
