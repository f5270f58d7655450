//! Model directories in the Hugging Face layout: what is in them, and whether a loader can stream them.

pub(crate) mod checks;
pub(crate) mod safetensors;
pub(crate) mod sample;
pub(crate) mod scan;
mod tokenizer;

#[cfg(test)]
mod tests;
