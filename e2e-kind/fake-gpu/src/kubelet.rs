//! The kubelet's side: where it listens, whether it is still the same one, and how to register with it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use crate::API_VERSION;
use crate::v1beta1::registration_client::RegistrationClient;
use crate::v1beta1::{DevicePluginOptions, RegisterRequest};

/// How long the kubelet may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Which socket file it is. A kubelet that restarts makes a new one, on tmpfs perhaps with the same inode
/// number, so the time of its making counts too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

/// The identity of the socket at the path, `None` where there is none.
#[must_use]
pub fn identity(path: &Path) -> Option<Identity> {
    let file = std::fs::metadata(path).ok()?;
    Some(Identity {
        device: file.dev(),
        inode: file.ino(),
        made: (file.mtime(), file.mtime_nsec()),
    })
}

/// Why the kubelet does not know the plug-in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("the kubelet cannot be reached: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// It refused.
    #[error("the kubelet refused the registration: {0}")]
    Refused(#[from] tonic::Status),
}

/// Tells the kubelet which resource the plug-in offers and on which socket of the same folder.
pub async fn register(kubelet: PathBuf, endpoint: String, resource: String) -> Result<(), Error> {
    let connect = tower::service_fn(move |_| {
        let path = kubelet.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The address is never looked up: the connector above goes to the socket.
    let channel = Endpoint::from_static("http://kubelet")
        .connect_timeout(DEADLINE)
        .timeout(DEADLINE)
        .connect_with_connector(connect)
        .await?;
    let request = RegisterRequest {
        version: API_VERSION.to_owned(),
        endpoint,
        resource_name: resource,
        options: Some(DevicePluginOptions::default()),
    };
    RegistrationClient::new(channel).register(request).await?;
    Ok(())
}
