//! Random edits of a file's bytes.

use proptest::prelude::*;
use proptest::sample::Index;

/// One edit. Places are relative, so that any edit fits any file.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Xor(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Truncate(Index),
    Append(Vec<u8>),
    Copy(Index, Index, u8),
    Swap(Index, Index, u8),
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 1_u8..).prop_map(|(at, mask)| Edit::Xor(at, mask)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), 1_u8..).prop_map(|(at, length)| Edit::Remove(at, length)),
        at().prop_map(Edit::Truncate),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Edit::Append),
        (at(), at(), 1_u8..).prop_map(|(at, to, length)| Edit::Copy(at, to, length)),
        (at(), at(), 1_u8..).prop_map(|(at, to, length)| Edit::Swap(at, to, length)),
    ]
}

impl Edit {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        if let Self::Append(more) = self {
            bytes.extend(more);
        }
        if bytes.is_empty() {
            return;
        }
        let run = |at: &Index, length: u8| {
            let start = at.index(bytes.len());
            start..bytes.len().min(start + usize::from(length))
        };
        match self {
            Self::Append(_) => {}
            Self::Xor(at, mask) => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Insert(at, more) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, length) => {
                let run = run(at, *length);
                bytes.drain(run);
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Copy(from, to, length) => {
                let (from, to) = (run(from, *length), run(to, *length));
                let length = from.len().min(to.len());
                bytes.copy_within(from.start..from.start + length, to.start);
            }
            Self::Swap(one, two, length) => {
                let (one, two) = (run(one, *length), run(two, *length));
                one.zip(two).for_each(|(i, j)| bytes.swap(i, j));
            }
        }
    }
}
