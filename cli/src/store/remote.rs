//! An asset, or one file of it, by its URL: a blocking face for plain threads.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use trustbridge_azure::http::{Client, redact};
use trustbridge_tbenc::manifest::MAX_MANIFEST_BYTES;
use url::Url;
use zeroize::Zeroizing;

use super::container::{Stored, blob_client, look};
use super::credential::{Access, CredentialArgs};
use super::place;
use super::range_reader::{RangeReader, Source};
use super::sources::{Choice, choose, from_environment};
use crate::failure::{Exit, Failure};
use crate::remote::{RemoteArgs, TimeLimit};

/// A place to read from: a blob, or the folder above several.
pub(crate) struct Remote {
    runtime: Arc<Runtime>,
    access: Access,
    url: Url,
    limit: TimeLimit,
    /// The generation of each blob that was looked at; what is read later must be the same.
    seen: Mutex<HashMap<String, Stored>>,
}

/// Whether an argument is a URL and not a path.
pub(crate) fn is_url(argument: &str) -> bool {
    argument.starts_with("https://") || argument.starts_with("http://")
}

impl Remote {
    /// Opens a blob's or a folder's URL. A SAS in its query is used and never shown; without one the credential is
    /// found as for an upload, and where there is none the blob is read without.
    pub(crate) fn open(url: &Url, remote: &RemoteArgs, args: &CredentialArgs) -> Result<Self, Failure> {
        let shown = redact(url.as_str());
        if url.scheme() != "https" || !url.has_host() {
            return Err(Failure::usage(format!("{shown}: must be an https URL")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::usage(format!(
                "{shown}: must not hold a user name or a password"
            )));
        }
        let runtime = Arc::new(crate::remote::runtime()?);
        let limit = remote.time_limit();
        let client = remote.client()?;
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        let access = match url.query() {
            Some(query) => {
                let query = super::sas::query_string("the URL's query", query)?;
                Access::sas(&client, Zeroizing::new(query.as_str().to_owned()))
            }
            None => runtime.block_on(limit.hold(unfinished, access(&bare, &client, args)))?,
        };
        Ok(Self {
            runtime,
            access,
            url: bare,
            limit,
            seen: Mutex::default(),
        })
    }

    /// The URL of a blob, without any credential. An empty name is the URL that was opened.
    pub(crate) fn url_of(&self, name: &str) -> Url {
        place::below(&self.url, name)
    }

    /// A blob that is a manifest, whole.
    pub(crate) fn manifest_bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let length = self.length(name)?;
        if length > MAX_MANIFEST_BYTES as u64 {
            return Err(Failure::data(format!(
                "{}: is {length} bytes, a manifest has at most {MAX_MANIFEST_BYTES}",
                self.url_of(name)
            )));
        }
        let mut bytes = Vec::new();
        let read = io::Read::read_to_end(&mut self.reader(name, length)?, &mut bytes);
        read.map_err(|e| failure_of(e, &self.url_of(name)))?;
        Ok(bytes)
    }

    /// A blob's first bytes, fetched without the others; fewer where it is shorter.
    pub(crate) fn head(&self, name: &str, bytes: u64) -> Result<Vec<u8>, Failure> {
        let stored = self.look(name)?;
        let mut head = Vec::new();
        let read = io::Read::read_to_end(&mut self.start_of(name, &stored, bytes)?, &mut head);
        read.map_err(|e| failure_of(e, &self.url_of(name)))?;
        Ok(head)
    }

    /// A blob's length in bytes; nothing where there is no such blob.
    pub(crate) fn length_if_there(&self, name: &str) -> Result<Option<u64>, Failure> {
        Ok(self.find(name)?.map(|stored| stored.bytes))
    }

    /// A blob's length in bytes.
    pub(crate) fn length(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.look(name)?.bytes)
    }

    /// Reads a blob of that length from its start. The generation is that of the first look at it.
    pub(crate) fn reader(&self, name: &str, length: u64) -> Result<RangeReader, Failure> {
        let stored = self.look(name)?;
        if stored.bytes != length {
            let (url, bytes) = (self.url_of(name), stored.bytes);
            return Err(Failure::data(format!("{url}: has {bytes} bytes, not {length}")));
        }
        self.start_of(name, &stored, length)
    }

    /// Reads a blob from its start up to `length`, or to its end.
    fn start_of(&self, name: &str, stored: &Stored, length: u64) -> Result<RangeReader, Failure> {
        let url = self.url_of(name);
        let Some(etag) = stored.etag.clone() else {
            return Err(Failure::data(format!(
                "{url}: its server names no ETag, and without one a blob that changes while it is read goes unnoticed"
            )));
        };
        let client = blob_client(&url, &self.access)?;
        let (runtime, access) = (self.runtime.clone(), self.access.clone());
        let length = length.min(stored.bytes);
        let source = Source::new(client, access, etag);
        Ok(RangeReader::new(runtime, source, length, self.limit))
    }

    fn look(&self, name: &str) -> Result<Stored, Failure> {
        self.find(name)?.ok_or_else(|| {
            let url = self.url_of(name);
            Failure::data(format!(
                "{url}: there is no such blob; upload it, or check the URL"
            ))
        })
    }

    fn find(&self, name: &str) -> Result<Option<Stored>, Failure> {
        // A panic elsewhere leaves the map whole.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stored) = seen.get(name) {
            return Ok(Some(stored.clone()));
        }
        let client = blob_client(&self.url_of(name), &self.access)?;
        let asked = self.limit.hold(unfinished, look(&client, &self.access));
        let found = self.runtime.block_on(asked)?;
        if let Some(stored) = &found {
            seen.insert(name.to_owned(), stored.clone());
        }
        Ok(found)
    }
}

/// What an end before the end leaves of reading.
pub(super) fn unfinished() -> String {
    "nothing unfinished was left behind".to_owned()
}

/// The credential for reading; none is fine where none is configured.
async fn access(url: &Url, client: &Client, args: &CredentialArgs) -> Result<Access, Failure> {
    match choose(args, url, &from_environment)? {
        Choice::Ask {
            forced: false, kinds, ..
        } if kinds.is_empty() => Ok(Access::anonymous(client)),
        choice => Access::of(choice, url, client).await,
    }
}

/// The failure inside an error of a reader, with its own exit code.
pub(crate) fn failure_of(error: io::Error, url: &Url) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => Failure::new(Exit::Io, format!("reading {}: {error}", redact(url.as_str()))),
    }
}
