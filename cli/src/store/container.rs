//! One container, with a credential.

use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlobContainerClientGetPropertiesResultHeaders,
    BlockBlobClientCommitBlockListOptions, BlockBlobClientUploadOptions, BlockListType, BlockLookupList,
    PublicAccessType,
};
use azure_storage_blob::{
    BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions, BlockBlobClient,
};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use url::Url;

use super::credential::Access;
use super::place::Place;
use super::refusal::{self, Answer};
use crate::failure::{Exit, Failure};

/// The name of the metadata that holds the SHA-256 of a blob's content, set when it is committed.
const SHA256: &str = "sha256";

/// What the store says about a blob that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    /// As we wrote it; nothing where another program did.
    pub(crate) sha256: Option<String>,
    pub(crate) etag: Option<String>,
}

/// Looks at one blob; nothing where there is none.
pub(crate) async fn look(client: &BlobClient, access: &Access) -> Result<Option<Stored>, Failure> {
    let refused = |error| refusal::failure("looking for", client.url(), access, &error);
    let found = match client.get_properties(None).await {
        Ok(found) => found,
        Err(error) if Answer::of(&error).is_some_and(|answer| answer.is_no_blob()) => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    let length = found.content_length().map_err(refused)?;
    let metadata = found.metadata().map_err(refused)?;
    Ok(Some(Stored {
        bytes: length.unwrap_or_default(),
        sha256: metadata.get(SHA256).cloned(),
        etag: found.etag().map_err(refused)?.map(|etag| etag.to_string()),
    }))
}

/// A container that can be written to.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) place: Place,
    pub(crate) access: Access,
}

/// Whether the container is readable without a credential, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Private,
    Public,
    /// The credential may not ask.
    Untold,
}

impl Container {
    /// Makes the container, private; one that exists is fine and stays as it is.
    pub(crate) async fn create(&self) -> Result<(), Failure> {
        match self.client()?.create(None).await {
            Ok(_) => Ok(()),
            Err(error)
                if Answer::of(&error).is_some_and(|answer| answer.code == "ContainerAlreadyExists") =>
            {
                Ok(())
            }
            Err(error) => Err(self.refused("making the container", self.place.url(), &error)),
        }
    }

    /// Asks for the container's level of public access.
    pub(crate) async fn level(&self) -> Result<Level, Failure> {
        let answer = match self.client()?.get_properties(None).await {
            Ok(properties) => properties.access(),
            Err(error) => Err(error),
        };
        match answer {
            Ok(None) => Ok(Level::Private),
            Ok(Some(
                PublicAccessType::Blob | PublicAccessType::Container | PublicAccessType::UnknownValue(_),
            )) => Ok(Level::Public),
            // A SAS of a container cannot read its properties; whether it is any good shows with the first blob.
            Err(error) if Answer::of(&error).is_some_and(|answer| answer.status == 403) => Ok(Level::Untold),
            Err(error) => Err(self.refused("looking at the container", self.place.url(), &error)),
        }
    }

    /// Looks at one blob of the container.
    pub(crate) async fn look(&self, name: &str) -> Result<Option<Stored>, Failure> {
        look(&self.blob(name)?, &self.access).await
    }

    /// The blocks that were staged for a blob that does not exist yet, with their lengths.
    pub(crate) async fn staged(&self, name: &str) -> Result<BTreeMap<Vec<u8>, u64>, Failure> {
        let client = self.blocks(name)?;
        let listed = match client.get_block_list(BlockListType::Uncommitted, None).await {
            Ok(list) => list.into_model(),
            Err(error) if Answer::of(&error).is_some_and(|answer| answer.is_no_blob()) => {
                return Ok(BTreeMap::new());
            }
            Err(error) => Err(error),
        };
        let list = listed.map_err(|e| self.refused("listing the staged blocks of", client.url(), &e))?;
        let blocks = list.uncommitted_blocks.into_iter().flatten();
        let known = blocks.filter_map(|block| {
            let bytes = u64::try_from(block.size?).ok()?;
            Some((block.name?, bytes))
        });
        Ok(known.collect())
    }

