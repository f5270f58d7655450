//! Reconciles every kind of `trustbridge.io`; the only writer of status.
//!
//! | Module | Holds |
//! |---|---|
//! | [`controllers`] | one folder for each kind: observe, decide, build, status; one writer for all |
//! | [`nodepool`] | where GPU nodes come from: AKS agent pools, or nodes that are there |
//! | [`settings`] | flags and environment, and what decisions read of them |
//! | [`sentinel_port`] | what a living sentinel says of itself |
//! | [`public_port`] | port 8000, asked as a buyer asks it |
//! | [`workspace_probe`] | what checks the lines of a workspace's definition of ready |
//! | [`rbac`] | the rights that the operator needs, as data |

mod access_ca;
pub mod context;
pub mod controllers;
pub mod nodepool;
pub mod public_port;
pub mod rbac;
pub mod seller;
pub mod sentinel_port;
pub mod settings;
#[cfg(test)]
mod simulation;
pub mod workspace_probe;
