//! One sentinel whose store is an Azurite of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use trustbridge_azure::blob::SharedKey;
use trustbridge_azure::sas::{SasScope, ServiceSas};

use crate::asset::{Asset, ID};
use crate::azurite::{ACCOUNT, Azurite};
use crate::gate::Gate;
use crate::process::Sentinel;
use crate::scene::Scene;

const CONTAINER: &str = "models";

/// How the control plane signs, for the question of this number.
pub type Signing = Arc<dyn Fn(usize) -> String + Send + Sync>;

pub struct Stage {
    pub scene: Scene,
    pub azurite: Azurite,
    pub gate: Gate,
}

impl Stage {
    /// Azurite holds the asset, and the control plane signs for an hour.
    pub fn new(asset: &'static Asset) -> Self {
        let (scene, azurite) = (Scene::new(asset), Azurite::start());
        azurite.make(CONTAINER, None);
        let store = address_of(&azurite.endpoint());
        let gate = Gate::new(scene.tokio.handle(), store);
        let stage = Self { scene, azurite, gate };
        stage.put("model.manifest.json", &asset.manifest);
        for (name, bytes) in &asset.blobs {
            stage.put(name, bytes);
        }
        stage.signs(stage.signing("r", SignedDuration::from_hours(1)));
        let mut trusted = std::fs::read_to_string(stage.scene.disk.path().join("ca.crt")).unwrap();
        trusted.push_str(&std::fs::read_to_string(&stage.azurite.pki.ca).unwrap());
        std::fs::write(stage.trusted(), trusted).unwrap();
        stage
    }

    fn trusted(&self) -> std::path::PathBuf {
        self.scene.disk.path().join("both.crt")
    }

    /// A sentinel that trusts both authorities: the control plane's and Azurite's.
    pub fn start(&self) -> Sentinel {
        let trusted = self.trusted();
        let more = [
            ("TB_CA_PATH", trusted.to_str().unwrap()),
            // The gate holds bytes back for longer than the other cases let a store be silent.
            ("TB_DOWNLOAD_IDLE_SECONDS", "60"),
        ];
        self.scene.start_with(&more, &[])
    }

    /// The terms of a SAS of the container, valid from now on for so long, each time signed anew.
    pub fn signing(&self, permissions: &str, life: SignedDuration) -> Signing {
        let key = SharedKey::from_base64(ACCOUNT, &self.azurite.key).unwrap();
        let permissions = permissions.to_owned();
        Arc::new(move |_| {
            let expiry = Timestamp::now() + life;
            ServiceSas::new(SasScope::Container, &permissions, expiry).sign(&key, CONTAINER, "")
        })
    }

    pub fn signs(&self, signing: Signing) {
        let at = self.gate.at;
        self.scene.plane.points_to(move |n, blob| {
            format!("https://{at}/{ACCOUNT}/{CONTAINER}/{ID}/{blob}?{}", signing(n))
        });
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.azurite
            .put(&format!("{CONTAINER}/{ID}/{name}"), Bytes::copy_from_slice(bytes));
    }

    pub fn remove(&self, name: &str) {
        self.delete(&format!("{CONTAINER}/{ID}/{name}"));
    }

    pub fn remove_container(&self) {
        self.delete(&format!("{CONTAINER}?restype=container"));
    }

    fn delete(&self, path: &str) {
        let answer = self.azurite.ask(Method::DELETE, path, &[], Bytes::new());
        assert_eq!(answer.status(), 202, "{path}");
    }

    /// Holds the bytes back in the middle of the transfer, does this to the store, and lets them pass again.
    pub fn in_the_middle(&self, change: impl FnOnce()) -> Sentinel {
        self.gate.holds_after(self.scene.ciphertext_bytes() / 3);
        let sentinel = self.start();
        self.gate.waits_until_held();
        assert_eq!(sentinel.state(), "Hydrate");
        change();
        self.gate.opens();
        sentinel
    }

    /// Answers of this status to requests for the weights, as Azurite's own log tells them.
    pub fn answered(&self, method: &str, status: u16) -> usize {
        let log = self.azurite.quiet_log();
        let wanted = format!("/{CONTAINER}/{ID}/model.tbenc");
        log.lines()
            .filter(|line| line.contains(&format!("\"{method} ")) && line.contains(&wanted))
            .filter(|line| line.contains(&format!("\" {status} ")))
            .count()
    }
}

/// `https://IP:PORT/...` without what is around it.
fn address_of(endpoint: &str) -> SocketAddr {
    let rest = endpoint.strip_prefix("https://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}
