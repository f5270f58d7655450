//! What the URLs of an asset say by themselves.

use std::path::Path;

use url::Url;

/// Whether a URL names a single file's ciphertext, as `encrypt` and `upload` call it.
pub(super) fn is_blob(url: &Url) -> bool {
    Path::new(url.path())
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tbenc"))
}

/// The URL beside another one, or above it, with the same query.
pub(super) fn sibling(url: &Url, name: Option<&str>) -> Url {
    let mut sibling = url.clone();
    if let Ok(mut segments) = sibling.path_segments_mut() {
        segments.pop_if_empty().pop();
        if let Some(name) = name {
            segments.push(name);
        }
    }
    sibling
}

/// The asset whose folder a URL lies in: what follows `models/`, as `upload` lays it out.
pub(super) fn folder_of_asset(url: &Url) -> Option<String> {
    let segments: Vec<&str> = url.path_segments()?.filter(|s| !s.is_empty()).collect();
    let folder = match segments.as_slice() {
        [.., "models", folder] | [.., "models", folder, _] => *folder,
        _ => return None,
    };
    Some(folder.to_owned())
}

/// The folder above two URLs, and what each is called below it: what lies at one server and is asked for with one
/// credential needs to be opened only once. Nothing where the two have nothing in common but their kind.
pub(super) fn shared(one: &Url, other: &Url) -> Option<(Url, String, String)> {
    if one.origin() != other.origin() || one.query() != other.query() {
        return None;
    }
    let (ours, theirs) = (names(one)?, names(other)?);
    let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let mut root = one.clone();
    if let Ok(mut segments) = root.path_segments_mut() {
        segments.clear().extend(ours.iter().take(same));
    }
    let below = |names: &[String]| names.get(same..).unwrap_or_default().join("/");
    Some((root, below(&ours), below(&theirs)))
}

/// The parts of a URL's path, decoded; nothing where one of them is no name.
fn names(url: &Url) -> Option<Vec<String>> {
    let parts = url.path_segments()?.filter(|part| !part.is_empty());
    parts.map(decoded).collect()
}

/// A part of a path without its percent-encoding (RFC 3986, section 2.1).
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?);
    }
    String::from_utf8(bytes).ok().filter(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asset::MANIFEST_NAME;
    use crate::store::place::below;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn urls_keep_their_query_when_the_name_changes() {
        let blob = url("https://a.example/c/models/tb-1/model.tbenc?sig=x");
        assert!(is_blob(&blob) && !is_blob(&url("https://a.example/c/models/tb-1/")));
        assert_eq!(
            sibling(&blob, Some(MANIFEST_NAME)).as_str(),
            "https://a.example/c/models/tb-1/model.manifest.json?sig=x"
        );
        assert_eq!(
            sibling(&blob, None).as_str(),
            "https://a.example/c/models/tb-1?sig=x"
        );
    }

    #[test]
    fn the_folder_names_the_asset() {
        for (place, expected) in [
            ("https://a.example/c/models/tb-1", Some("tb-1")),
            ("https://a.example/acct/c/models/tb-1/", Some("tb-1")),
            ("https://a.example/c/models/tb-1/model.tbenc", Some("tb-1")),
            ("https://a.example/c/other/tb-1", None),
            ("https://models.example/x", None),
        ] {
            assert_eq!(folder_of_asset(&url(place)).as_deref(), expected, "{place}");
        }
    }

    #[test]
    fn two_urls_of_one_server_and_one_credential_are_opened_once() {
        let base = "https://a.example/c";
        for (one, other, root, names) in [
            ("m/tb-1", "m/tb-1/x.json", "m/tb-1", ["", "x.json"]),
            ("m/tb-1/a.tbenc", "m/tb-1/b", "m/tb-1", ["a.tbenc", "b"]),
            ("m/tb-1/", "n/o/x.json", "", ["m/tb-1", "n/o/x.json"]),
            ("m/a%20b/c", "m/a%20b/d%25", "m/a%20b", ["c", "d%"]),
            ("m/x?sig=1", "m/y?sig=1", "m?sig=1", ["x", "y"]),
        ] {
            let (one, other) = (url(&format!("{base}/{one}")), url(&format!("{base}/{other}")));
            let (found, a, b) = shared(&one, &other).unwrap();
            let expected = format!("{base}/{root}");
            assert_eq!(
                found.as_str().trim_end_matches('/'),
                expected.trim_end_matches('/')
            );
            assert_eq!([a.as_str(), &b], names);
            // What is asked for is what was named.
            assert_eq!(below(&found, &b).path(), other.path());
        }
        for (one, other) in [
            ("https://a.example/c/x", "https://b.example/c/x"),
            ("https://a.example/c/x?sig=1", "https://a.example/c/x?sig=2"),
            ("https://a.example/c/x?sig=1", "https://a.example/c/x"),
            ("https://a.example/c/x%2Fy", "https://a.example/c/x"),
        ] {
            assert!(shared(&url(one), &url(other)).is_none(), "{one} {other}");
        }
    }
}
