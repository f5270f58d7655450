//! The controller kit: what every binary of TrustBridge that talks to the API server shares.
//!
//! | Module | Gives |
//! |---|---|
//! | [`client`] | a client with deadlines and without hidden retries |
//! | [`watch`] | a watch per kind that heals alone: bounded, own backoff, errors counted |
//! | [`controller`] | the reconcile loop: spawned bodies, deadline, growing backoff for each object |
//! | [`apply`] | the only writer: server-side apply, status, create, delete by UID; the leader is asked before each |
//! | [`object`] | objects of any kind: where they are, what was built |
//! | [`backoff`] | the growing pause of an object that fails |
//! | [`cover`] | whether an object already is as we would apply it, so that nothing is written at the fixed point |
//! | [`lease`] | leader election over a Lease |
//! | [`conditions`] | conditions whose times change only on flips |
//! | [`events`] | one recorder for the process |
//! | [`clock`] | the time, injected |
//! | [`telemetry`] | logs, metrics, `/healthz`, `/readyz`, `/metrics` |
//! | [`shutdown`] | SIGTERM and SIGINT as a future |

pub mod apply;
pub mod backoff;
pub mod client;
pub mod clock;
pub mod conditions;
pub mod controller;
pub mod cover;
pub mod events;
pub mod lease;
pub mod object;
pub mod shutdown;
pub mod telemetry;
pub mod watch;
