//! A tiny Llama with random weights: small, but every file of it is what the real ones are.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::safetensors::Tensor;
use super::tokenizer;
use crate::failure::Failure;
use crate::interrupt;
use crate::staged::create_new;

/// What to make.
pub(crate) struct Sample<'a> {
    /// Size of all weights together.
    pub(crate) bytes: u64,
    /// Text that stands in the tensor data again and again.
    pub(crate) canary: Option<&'a str>,
    /// Same seed, same bytes.
    pub(crate) seed: u64,
}

/// Every block of this size begins with the canary.
const CANARY_EVERY: usize = 4096;
/// The two weight files.
const SHARDS: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];

/// The model's measures.
struct Shape {
    hidden: u64,
    intermediate: u64,
    layers: u64,
    vocab: u64,
}

impl Shape {
    /// The largest tiny Llama whose bf16 weights fit into `bytes`: layers take about half, the vocabulary
    /// fills the rest.
    fn fit(bytes: u64) -> Self {
        let hidden: u64 = if bytes < 16 << 20 { 64 } else { 256 };
        let intermediate = hidden * 11 / 4;
        let layer = 2 * (4 * hidden * hidden + 3 * hidden * intermediate + 2 * hidden);
        let layers = (bytes / 2 / layer).clamp(1, 64);
        let rest = bytes.saturating_sub(layers * layer + 2 * hidden);
        let vocab = (rest / (2 * 2 * hidden)).max(u64::from(tokenizer::TOKENS));
        Self {
            hidden,
            intermediate,
            layers,
            vocab,
        }
    }

    /// Names and shapes in the order in which they are written.
    fn tensors(&self) -> Vec<(String, Vec<u64>)> {
        let Self {
            hidden: h,
            intermediate: i,
            vocab,
            ..
        } = *self;
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, h])];
        for n in 0..self.layers {
            let layer: [(&str, Vec<u64>); 9] = [
                ("input_layernorm", vec![h]),
                ("mlp.down_proj", vec![h, i]),
                ("mlp.gate_proj", vec![i, h]),
                ("mlp.up_proj", vec![i, h]),
                ("post_attention_layernorm", vec![h]),
                ("self_attn.k_proj", vec![h, h]),
                ("self_attn.o_proj", vec![h, h]),
                ("self_attn.q_proj", vec![h, h]),
                ("self_attn.v_proj", vec![h, h]),
            ];
            all.extend(
                layer
                    .into_iter()
                    .map(|(name, shape)| (format!("model.layers.{n}.{name}.weight"), shape)),
            );
        }
        all.push(("model.norm.weight".to_owned(), vec![h]));
        all.push(("lm_head.weight".to_owned(), vec![vocab, h]));
        all
    }

    fn config(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16",
            "tie_word_embeddings": false, "hidden_size": self.hidden, "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers, "num_attention_heads": self.hidden / 32,
            "num_key_value_heads": self.hidden / 32, "vocab_size": self.vocab, "hidden_act": "silu",
            "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "initializer_range": 0.02, "attention_bias": false, "mlp_bias": false, "use_cache": true,
            "bos_token_id": tokenizer::BOS, "eos_token_id": tokenizer::EOS
        })
    }
}

/// Bytes of a bf16 tensor.
fn bytes_of(shape: &[u64]) -> u64 {
    shape.iter().product::<u64>() * 2
}

/// Writes the model into an empty directory; gives the number of tensor bytes.
pub(crate) fn write(root: &Path, sample: &Sample<'_>) -> Result<u64, Failure> {
    let shape = Shape::fit(sample.bytes);
    let tensors = shape.tensors();
    let total: u64 = tensors.iter().map(|(_, shape)| bytes_of(shape)).sum();
    // The first shard takes tensors until it has half of the bytes.
    let mut before = 0;
    let (first, second): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(_, shape)| {
        let goes_first = before * 2 < total;
        before += bytes_of(shape);
        goes_first
    });
    let mut random = SplitMix(sample.seed);
    let mut weight_map = Map::new();
    for (name, tensors) in SHARDS.iter().zip([first, second]) {
        write_shard(&root.join(name), &tensors, sample.canary, &mut random)?;
        weight_map.extend(
            tensors
                .into_iter()
                .map(|(tensor, _)| (tensor, Value::from(*name))),
        );
    }
    let index =
        json!({"metadata": {"total_parameters": total / 2, "total_size": total}, "weight_map": weight_map});
    let generation =
        json!({"bos_token_id": tokenizer::BOS, "eos_token_id": tokenizer::EOS, "do_sample": false});
    for (name, document) in [
        ("config.json", shape.config()),
        ("generation_config.json", generation),
        ("tokenizer.json", tokenizer::tokenizer()),
        ("tokenizer_config.json", tokenizer::tokenizer_config()),
        ("model.safetensors.index.json", index),
    ] {
        let path = root.join(name);
        let mut file = create_new(&path)?;
        writeln!(file, "{document:#}").map_err(|e| Failure::file("writing", &path, &e))?;
    }
    Ok(total)
}

fn write_shard(
    path: &Path,
    tensors: &[(String, Vec<u64>)],
    canary: Option<&str>,
    random: &mut SplitMix,
) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::file("writing", path, &e);
    let mut out = BufWriter::with_capacity(1 << 20, create_new(path)?);
    write_head(&mut out, tensors).map_err(failed)?;
    for (name, shape) in tensors {
        interrupt::check()?;
        let bytes = bytes_of(shape);
        let body = if name.contains("norm") {
            norm(&mut out, bytes)
        } else {
            noise(&mut out, bytes, canary, random)
        };
        body.map_err(failed)?;
    }
    out.flush().map_err(failed)
}

fn write_head(out: &mut BufWriter<File>, tensors: &[(String, Vec<u64>)]) -> io::Result<()> {
    let mut head = Map::new();
    head.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut at = 0;
    for (name, shape) in tensors {
        let end = at + bytes_of(shape);
        let tensor = Tensor {
            dtype: "BF16".to_owned(),
            shape: shape.clone(),
            data_offsets: (at, end),
        };
        head.insert(name.clone(), serde_json::to_value(tensor)?);
        at = end;
    }
    let mut text = Value::Object(head).to_string();
    // Data begins at a multiple of eight, as the writers of the format do it.
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())
}

/// Scales of a norm: all one.
fn norm(out: &mut impl Write, bytes: u64) -> io::Result<()> {
    (0..bytes / 2).try_for_each(|_| out.write_all(&0x3f80_u16.to_le_bytes()))
}

/// Small random bf16 values, about ±0.01 to ±0.03.
fn noise(out: &mut impl Write, bytes: u64, canary: Option<&str>, random: &mut SplitMix) -> io::Result<()> {
    let mut block = [0; CANARY_EVERY];
    let mut left = usize::try_from(bytes).map_err(io::Error::other)?;
    while left > 0 {
        for eight in block.chunks_mut(8) {
            let raw = (random.next() & 0x80ff_80ff_80ff_80ff) | 0x3c00_3c00_3c00_3c00;
            eight.copy_from_slice(&raw.to_le_bytes());
        }
        let canary = canary.unwrap_or_default().as_bytes();
        block.iter_mut().zip(canary).for_each(|(to, from)| *to = *from);
        let take = left.min(CANARY_EVERY);
        out.write_all(block.get(..take).unwrap_or_default())?;
        left -= take;
    }
    Ok(())
}

/// The `SplitMix64` generator: eight lines, the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
