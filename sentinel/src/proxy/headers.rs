//! Which headers cross the proxy (RFC 9110 section 7.6.1), and which make a request ambiguous.

use http::HeaderMap;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::refusal::Refusal;

const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
];
const HOP_BY_HOP_OLD: [&str; 2] = ["keep-alive", "proxy-connection"];
/// Never told to the runtime: the client's credential, and names that only mean something out here.
const OURS: [HeaderName; 3] = [AUTHORIZATION, HOST, CONTENT_LENGTH];
/// Other names under which clients send the same credential.
const CREDENTIALS: [&str; 3] = ["x-api-key", "api-key", "cookie"];

/// Refuses what two programs could read as two different requests, as far as hyper shows it;
/// [`super::framing`] sees the rest.
pub(super) fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let count = |name: &HeaderName| headers.get_all(name).iter().count();
    let (length, encoding) = (count(&CONTENT_LENGTH), count(&TRANSFER_ENCODING));
    if length > 1 || encoding > 1 || (length > 0 && encoding > 0) || count(&HOST) > 1 {
        return Err(Refusal::framing());
    }
    if headers.contains_key(UPGRADE) {
        return Err(Refusal::upgrade());
    }
    Ok(())
}

/// The headers that the runtime sees.
pub(super) fn to_runtime(client: HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(client);
    for name in OURS {
        headers.remove(name);
    }
    for name in CREDENTIALS {
        headers.remove(name);
    }
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    // Digests and counters need the answer as it is.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// The headers that the client sees.
pub(super) fn to_client(runtime: HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(runtime);
    headers.remove(http::header::SERVER);
    headers
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in HOP_BY_HOP_OLD {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::{check_framing, to_client, to_runtime};
    use http::HeaderMap;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_names_a_hop_ends_there() {
        let headers = to_runtime(map(&[
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("authorization", "Bearer secret"),
            ("x-api-key", "secret"),
            ("host", "public.example"),
            ("accept-encoding", "gzip"),
            ("content-length", "3"),
            ("content-type", "application/json"),
            ("x-request-id", "7"),
        ]));
        let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-encoding", "content-type", "host", "x-request-id"]);
        assert_eq!(headers["accept-encoding"], "identity");
        assert_eq!(headers["host"], "localhost");
    }

    #[test]
    fn answers_keep_their_length_and_lose_the_servers_name() {
        let headers = to_client(map(&[
            ("content-length", "3"),
            ("server", "uvicorn"),
            ("transfer-encoding", "chunked"),
        ]));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        assert!(check_framing(&map(&[("content-length", "3"), ("host", "a")])).is_ok());
        for pairs in [
            [("content-length", "3"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            [("content-length", "3"), ("content-length", "3")],
            [("host", "a"), ("host", "b")],
            [("host", "a"), ("upgrade", "websocket")],
        ] {
            assert!(check_framing(&map(&pairs)).is_err(), "{pairs:?}");
        }
    }
}
