//! Where the body of an answer ends (RFC 9112 sections 6 and 7.1). Sizes of chunks and trailers are parsed by httparse.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use httparse::Status;

use super::head::broken;

/// Longest line with a chunk's size; what it says beside the size is passed over.
const SIZE_BYTES: usize = 4 << 10;
/// Trailers, together and in number. They are dropped.
const TRAILER_BYTES: usize = 16 << 10;
const TRAILERS: usize = 64;

/// What comes next of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; with none left it is over.
    Length(u64),
    /// Whatever comes before the connection's end.
    UntilClose,
    /// Chunks.
    Chunked(Place),
}

/// What comes next of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Size,
    Data(u64),
    /// The end of line behind the data.
    DataEnd,
    Trailers,
}

impl Framing {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Place::Size)
    }

    /// The whole body was taken.
    pub(super) fn is_over(self) -> bool {
        self == Self::Length(0)
    }

    /// Takes what is in the buffer of the body; nothing where more must come first, or where it is over.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
        loop {
            let place = match self {
                Self::Length(left) | Self::Chunked(Place::Data(left)) if *left > 0 => {
                    let data = up_to(left, buffer);
                    return Ok((!data.is_empty()).then_some(data));
                }
                Self::UntilClose => {
                    let data = buffer.split().freeze();
                    return Ok((!data.is_empty()).then_some(data));
                }
                Self::Length(_) => return Ok(None),
                Self::Chunked(place) => *place,
            };
            match next(place, buffer)? {
                Some(following) => *self = following,
                None => return Ok(None),
            }
        }
    }
}

fn up_to(left: &mut u64, buffer: &mut BytesMut) -> Bytes {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= here as u64;
    buffer.split_to(here).freeze()
}

/// What follows the framing that begins here; nothing where it is not whole yet.
fn next(place: Place, buffer: &mut BytesMut) -> io::Result<Option<Framing>> {
    match place {
        Place::Size => match httparse::parse_chunk_size(buffer) {
            // A line without a digit is read as a size of 0.
            Ok(Status::Complete((line, size))) if buffer.first().is_some_and(u8::is_ascii_hexdigit) => {
                buffer.advance(line);
                let place = if size == 0 {
                    Place::Trailers
                } else {
                    Place::Data(size)
                };
                Ok(Some(Framing::Chunked(place)))
            }
            Ok(Status::Partial) if buffer.len() < SIZE_BYTES => Ok(None),
            _ => Err(broken("a chunk has no size")),
        },
        Place::Data(_) => Ok(Some(Framing::Chunked(Place::DataEnd))),
        Place::DataEnd => match buffer.get(..2) {
            Some(b"\r\n") => {
                buffer.advance(2);
                Ok(Some(Framing::chunked()))
            }
            None if buffer.is_empty() || buffer.first() == Some(&b'\r') => Ok(None),
            _ => Err(broken("a chunk is longer than its size")),
        },
        Place::Trailers => {
            let mut room = [httparse::EMPTY_HEADER; TRAILERS];
            match httparse::parse_headers(buffer, &mut room) {
                Ok(Status::Complete((bytes, _))) => {
                    buffer.advance(bytes);
                    Ok(Some(Framing::Length(0)))
                }
                Ok(Status::Partial) if buffer.len() < TRAILER_BYTES => Ok(None),
                _ => Err(broken("its trailers are none")),
            }
        }
    }
}
