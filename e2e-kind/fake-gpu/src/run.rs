//! Serve first, then register; again whenever the kubelet is a new one or took the socket away.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tracing::{info, warn};

use crate::kubelet::{Identity, identity, register};
use crate::plugin::FakeGpus;
use crate::v1beta1::device_plugin_server::DevicePluginServer;

/// The kubelet's socket in the plug-in folder.
const KUBELET: &str = "kubelet.sock";

/// How often the sockets are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long an open stream may hold up the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// What to offer and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The resource's name, `nvidia.com/gpu`.
    pub resource: String,
    /// How many devices.
    pub count: u16,
    /// The kubelet's folder of plug-in sockets.
    pub plugin_dir: PathBuf,
}

impl Settings {
    /// File name of the plug-in's own socket: one for each resource.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("tb-fake-{}.sock", self.resource.replace('/', "-"))
    }
}

/// Why the plug-in cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is not there or not ours to write.
    #[error(
        "--plugin-dir: the socket '{path}' cannot be made ({source}): the folder must exist and be writable"
    )]
    Bind {
        /// The socket.
        path: String,
        /// The reason.
        source: io::Error,
    },
}

/// Serves and stays registered until `stop`, then takes its socket away.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let own = settings.plugin_dir.join(settings.endpoint());
    let outcome = tokio::select! {
        never = work(&settings, &own) => never,
        () = stop => Ok(()),
    };
    // Without the socket the kubelet takes the devices off the node at once.
    let _ = std::fs::remove_file(&own);
    outcome
}

async fn work(settings: &Settings, own: &Path) -> Result<(), Error> {
    let kubelet = settings.plugin_dir.join(KUBELET);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut serving = None;
    let mut registered: Option<Identity> = None;
    loop {
        looks.tick().await;
        if serving
            .as_ref()
            .is_none_or(|serving: &Serving| !serving.intact(own))
        {
            // A kubelet that starts empties the folder: what is served there now, nobody can reach.
            if let Some(old) = serving.take() {
                old.end().await;
            }
            serving = Some(Serving::start(FakeGpus::new(settings.count), own)?);
            registered = None;
        }
        let present = identity(&kubelet);
        if present.is_none() || present == registered {
            continue;
        }
        match register(kubelet.clone(), settings.endpoint(), settings.resource.clone()).await {
            Ok(()) => {
                info!(resource = %settings.resource, count = settings.count, "registered with the kubelet");
                registered = present;
            }
            Err(error) => warn!(%error, "not registered, trying again"),
        }
    }
}

/// The plug-in's server on its socket.
struct Serving {
    socket: Option<Identity>,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Serving {
    fn start(gpus: FakeGpus, path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Bind {
            path: path.display().to_string(),
            source,
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let server = Server::builder().add_service(DevicePluginServer::new(gpus));
            let until = async {
                let _ = stopped.await;
            };
            let connections = UnixListenerStream::new(listener);
            if let Err(error) = server.serve_with_incoming_shutdown(connections, until).await {
                warn!(%error, "the plug-in's server ended");
            }
        });
        Ok(Self {
            socket: identity(path),
            task,
            stop,
        })
    }

    /// Is the file still the socket that was bound, and somebody behind it?
    fn intact(&self, path: &Path) -> bool {
        !self.task.is_finished() && self.socket.is_some() && identity(path) == self.socket
    }

    async fn end(mut self) {
        // The receiver is gone only if the server ended already.
        let _ = self.stop.send(());
        if timeout(GOODBYE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
