//! What looks like model weights, by name and by content.

/// Bytes from a file's start that [`by_content`] wants.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Why a file is taken for weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The format's name.
    pub(crate) what: &'static str,
    /// Whether nothing but weights has this form; else the size counts too.
    pub(crate) certain: bool,
}

const EXTENSIONS: [&str; 10] = [
    "safetensors",
    "bin",
    "pt",
    "pth",
    "gguf",
    "onnx",
    "h5",
    "msgpack",
    "ckpt",
    "tbenc",
];

/// The extension, where it is one that weights have.
pub(crate) fn by_name(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, extension) = name.rsplit_once('.')?;
    EXTENSIONS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(extension))
}

/// The format, where the first bytes are those of weights. `bytes` is the whole file's length.
pub(crate) fn by_content(head: &[u8], bytes: u64) -> Option<Evidence> {
    let sure = |what| Some(Evidence { what, certain: true });
    let likely = |what| Some(Evidence { what, certain: false });
    if is_safetensors(head, bytes) {
        return sure("safetensors header");
    }
    if head.starts_with(b"TBENC001") {
        return sure("tbenc/v1 header");
    }
    if [b"GGUF", b"tjgg", b"fmgg", b"lmgg"]
        .iter()
        .any(|magic| head.starts_with(*magic))
    {
        return sure("GGUF magic");
    }
    if head.starts_with(TORCH_MAGIC) {
        return sure("PyTorch's older pickle");
    }
    if head.starts_with(b"PK\x03\x04") && (contains(head, b"/data.pkl") || contains(head, b"data.pkl")) {
        return sure("PyTorch archive");
    }
    if is_tensor_pickle(head) {
        return likely("pickle with tensors");
    }
    if head.starts_with(b"\x89HDF\r\n\x1a\n") {
        return likely("HDF5 magic");
    }
    if head.starts_with(b"\x93NUMPY") {
        return likely("NumPy array");
    }
    if head.get(4..8) == Some(b"TFL3") {
        return likely("TensorFlow Lite model");
    }
    None
}

/// A pickle of the number 0x1950a86a20f9469cfc6c, with which `torch.save` began until 1.6.
const TORCH_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Eight bytes of length, then that much JSON: an object of names.
fn is_safetensors(head: &[u8], bytes: u64) -> bool {
    let Some((length, header)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    // 100 MB is the format's own limit.
    let plausible =
        (2..=100_000_000).contains(&length) && length.checked_add(8).is_some_and(|end| end <= bytes);
    let mut text = header.iter().copied().filter(|b| !b.is_ascii_whitespace());
    plausible && text.next() == Some(b'{') && text.next().is_none_or(|b| matches!(b, b'"' | b'}'))
}

fn is_tensor_pickle(head: &[u8]) -> bool {
    let pickle = matches!(head, [0x80, 2..=5, ..]);
    let modules: [&[u8]; 4] = [b"torch", b"numpy", b"jax", b"tensorflow"];
    pickle && modules.iter().any(|module| contains(head, module))
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_length(length: u64, text: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes(), text].concat()
    }

    #[test]
    fn each_format_is_known_by_its_first_bytes() {
        let zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0archive/data.pkl";
        let torch = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
        for (head, certain) in [
            (with_length(18, b"{\"w\":{\"dtype\":\"F32\"}}"), true),
            (with_length(18, b" {\n \"__metadata__\": {}}"), true),
            (b"GGUF\x03\0\0\0".to_vec(), true),
            (b"TBENC001\x01".to_vec(), true),
            (zip.to_vec(), true),
            (torch.to_vec(), true),
            (b"\x80\x04\x95ctorch._utils\n".to_vec(), false),
            (b"\x89HDF\r\n\x1a\n\0".to_vec(), false),
            (b"\x93NUMPY\x01".to_vec(), false),
            (b"\x1c\0\0\0TFL3".to_vec(), false),
        ] {
            let found = by_content(&head, 1 << 20);
            assert_eq!(found.map(|e| e.certain), Some(certain), "{head:?}");
        }
    }

    #[test]
    fn programs_texts_and_archives_are_not_weights() {
        for head in [
            b"\x7fELF\x02\x01\x01".to_vec(),
            b"#!/bin/sh\n".to_vec(),
            b"{\"a\": 1}".to_vec(),
            b"PK\x03\x04\x14\0\0\0 META-INF/MANIFEST.MF".to_vec(),
            b"\x80\x04\x95cbuiltins\n".to_vec(),
            with_length(1 << 40, b"{\"w\""),
            with_length(20, b"[1, 2]"),
            Vec::new(),
        ] {
            assert_eq!(by_content(&head, 1 << 20), None, "{head:?}");
        }
        // A length beyond the file's end is no header.
        assert_eq!(by_content(&with_length(1000, b"{\"w\":1}"), 20), None);
    }

    #[test]
    fn names_count_in_any_case_and_folder() {
        for name in ["a/b/model.SafeTensors", "x.bin", "/w.gguf", "m.tbenc"] {
            assert!(by_name(name).is_some(), "{name}");
        }
        for name in ["a.bin/readme.txt", "bin", "x.so", "weights"] {
            assert_eq!(by_name(name), None, "{name}");
        }
    }
}
