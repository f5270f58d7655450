//! A real single-node Kubernetes without Docker: build, up, load, down, doctor.
//!
//! `tb-cluster` is the program; this library is what the demo and the test suite use of it:
//! [`Layout`] says where things are, [`netns::enter`] moves a process to the world outside the cluster.
//!
//! How it is put together, from the outside in: [`backend`] chooses and orders the steps, [`control_plane`] and [`node`]
//! start programs through [`process`], and everything that is made is in the [`journal`] first, for [`teardown`] to undo.

pub mod addons;
pub mod backend;
pub mod cgroup;
pub mod command;
pub mod control_plane;
pub mod doctor;
pub mod drill;
pub mod forward;
pub mod images;
pub mod journal;
pub mod kubeconfig;
pub mod kubectl;
pub mod layout;
pub mod lock;
pub mod netns;
pub mod network;
pub mod node;
pub mod pki;
pub mod process;
pub mod progress;
pub mod record;
pub mod status;
pub mod sysctl;
pub mod teardown;
pub mod tools;
pub mod versions;
pub mod workspace;

pub use layout::Layout;
