//! One blob, one range: HEAD and ranged GET with a pinned `ETag`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use trustbridge_azure::http::{Body, Deadline};

use super::landing::Landing;
use super::manifest::granted;
use super::patience::{Fault, PROGRESS_BYTES, Patience, refusal};
use super::ranges::Span;
use super::{AssetFile, Error, Hydration};
use crate::license::Grant;

const HEAD_TIME: Duration = Duration::from_secs(30);
/// Slower than this is not a transfer.
const BYTES_PER_SECOND: u64 = PROGRESS_BYTES;
/// Bytes that are written at once.
const WRITE_BYTES: u64 = 1 << 20;
/// Pieces that are written at once, however small: each costs more than its bytes.
const WRITE_PIECES: usize = 256;

/// What HEAD said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) bytes: u64,
    pub(super) etag: String,
}

/// Length and generation of a file's blob.
pub(super) async fn head(job: &Hydration, file: &AssetFile) -> Result<Blob, Error> {
    let mut patience = Patience::default();
    loop {
        let grant = granted(job).await?;
        match try_head(job, file, &grant).await {
            Ok(blob) => return Ok(blob),
            Err(fault) => patience.after(fault, &job.license, &grant).await?,
        }
    }
}

async fn try_head(job: &Hydration, file: &AssetFile, grant: &Grant) -> Result<Blob, Fault> {
    let what = grant.shown_url_of(file.path.as_deref());
    let request = request(Method::HEAD, file, grant, &[])?;
    let answer = job
        .http
        .send_streaming(request, Deadline::after(HEAD_TIME))
        .await?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(&what, answer).await);
    }
    let bytes = text(answer.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    Ok(Blob {
        bytes: bytes.ok_or_else(|| Fault::passing(format!("{what}: HEAD tells no Content-Length")))?,
        etag: text(answer.headers(), &ETAG).unwrap_or_default().to_owned(),
    })
}

/// Fetches one range into the file, from wherever an attempt broke off.
pub(super) async fn range(
    job: &Hydration,
    file: &AssetFile,
    landing: &Landing,
    span: Span,
) -> Result<(), Error> {
    let mut patience = Patience::default();
    let mut at = span.start;
    loop {
        let before = at;
        let grant = granted(job).await?;
        let Err(fault) = try_range(job, file, landing, span, &mut at, &grant).await else {
            return Ok(());
        };
        patience.progress(at - before);
        patience.after(fault, &job.license, &grant).await?;
    }
}

async fn try_range(
    job: &Hydration,
    file: &AssetFile,
    landing: &Landing,
    span: Span,
    at: &mut u64,
    grant: &Grant,
) -> Result<(), Fault> {
    let what = grant.shown_url_of(file.path.as_deref());
    let length = span.end.saturating_sub(*at);
    let deadline = Deadline::after(job.idle + Duration::from_secs(length / BYTES_PER_SECOND));
    let bytes = format!("bytes={}-{}", *at, span.end.saturating_sub(1));
    let request = request(
        Method::GET,
        file,
        grant,
        &[(RANGE, &bytes), (IF_MATCH, landing.etag())],
    )?;
    let answer = job.http.send_streaming(request, deadline).await?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => judge_partial(&what, &answer, *at, span.end, landing)?,
        StatusCode::OK => {
            let text =
                format!("{what}: the whole blob instead of a range; the store must support Range requests");
            return Err(Fault::Final(Error::GaveUp(text)));
        }
        _ => return Err(refusal(&what, answer).await),
    }
    receive(
        job,
        &what,
        answer.into_body().with_idle_timeout(job.idle),
        landing,
        at,
        span.end,
    )
    .await
}

