//! The plug-in against a kubelet of the test: its Registration server on a real Unix socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use trustbridge_fake_gpu::v1beta1::device_plugin_client::DevicePluginClient;
use trustbridge_fake_gpu::v1beta1::registration_server::{Registration, RegistrationServer};
use trustbridge_fake_gpu::v1beta1::{AllocateRequest, ContainerAllocateRequest, Empty, RegisterRequest};
use trustbridge_fake_gpu::{Error, Settings, run};

const PATIENCE: Duration = Duration::from_secs(10);

/// A kubelet that passes on every registration.
struct Kubelet(mpsc::UnboundedSender<RegisterRequest>);

#[tonic::async_trait]
impl Registration for Kubelet {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        self.0
            .send(request.into_inner())
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Empty {}))
    }
}

/// Starts a kubelet in the folder, as a real one does: with an empty folder.
fn kubelet(folder: &Path) -> (JoinHandle<()>, mpsc::UnboundedReceiver<RegisterRequest>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let listener = UnixListener::bind(folder.join("kubelet.sock")).unwrap();
    let (to, from) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let server = Server::builder().add_service(RegistrationServer::new(Kubelet(to)));
        server
            .serve_with_incoming(UnixListenerStream::new(listener))
            .await
            .unwrap();
    });
    (task, from)
}

async fn plugin(socket: PathBuf) -> DevicePluginClient<Channel> {
    let connect = tower::service_fn(move |_| {
        let path = socket.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://plugin")
        .connect_with_connector(connect)
        .await
        .unwrap();
    DevicePluginClient::new(channel)
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

fn start(folder: &Path) -> Running {
    let settings = Settings {
        resource: "nvidia.com/gpu".into(),
        count: 4,
        plugin_dir: folder.to_owned(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(run(settings, async {
        let _ = stopped.await;
    }));
    Running { stop, task }
}

#[tokio::test]
async fn registers_lists_and_allocates() {
    let folder = tempfile::tempdir().unwrap();
    let (_kubelet, mut registrations) = kubelet(folder.path());
    let running = start(folder.path());

    let request = within("registration", registrations.recv()).await.unwrap();
    assert_eq!(
        (request.version.as_str(), request.resource_name.as_str()),
        ("v1beta1", "nvidia.com/gpu")
    );
    let socket = folder.path().join(&request.endpoint);
    let mut client = plugin(socket.clone()).await;

    let options = client
        .get_device_plugin_options(Empty {})
        .await
        .unwrap()
        .into_inner();
    assert!(!options.pre_start_required && !options.get_preferred_allocation_available);
    let mut devices = client.list_and_watch(Empty {}).await.unwrap().into_inner();
    let list = within("the list", devices.message())
        .await
        .unwrap()
        .unwrap()
        .devices;
    assert_eq!(list.len(), 4);
    assert!(list.iter().all(|device| device.health == "Healthy"), "{list:?}");
    let more = timeout(Duration::from_millis(200), devices.message()).await;
    assert!(more.is_err(), "the stream must stay open and silent: {more:?}");

    let ask = |ids: &[&str]| AllocateRequest {
        container_requests: vec![ContainerAllocateRequest {
            devices_ids: ids.iter().map(ToString::to_string).collect(),
        }],
    };
    let given = client
        .allocate(ask(&[&list[0].id, &list[2].id]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(given.container_responses.len(), 1);
    assert_eq!(
        given.container_responses[0].envs["NVIDIA_VISIBLE_DEVICES"],
        "GPU-fake-0,GPU-fake-2"
    );
    let refused = client.allocate(ask(&["GPU-real"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    running.stop.send(()).unwrap();
    within("the end", running.task).await.unwrap().unwrap();
    assert!(!socket.exists(), "the socket must be gone");
}

#[tokio::test]
async fn registers_again_with_every_new_kubelet() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path());
    for round in 0..3 {
        let (task, mut registrations) = kubelet(folder.path());
        let request = within("registration", registrations.recv()).await.unwrap();
        let mut client = plugin(folder.path().join(&request.endpoint)).await;
        let mut devices = client.list_and_watch(Empty {}).await.unwrap().into_inner();
        assert_eq!(
            within("the list", devices.message())
                .await
                .unwrap()
                .unwrap()
                .devices
                .len(),
            4,
            "{round}"
        );
        let again = timeout(Duration::from_millis(1500), registrations.recv()).await;
        assert!(again.is_err(), "one registration is enough: {again:?}");
        task.abort();
    }
    running.stop.send(()).unwrap();
    within("the end", running.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder.path().join("absent"));
    let error = within("the end", running.task)
        .await
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("--plugin-dir") && error.contains("absent"),
        "{error}"
    );
}