    /// Sends one block.
    pub(crate) async fn stage(&self, name: &str, id: &[u8], block: Bytes) -> Result<(), Failure> {
        let client = self.blocks(name)?;
        let bytes = block.len() as u64;
        let sent = client.stage_block(id, bytes, block.into(), None).await;
        sent.map(|_| ())
            .map_err(|e| self.refused("sending a block of", client.url(), &e))
    }

    /// Makes a blob of its blocks, unless one exists. Whether it was us that made it.
    pub(crate) async fn commit(&self, name: &str, ids: Vec<Vec<u8>>, sha256: &str) -> Result<bool, Failure> {
        let client = self.blocks(name)?;
        let list = BlockLookupList {
            latest: Some(ids),
            ..BlockLookupList::default()
        };
        let list = RequestContent::try_from(list)
            .map_err(|e| self.refused("listing the blocks of", client.url(), &e))?;
        let options = BlockBlobClientCommitBlockListOptions {
            blob_content_type: Some("application/octet-stream".to_owned()),
            if_none_match: Some(Etag::from("*")),
            metadata: Some(labels(sha256)),
            ..BlockBlobClientCommitBlockListOptions::default()
        };
        let result = client.commit_block_list(list, Some(options)).await;
        self.made(result.map(|_| ()), client.url())
    }

    /// Writes a small blob in one request, unless one exists. Whether it was us that wrote it.
    pub(crate) async fn write(&self, name: &str, content: Bytes, sha256: &str) -> Result<bool, Failure> {
        let client = self.blocks(name)?;
        let options = BlockBlobClientUploadOptions {
            blob_content_type: Some("application/json".to_owned()),
            if_none_match: Some(Etag::from("*")),
            metadata: Some(labels(sha256)),
            partition_size: std::num::NonZero::new(content.len() as u64),
            ..BlockBlobClientUploadOptions::default()
        };
        let result = client.upload(content.into(), Some(options)).await;
        self.made(result.map(|_| ()), client.url())
    }

    fn made(&self, result: azure_core::Result<()>, url: &Url) -> Result<bool, Failure> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if Answer::of(&error).is_some_and(|answer| answer.is_conflict()) => Ok(false),
            Err(error) => Err(self.refused("finishing", url, &error)),
        }
    }

    fn refused(&self, doing: &str, url: &Url, error: &azure_core::Error) -> Failure {
        refusal::failure(doing, url, &self.access, error)
    }

    fn client(&self) -> Result<BlobContainerClient, Failure> {
        let options = BlobContainerClientOptions {
            client_options: self.access.options(),
            version: Access::version(),
        };
        BlobContainerClient::new(
            self.place.url().clone(),
            self.access.token_credential(),
            Some(options),
        )
        .map_err(|e| self.refused("opening", self.place.url(), &e))
    }

    fn blob(&self, name: &str) -> Result<BlobClient, Failure> {
        blob_client(&self.place.blob(name), &self.access)
    }

    fn blocks(&self, name: &str) -> Result<BlockBlobClient, Failure> {
        self.blob(name).map(|client| client.block_blob_client())
    }
}

/// The SDK's client of one blob.
pub(crate) fn blob_client(url: &Url, access: &Access) -> Result<BlobClient, Failure> {
    let options = BlobClientOptions {
        client_options: access.options(),
        version: Access::version(),
    };
    BlobClient::new(url.clone(), access.token_credential(), Some(options)).map_err(|e| {
        let text = format!(
            "opening {}: {}",
            trustbridge_azure::http::redact(url.as_str()),
            refusal::reason(&e)
        );
        Failure::new(Exit::Usage, text)
    })
}

fn labels(sha256: &str) -> HashMap<String, String> {
    HashMap::from([(SHA256.to_owned(), sha256.to_owned())])
}
