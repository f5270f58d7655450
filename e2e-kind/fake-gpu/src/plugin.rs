//! The plug-in's side of the protocol: which devices there are, and what a container gets with one.

use std::collections::HashMap;
use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status};

use crate::v1beta1::device_plugin_server::DevicePlugin;
use crate::v1beta1::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse, Device, DevicePluginOptions, Empty,
    ListAndWatchResponse, PreStartContainerRequest, PreStartContainerResponse, PreferredAllocationRequest,
    PreferredAllocationResponse,
};

/// The variable in which NVIDIA's runtime tells a container its devices; runtimes read it to count GPUs.
pub const VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";

/// Devices that exist by name only: containers get their names, and no device node.
#[derive(Clone, Debug)]
pub struct FakeGpus {
    ids: Vec<String>,
}

impl FakeGpus {
    /// So many devices, in NVIDIA's manner of naming: `GPU-fake-0`, `GPU-fake-1` and so on.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self {
            ids: (0..count).map(|number| format!("GPU-fake-{number}")).collect(),
        }
    }

    /// What `ListAndWatch` shows: every device, all healthy.
    #[must_use]
    pub fn list(&self) -> ListAndWatchResponse {
        let device = |id: &String| Device {
            id: id.clone(),
            health: "Healthy".to_owned(),
        };
        ListAndWatchResponse {
            devices: self.ids.iter().map(device).collect(),
        }
    }

    /// What one container gets for the devices that the kubelet chose.
    fn allocate(&self, chosen: &[String]) -> Result<ContainerAllocateResponse, Status> {
        if let Some(unknown) = chosen.iter().find(|id| !self.ids.contains(id)) {
            return Err(Status::invalid_argument(format!(
                "devices_ids: '{unknown}' must be a listed device"
            )));
        }
        Ok(ContainerAllocateResponse {
            envs: HashMap::from([(VISIBLE_DEVICES.to_owned(), chosen.join(","))]),
        })
    }
}

/// The list once, and then nothing: fake devices never change. The stream stays open, because its end
/// tells the kubelet that the plug-in is gone.
type Watch = Pin<Box<dyn Stream<Item = Result<ListAndWatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl DevicePlugin for FakeGpus {
    type ListAndWatchStream = Watch;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(DevicePluginOptions::default()))
    }

    async fn list_and_watch(&self, _: Request<Empty>) -> Result<Response<Watch>, Status> {
        let list = stream::iter([Ok(self.list())]);
        Ok(Response::new(list.chain(stream::pending()).boxed()))
    }

    async fn get_preferred_allocation(
        &self,
        _: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        Err(Status::unimplemented(
            "the options say that there is no preferred allocation",
        ))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let containers = request.into_inner().container_requests;
        let answers: Result<Vec<_>, _> = containers
            .iter()
            .map(|container| self.allocate(&container.devices_ids))
            .collect();
        Ok(Response::new(AllocateResponse {
            container_responses: answers?,
        }))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Ok(Response::new(PreStartContainerResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_learns_its_devices() {
        let gpus = FakeGpus::new(4);
        assert_eq!(gpus.list().devices.len(), 4);
        let given = gpus
            .allocate(&["GPU-fake-1".into(), "GPU-fake-3".into()])
            .unwrap();
        assert_eq!(given.envs[VISIBLE_DEVICES], "GPU-fake-1,GPU-fake-3");
    }

    #[test]
    fn a_device_that_was_never_listed_is_refused_by_name() {
        let refused = FakeGpus::new(1).allocate(&["GPU-fake-1".into()]).unwrap_err();
        assert!(refused.message().contains("'GPU-fake-1'"), "{refused}");
    }
}
