//! Doubles of what cannot be had in a test.
//!
//! They play roles, not answers: each keeps its own state, checks what it is sent as strictly as the real one,
//! and has switches under `/_double` with which a test makes it fail.
//!
//! | Module | Stands for |
//! |---|---|
//! | [`control_plane`] | the licence service that authorises a contract and hands out key and SAS URLs |
//! | [`apiserver`] | the Kubernetes API server, in memory, for controllers under simulated faults |
//! | [`arm`] | Azure Resource Manager's agent pools, its token endpoint, and the nodes that a pool brings |
//! | [`metering`] | the marketplace's metered billing API |
//! | [`runtime`] | the model server that reads weights from FIFOs and speaks the OpenAI API |
//! | [`probe`] | a client inside the cluster: HTTP, TCP, or just staying up |

pub mod answer;
pub mod apiserver;
pub mod arm;
pub mod control_plane;
pub mod metering;
pub mod probe;
pub mod runtime;
pub mod serve;
