//! Azure Blob storage: the official SDK over our own HTTPS client.
//!
//! | Module | What |
//! |---|---|
//! | [`place`] | URLs of accounts, containers and blobs |
//! | [`credential`], [`sources`], [`identity`] | which credential, and where from |
//! | [`sas`] | what a SAS and a connection string say |
//! | [`transport`], [`retry`] | the SDK's requests on our client; how often and how long |
//! | [`refusal`] | answers of Azure and Azurite as exit codes and next steps |
//! | [`container`], [`privacy`] | one container; that nobody reads it without a credential |
//! | [`plan`], [`blocks`], [`send`] | what an upload has to do, and doing it |
//! | [`remote`], [`range_reader`] | reading an asset by its URL |

pub(crate) mod blocks;
pub(crate) mod container;
pub(crate) mod credential;
pub(crate) mod identity;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod privacy;
pub(crate) mod range_reader;
pub(crate) mod refusal;
pub(crate) mod remote;
pub(crate) mod retry;
pub(crate) mod sas;
pub(crate) mod send;
pub(crate) mod sources;
pub(crate) mod transport;

pub(crate) use credential::CredentialArgs;
pub(crate) use remote::Remote;
