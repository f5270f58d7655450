//! Azure at the edge, without an SDK.
//!
//! | Module | Speaks to |
//! |---|---|
//! | [`http`] | anything over HTTPS, with a deadline on every call and no query string in any error |
//! | [`blob`], [`sas`] | Blob storage (Azure or Azurite): upload, ranges, shared access signatures |
//! | [`token`] | the Microsoft Entra token endpoint: client secret or workload identity; managed identity |
//! | [`metering`] | the marketplace's metered billing API, and what its answers mean |
//! | [`arm`] | AKS agent pools over Azure Resource Manager, and what its errors mean |

pub mod arm;
pub mod blob;
pub mod http;
pub mod metering;
pub mod sas;
pub mod token;
