//! Certificates of our own: an authority, a leaf, and the `caBundle` by which the API server trusts them.
//!
//! Both certificates lie in one Secret. Whoever creates or replaces it first wins (`resourceVersion` is the lock);
//! the other replica reads what was written, so all of them serve the same leaf and publish the same bundle.
//! The authority and the leaf are renewed apart: a new authority joins the bundle while leaves of the old one are
//! still served, and every later leaf is signed by the new one, so there is no moment without trust.

pub(crate) mod authority;
pub(crate) mod material;
pub(crate) mod publish;
pub(crate) mod resolver;
pub(crate) mod rotation;
pub(crate) mod store;
pub(crate) mod validity;

#[cfg(test)]
mod tests;

/// Why certificates could not be made, kept or published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A certificate could not be made or signed.
    #[error("the certificate cannot be made: {0}")]
    Issue(#[from] trustbridge_issuer::Error),
    /// PEM that is none.
    #[error("the PEM cannot be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The key does not fit, or the TLS library refuses it.
    #[error("the certificate cannot be served: {0}")]
    Serve(#[from] rustls::Error),
    /// The API server said no.
    #[error("the API server refused {what}: {source}")]
    Api {
        /// What was asked of it.
        what: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// The API server said nothing.
    #[error("the API server did not answer {0} in time")]
    Deadline(String),
    /// A file of cert-manager's cannot be read.
    #[error(
        "'{path}' cannot be read: {source}; see the Certificate `trustbridge-webhook` and the log of cert-manager"
    )]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The self-call failed.
    #[error("the webhook does not answer as the API server will call it: {0}")]
    SelfCall(String),
    /// A webhook configuration has no webhooks.
    #[error(
        "{0} has no webhooks; install the chart `trustbridge`, or correct the names of the configurations"
    )]
    NothingToPublish(String),
}
