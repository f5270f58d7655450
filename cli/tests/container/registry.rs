//! A real registry on loopback, ended with its test.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use tempfile::TempDir;
use trustbridge_azure::http::{Client, Deadline};

pub struct Registry {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    /// Whether it lets nobody in without a token, and gives nobody one.
    closed: bool,
}

impl Registry {
    /// A registry that listens.
    pub fn start() -> Self {
        let mut registry = Self::stopped(false);
        registry.listen();
        registry
    }

    /// A registry that lets nobody in without a token.
    pub fn closed() -> Self {
        let mut registry = Self::stopped(true);
        registry.listen();
        registry
    }

    /// A registry with an address, and nobody there yet.
    pub fn absent() -> Self {
        Self::stopped(false)
    }

    fn stopped(closed: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            child: None,
            folder: tempfile::tempdir().unwrap(),
            port: listener.local_addr().unwrap().port(),
            closed,
        }
    }

    /// Starts it.
    pub fn listen(&mut self) {
        let folder = self.folder.path();
        let auth = format!(
            "auth: {{silly: {{realm: 'http://{}/v2/', service: tests}}}}\n",
            self.host()
        );
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\n{}storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{}'}}\n",
            if self.closed { &auth } else { "" },
            folder.join("data").display(),
            self.host()
        );
        fs::write(folder.join("config.yml"), config).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the registry does not listen: {}",
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Every request so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Requests that wrote something.
    pub fn writes(&self) -> usize {
        sleep(Duration::from_millis(200));
        let log = self.log();
        let methods = ["PUT", "POST", "PATCH", "DELETE"];
        let is_write = |line: &&str| {
            methods
                .iter()
                .any(|method| line.contains(&format!("http.request.method={method} ")))
        };
        log.lines().filter(is_write).count()
    }

    /// An answer to a question below `/v2/`.
    pub fn ask(&self, path: &str) -> Response<Bytes> {
        let client = Client::builder().allow_loopback_http().build().unwrap();
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{}/v2/{path}", self.host()))
            .header("accept", "application/vnd.oci.image.manifest.v1+json")
            .body(Bytes::new())
            .unwrap();
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(client.send(request, Deadline::after(Duration::from_secs(10))))
            .unwrap()
    }

    /// A document below `/v2/`.
    pub fn document(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(self.ask(path).body()).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Storage of its own for buildah, and what it needs to run without a container runtime.
pub fn storage(folder: &Path) -> Vec<(&'static str, String)> {
    let file = folder.join("storage.conf");
    let text = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/graph\"\nrunroot = \"{0}/run\"\n",
        folder.display()
    );
    fs::write(&file, text).unwrap();
    vec![
        ("CONTAINERS_STORAGE_CONF", file.display().to_string()),
        ("STORAGE_DRIVER", "vfs".to_owned()),
        ("BUILDAH_ISOLATION", "chroot".to_owned()),
    ]
}
