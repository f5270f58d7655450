//! One Azurite of its own for each test, ended with it.

use std::env;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use trustbridge_azure::blob::{SERVICE_VERSION, SharedKey};
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_azure::sas::{AccountSas, SasScope, ServiceSas};

use crate::pki::{self, Pki};

const VERSION: &str = "3.37.0";
pub const ACCOUNT: &str = "tbassets";

pub struct Azurite {
    child: Child,
    pub folder: TempDir,
    pub pki: Pki,
    port: u16,
    /// The account's key in Base64.
    pub key: String,
    http: Client,
    runtime: tokio::runtime::Runtime,
}

impl Azurite {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let program = install();
        let folder = tempfile::tempdir().unwrap();
        let pki = pki::write(folder.path(), "store");
        let mut raw = [0; 32];
        SystemRandom::new().fill(&mut raw).unwrap();
        let key = BASE64.encode(&raw);
        let port = free_port();
        let log = File::create(folder.path().join("azurite.log")).unwrap();
        let child = Command::new("node")
            .arg(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .args(["--oauth", "basic", "--disableTelemetry", "--location"])
            .arg(folder.path().join("store"))
            .arg("--cert")
            .arg(&pki.cert)
            .arg("--key")
            .arg(&pki.key)
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{key}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let http = Client::builder()
            .system_bundle(false)
            .ca_file(&pki.ca)
            .body_limit(64 << 20)
            .build()
            .unwrap();
        let mut azurite = Self {
            child,
            folder,
            pki,
            port,
            key,
            http,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        };
        azurite.wait();
        fs::write(azurite.path("account.key"), &azurite.key).unwrap();
        azurite
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "Azurite does not listen: {}",
                self.log()
            );
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "Azurite ended: {}",
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every request so far, one line each.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("azurite.log")).unwrap_or_default()
    }

    /// The log once nothing was added to it for a while.
    pub fn quiet_log(&self) -> String {
        loop {
            let before = self.log();
            sleep(Duration::from_millis(300));
            if self.log() == before {
                return before;
            }
        }
    }

    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    pub fn container_url(&self, container: &str) -> String {
        format!("{}/{container}", self.endpoint())
    }

    fn shared_key(&self) -> SharedKey {
        SharedKey::from_base64(ACCOUNT, &self.key).unwrap()
    }

    /// A SAS of the container, as a provider would be given one.
    pub fn sas(&self, container: &str, permissions: &str, minutes: i64) -> String {
        let expiry = Timestamp::now()
            .checked_add(SignedDuration::from_mins(minutes))
            .unwrap();
        ServiceSas::new(SasScope::Container, permissions, expiry).sign(&self.shared_key(), container, "")
    }

    /// Makes a container; `public` is its access level.
    pub fn make(&self, container: &str, public: Option<&str>) {
        let headers: Vec<(&str, &str)> = public
            .into_iter()
            .map(|level| ("x-ms-blob-public-access", level))
            .collect();
        let answer = self.ask(
            Method::PUT,
            &format!("{container}?restype=container"),
            &headers,
            Bytes::new(),
        );
        assert_eq!(answer.status(), 201);
    }

    /// A request of the account's owner; `path` is below the account and may have a query.
    pub fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response<Bytes> {
        let soon = Timestamp::now()
            .checked_add(SignedDuration::from_mins(5))
            .unwrap();
        let sas = AccountSas::new("rwdlc", soon).sign(&self.shared_key());
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}{joint}{sas}", self.endpoint()))
            .header("x-ms-version", SERVICE_VERSION);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let deadline = Deadline::after(Duration::from_secs(30));
        let sent = self.http.send(request.body(body).unwrap(), deadline);
        self.runtime.block_on(sent).unwrap()
    }

    /// A blob's content.
    pub fn get(&self, path: &str) -> Bytes {
        let answer = self.ask(Method::GET, path, &[], Bytes::new());
        assert_eq!(answer.status(), 200, "{path}");
        answer.into_body()
    }

    /// Puts a blob, whatever was there.
    pub fn put(&self, path: &str, content: Bytes) {
        let answer = self.ask(Method::PUT, path, &[("x-ms-blob-type", "BlockBlob")], content);
        assert_eq!(answer.status(), 201, "{path}");
    }

    /// The generations of all blobs of a container, by name.
    pub fn etags(&self, container: &str) -> Vec<(String, String)> {
        let list = self.get(&format!("{container}?restype=container&comp=list"));
        let text = String::from_utf8(list.to_vec()).unwrap();
        let between = |text: &str, tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once(&format!("</{tag}>")).unwrap().0.to_owned()
        };
        let blobs = text.split("<Blob>").skip(1);
        blobs
            .map(|blob| (between(blob, "Name"), between(blob, "Etag")))
            .collect()
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The cache folder that the cluster's programs use too.
fn cache() -> PathBuf {
    if let Some(cache) = env::var_os("TB_CACHE") {
        return PathBuf::from(cache);
    }
    let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Path::new(&env::var_os("HOME").expect("HOME is set")).join(".cache");
    user.unwrap_or_else(home).join("trustbridge")
}

/// Azurite's blob service, installed once.
fn install() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache().join("azurite");
    let package = folder.join("node_modules/azurite");
    let installed = fs::read_to_string(package.join("package.json")).unwrap_or_default();
    if !installed.contains(&format!("\"version\": \"{VERSION}\"")) {
        fs::create_dir_all(&folder).unwrap();
        let npm = Command::new("npm")
            .current_dir(&folder)
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--no-progress",
                "--prefix",
                ".",
            ])
            .arg(format!("azurite@{VERSION}"))
            .output()
            .expect("npm is needed once");
        assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    }
    package.join("dist/src/blob/main.js")
}
