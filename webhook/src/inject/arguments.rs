//! Arguments that a model server needs in order to be metered. Pure.
//!
//! vLLM tells the tokens of a stream only to clients that ask (`stream_options.include_usage`); a client that does not
//! would use tokens that nobody counts. Which image needs which arguments is the chart's to say.

use crate::settings::SentinelSettings;

/// What `image` needs. Nothing where the container has a command of its own: that may be a shell, whose arguments are
/// something else, and the sentinel counts the answers that tell no tokens.
pub(crate) fn of<'s>(image: &str, has_command: bool, settings: &'s SentinelSettings) -> &'s [String] {
    if has_command {
        return &[];
    }
    let repository = repository(image);
    let is_named = |name: &str| {
        repository
            .strip_suffix(name)
            .is_some_and(|registry| registry.is_empty() || registry.ends_with('/'))
    };
    let known = settings.runtime_args.iter().find(|known| is_named(&known.image));
    known.map_or(&[], |known| &known.args)
}

/// Whether `words` end with `known`. Present alone is not enough: of two flags that say the opposite, the last one
/// stands.
pub(crate) fn are_last(words: &[&str], known: &[String]) -> bool {
    let at = words.len().checked_sub(known.len());
    at.and_then(|at| words.get(at..))
        .is_some_and(|last| last.iter().zip(known).all(|(word, known)| word == known))
}

/// The image without tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_images_own_name_decides() {
        let settings: SentinelSettings = serde_json::from_value(json!({
            "image": "s", "runtimeArgs": [{"image": "vllm/vllm-openai", "args": ["--usage"]}],
        }))
        .unwrap();
        for image in [
            "vllm/vllm-openai",
            "vllm/vllm-openai:v1",
            "docker.io/vllm/vllm-openai@sha256:00",
            "registry:5000/a/vllm/vllm-openai:v1@sha256:00",
        ] {
            assert_eq!(of(image, false, &settings), ["--usage"], "{image}");
            assert!(of(image, true, &settings).is_empty(), "{image}");
        }
        for image in [
            "",
            "vllm",
            "my-vllm/vllm-openai:v1",
            "vllm/vllm-openai-cpu",
            "registry:5000/vllm",
        ] {
            assert!(of(image, false, &settings).is_empty(), "{image}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let known = ["--a".to_owned(), "--b".to_owned()];
        assert!(are_last(&["x", "--a", "--b"], &known));
        for words in [&["--a", "--b", "--no-b"][..], &["--b"], &[], &["--b", "--a"]] {
            assert!(!are_last(words, &known), "{words:?}");
        }
    }
}