async fn receive(
    job: &Hydration,
    what: &str,
    mut body: Body,
    landing: &Landing,
    at: &mut u64,
    end: u64,
) -> Result<(), Fault> {
    let mut pieces = Pieces::default();
    let mut fault = None;
    while let Some(piece) = body.chunk().await {
        match piece {
            Ok(piece) => pieces.add(piece),
            Err(error) => fault = Some(Fault::from(error)),
        }
        if *at + pieces.bytes > end {
            return Err(Fault::passing(format!("{what}: more bytes than the range has")));
        }
        if pieces.are_enough() || fault.is_some() {
            land(job, landing, at, &mut pieces).await?;
        }
        if let Some(fault) = fault.take() {
            return Err(fault);
        }
    }
    land(job, landing, at, &mut pieces).await?;
    if *at < end {
        return Err(Fault::passing(format!(
            "{what}: {} bytes of the range are missing",
            end - *at
        )));
    }
    Ok(())
}

/// What has arrived and is not written, as it came: nothing is copied together.
#[derive(Default)]
struct Pieces {
    list: Vec<Bytes>,
    bytes: u64,
}

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        self.bytes += piece.len() as u64;
        self.list.push(piece);
    }

    fn are_enough(&self) -> bool {
        self.bytes >= WRITE_BYTES || self.list.len() >= WRITE_PIECES
    }
}

async fn land(job: &Hydration, landing: &Landing, at: &mut u64, pieces: &mut Pieces) -> Result<(), Fault> {
    let Pieces { list, bytes } = std::mem::take(pieces);
    landing.write(*at, list).await.map_err(Fault::Final)?;
    *at += bytes;
    job.shared.facts.add_landed_bytes(bytes);
    job.shared.metrics.landed_bytes.inc_by(bytes);
    Ok(())
}

/// A 206 must be exactly the asked range of the pinned blob, not encoded.
fn judge_partial(
    what: &str,
    answer: &Response<Body>,
    start: u64,
    end: u64,
    landing: &Landing,
) -> Result<(), Fault> {
    let headers = answer.headers();
    let expected = format!("bytes {}-{}/{}", start, end.saturating_sub(1), landing.bytes());
    match text(headers, &CONTENT_RANGE) {
        Some(told) if told == expected => {}
        told => {
            let told: String = told.unwrap_or("nothing").chars().take(64).collect();
            return Err(Fault::passing(format!(
                "{what}: Content-Range is {told:?}, asked was {expected:?}"
            )));
        }
    }
    if text(headers, &CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Fault::passing(format!(
            "{what}: an encoded body, though identity was asked for"
        )));
    }
    match text(headers, &ETAG) {
        Some(etag) if !landing.etag().is_empty() && etag != landing.etag() => Err(Fault::Final(
            Error::Changed(format!("{what}: the blob's ETag changed")),
        )),
        _ => Ok(()),
    }
}

fn request(
    method: Method,
    file: &AssetFile,
    grant: &Grant,
    headers: &[(HeaderName, &str)],
) -> Result<Request<Bytes>, Fault> {
    let path = file.path.as_deref();
    let refuse = |why: &str| {
        let what = grant.shown_url_of(path);
        Fault::Final(Error::Integrity(format!("{}: URL {what:?}: {why}", file.shown())))
    };
    let url = grant
        .url_of(path)
        .ok_or_else(|| refuse("missing from the renewed authorisation"))?;
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, *value);
    }
    request.body(Bytes::new()).map_err(|_| refuse("no valid request"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::{Pieces, WRITE_BYTES, WRITE_PIECES};
    use bytes::Bytes;

    #[test]
    fn pieces_are_written_when_they_are_large_or_many() {
        let mut small = Pieces::default();
        for _ in 1..WRITE_PIECES {
            small.add(Bytes::from_static(b"a"));
            assert!(!small.are_enough());
        }
        small.add(Bytes::from_static(b"a"));
        assert!(small.are_enough());
        let mut large = Pieces::default();
        large.add(vec![0; usize::try_from(WRITE_BYTES).unwrap()].into());
        assert!(large.are_enough());
    }
}
