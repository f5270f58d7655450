//! The story of TrustBridge on a real cluster, told once and used by many: the demo, the statements A-F,
//! bad input, the crash campaign.
//!
//! | Module | Does |
//! |---|---|
//! | [`world`] | where the cluster, its programs and the outside are |
//! | [`stage`] | what runs outside the cluster: Azurite and the doubles |
//! | [`install`] | the charts, with values made from the stage |
//! | [`provider`] | model, encrypt, upload, register, ModelAsset |
//! | [`seller`] | the catalog and the buyer organisation |
//! | [`buyer`] | the order, waiting, the call |
//! | [`pod`], [`probe`] | the guarded pod, and a client inside the cluster |
//! | [`terminate`] | the end of an order |
//! | [`orgs`] | the end of organisations |
//! | [`canary`] | the search for plaintext on disks |
//! | [`campaign`] | the operator killed at each of its writes |
//! | [`replay`] | the same requests to the API server in memory and to the real one |
//! | [`scale`] | the operator under many objects, measured |
//! | [`story`] | all of it in order |
//! | [`audit_log`] | what the API server wrote down |
//! | [`arm`] | what the ARM double wrote down, and the faults it is told to make |
//! | [`report`] | steps with their timings |

pub mod arm;
pub mod audit_log;
pub mod buyer;
pub mod campaign;
pub mod canary;
pub mod command;
pub mod commit;
pub mod install;
pub mod kubectl;
pub mod orgs;
pub mod pod;
pub mod probe;
pub mod provider;
pub mod replay;
pub mod report;
pub mod scale;
pub mod seller;
pub mod stage;
pub mod story;
pub mod terminate;
pub mod wait;
pub mod world;
