//! A device plug-in that advertises `nvidia.com/gpu` without a GPU, so that pods which ask for one are really
//! scheduled and really allocated a device, by the scheduler and the kubelet themselves.
//!
//! [`plugin`] answers the kubelet, [`kubelet`] finds and registers with it, [`run`](run()) joins them.

pub mod kubelet;
pub mod plugin;
mod run;

pub use run::{Error, Settings, run};

/// Generated from `proto/deviceplugin.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1beta1 {
    tonic::include_proto!("v1beta1");
}

/// The version that the kubelet and the plug-in agree on.
pub const API_VERSION: &str = "v1beta1";
