//! Any bytes as a header: never a panic, and what is accepted is written back as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustbridge_tbenc::{Class, HEADER_BYTES, Header, MAX_CHUNK_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return;
    };
    match Header::parse(head) {
        Ok(header) => {
            assert_eq!(header.encode(), *head);
            assert!((1..=MAX_CHUNK_BYTES).contains(&header.chunk_bytes));
            assert!(head.starts_with(b"TBENC001\x00\x01\x01") && head[19..] == [0; 13]);
        }
        Err(error) => assert!(matches!(error.class(), Class::Header | Class::Limit), "{error}"),
    }
});
