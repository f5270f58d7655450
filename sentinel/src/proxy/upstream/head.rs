//! The head of an answer: parsed by httparse, and what it says of the body (RFC 9112 section 6.3).

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use httparse::{ParserConfig, Status};

use super::framing::Framing;

/// As hyper takes them.
const HEADERS: usize = 100;
const HEAD_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection can have another exchange after this one.
    pub(super) keeps: bool,
}

/// Takes the head of the answer to `method` from the buffer; nothing where it is not whole yet. Interim answers (1xx)
/// are passed over: nobody asked for one.
pub(super) fn take(buffer: &mut BytesMut, method: &Method) -> io::Result<Option<Head>> {
    while let Some(parsed) = parse(buffer)? {
        if parsed.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(broken("it switches protocols, which nobody asked for"));
        }
        if parsed.status.is_informational() {
            continue;
        }
        let framing = framing(&parsed, method)?;
        let keeps = parsed.is_current && framing != Framing::UntilClose && !says_close(&parsed.headers);
        let mut headers = parsed.headers;
        if !matches!(framing, Framing::Length(_)) {
            headers.remove(CONTENT_LENGTH);
        }
        return Ok(Some(Head {
            status: parsed.status,
            headers,
            framing,
            keeps,
        }));
    }
    Ok(None)
}

struct Parsed {
    status: StatusCode,
    /// HTTP/1.1.
    is_current: bool,
    headers: HeaderMap,
}

fn parse(buffer: &mut BytesMut) -> io::Result<Option<Parsed>> {
    let mut room = [const { MaybeUninit::uninit() }; HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, buffer, &mut room)
        .map_err(|error| broken(&error.to_string()))?;
    let Status::Complete(length) = parsed else {
        return if buffer.len() < HEAD_BYTES {
            Ok(None)
        } else {
            Err(broken("its head is larger than 64 KiB"))
        };
    };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| broken("its status is no number from 100 to 999"))?;
    let is_current = response.version == Some(1);
    let start = buffer.as_ptr().addr();
    let mut places = Vec::with_capacity(response.headers.len());
    for header in response.headers.iter() {
        let name =
            HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| broken("a header has no name"))?;
        let from = header.value.as_ptr().addr() - start;
        places.push((name, from..from + header.value.len()));
    }
    // Values stay where they came, and are shared.
    let text: Bytes = buffer.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(places.len());
    for (name, place) in places {
        let value = HeaderValue::from_maybe_shared(text.slice(place))
            .map_err(|_| broken("a header's value has bytes that none may have"))?;
        headers.append(name, value);
    }
    Ok(Some(Parsed {
        status,
        is_current,
        headers,
    }))
}

fn framing(parsed: &Parsed, method: &Method) -> io::Result<Framing> {
    let (status, headers) = (parsed.status, &parsed.headers);
    if method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(Framing::Length(0));
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => {}
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            return Ok(Framing::chunked());
        }
        _ => return Err(broken("its transfer-encoding is not chunked alone")),
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(length);
    match lengths.next() {
        None => Ok(Framing::UntilClose),
        Some(Some(first)) if lengths.all(|other| other == Some(first)) => Ok(Framing::Length(first)),
        Some(_) => Err(broken("its content-length is no number, or there are two")),
    }
}

/// Digits alone: no sign, no list.
fn length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn says_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// An answer that cannot be understood.
pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the runtime's answer is no HTTP/1.1: {what}"),
    )
}
