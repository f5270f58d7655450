//! A byte-level tokenizer: every text has a tokenisation, and nothing had to be trained.

use serde_json::{Map, Value, json};

/// Tokens of the byte alphabet and the two special ones.
pub(super) const TOKENS: u32 = 258;
/// Begin of text.
pub(super) const BOS: u32 = 256;
/// End of text.
pub(super) const EOS: u32 = 257;

/// `tokenizer.json`.
pub(super) fn tokenizer() -> Value {
    let mut vocab: Map<String, Value> = (0..=255_u8)
        .map(|byte| (letter(byte).to_string(), Value::from(byte)))
        .collect();
    vocab.insert("<s>".into(), BOS.into());
    vocab.insert("</s>".into(), EOS.into());
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(BOS, "<s>"), special(EOS, "</s>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": []
        }
    })
}

/// `tokenizer_config.json`.
pub(super) fn tokenizer_config() -> Value {
    json!({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
           "model_max_length": 2048, "clean_up_tokenization_spaces": false})
}

/// The printable letter that byte-level tokenizers show a byte as: itself where it is printable, else the next
/// free one from U+0100 on.
fn letter(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !printable(*b)).count();
    u32::try_from(before)
        .ok()
        .and_then(|n| char::from_u32(0x100 + n))
        .unwrap_or('\u{fffd}')
}
