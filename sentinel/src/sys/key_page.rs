//! The page in which a key lives.

use std::io;

use trustbridge_secret_page::{Kind, SecretPage};
use trustbridge_tbenc::{KEY_BYTES, KeyMemory};

/// Memory for one key that neither a dump nor another process holds.
pub(crate) struct KeyPage(SecretPage<KEY_BYTES>);

impl KeyPage {
    pub(crate) fn new() -> io::Result<Self> {
        SecretPage::new().map(Self)
    }

    /// How far it is out of others' reach.
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind()
    }
}

impl KeyMemory for KeyPage {
    fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES] {
        self.0.bytes_mut()
    }
}
