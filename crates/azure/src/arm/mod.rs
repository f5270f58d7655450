//! AKS agent pools over Azure Resource Manager.
//!
//! Every function sends one request (a list: one for each page) and reports what came back. Whether, when and
//! what to try again is the caller's decision, for which [`classify()`] says what an error means.

pub mod agent_pools;
pub mod body;
pub mod classify;
mod error;
pub mod name;
pub mod operation;

pub use agent_pools::{API_VERSION, Accepted, AgentPools, Cluster, PUBLIC_ENDPOINT};
pub use body::{AgentPool, Properties};
pub use classify::{Advice, Breaker, BreakerScope, Class, ErrorBody, Verdict, classify};
pub use error::{Error, Refusal};
pub use name::pool_name;
pub use operation::{Operation, OperationState};
