use super::*;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tower::ServiceExt;

fn sources(folder: &Path) -> Sources {
    Sources {
        ready_signal: folder.join("ready.signal"),
        model_dir: folder.join("model"),
        pipe: folder.join("model-pipe"),
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// `sha256sum`, another program than the one under test.
fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}

async fn call(runtime: &Runtime, request: Request<Body>) -> (StatusCode, String) {
    let answer = runtime.router().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn get_text(runtime: &Runtime, path: &str) -> (StatusCode, String) {
    call(runtime, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post_json(runtime: &Runtime, path: &str, body: &Value) -> (StatusCode, String) {
    let request = Request::post(path).header("content-type", "application/json");
    call(runtime, request.body(Body::from(body.to_string())).unwrap()).await
}

fn ready() -> Runtime {
    let runtime = Runtime::new("m");
    runtime.set_model(Model {
        files: Vec::new(),
        sha256: "ab".to_owned(),
    });
    runtime
}

#[tokio::test(flavor = "multi_thread")]
async fn fifos_are_read_in_natural_order_whenever_they_appear() {
    let folder = TempDir::new().unwrap();
    let sources = sources(folder.path());
    std::fs::create_dir(&sources.model_dir).unwrap();
    std::fs::write(sources.model_dir.join("config.json"), "{}").unwrap();
    let reader = {
        let sources = sources.clone();
        std::thread::spawn(move || load::load(&sources).unwrap())
    };
    let (one, two) = (vec![1_u8; 3_000_000], vec![2_u8; 70_001]);
    let first = sources.model_dir.join("model-00001-of-00002.safetensors");
    let second = sources.model_dir.join("model-00002-of-00002.safetensors");
    fifo(&second);
    std::fs::write(&sources.ready_signal, "").unwrap();
    fifo(&first);
    for (path, bytes) in [(&first, &one), (&second, &two)] {
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }
    let model = reader.join().unwrap();
    let seen: Vec<_> = model
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes, file.sha256.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("model-00001-of-00002.safetensors", 3_000_000, sha256(&one)),
            ("model-00002-of-00002.safetensors", 70_001, sha256(&two)),
        ]
    );
    assert_eq!(model.sha256, sha256(&[one, two].concat()));
}

#[test]
fn without_safetensors_the_single_pipe_is_read() {
    let folder = TempDir::new().unwrap();
    let sources = sources(folder.path());
    fifo(&sources.pipe);
    std::fs::write(&sources.ready_signal, "").unwrap();
    let reader = {
        let sources = sources.clone();
        std::thread::spawn(move || load::load(&sources).unwrap())
    };
    std::fs::write(&sources.pipe, b"weights").unwrap();
    let model = reader.join().unwrap();
    assert_eq!(
        (model.files[0].path.as_str(), model.sha256.clone()),
        ("model-pipe", sha256(b"weights"))
    );
}

#[tokio::test]
async fn nothing_is_served_before_the_weights_are_read() {
    let runtime = Runtime::new("m");
    for path in ["/health", "/v1/demo", "/v1/models"] {
        assert_eq!(
            get_text(&runtime, path).await.0,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    let prompt = json!({"prompt": "x"});
    assert_eq!(
        post_json(&runtime, "/v1/completions", &prompt).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let runtime = ready();
    assert_eq!(get_text(&runtime, "/health").await.0, StatusCode::OK);
    let demo: Value = serde_json::from_str(&get_text(&runtime, "/v1/demo").await.1).unwrap();
    assert_eq!(demo, json!({"loaded": true, "files": [], "sha256": "ab"}));
    assert!(
        get_text(&runtime, "/metrics")
            .await
            .1
            .contains("tb_double_loaded 1")
    );
}

#[tokio::test]
async fn completions_follow_from_the_prompt() {
    let runtime = ready();
    let ask = async |prompt: &str| {
        let body = json!({"model": "m", "prompt": prompt, "max_tokens": 4});
        serde_json::from_str::<Value>(&post_json(&runtime, "/v1/completions", &body).await.1).unwrap()
    };
    let (one, again, other) = (ask("a b c").await, ask("a b c").await, ask("d").await);
    assert_eq!(one["choices"], again["choices"]);
    assert_ne!(one["choices"], other["choices"]);
    assert_eq!(
        one["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})
    );
    assert_eq!(one["choices"][0]["finish_reason"], "length");
    for bad in [
        json!({}),
        json!({"prompt": "x", "max_tokens": 0}),
        json!({"prompt": "x", "max_tokens": "4"}),
    ] {
        assert_eq!(
            post_json(&runtime, "/v1/completions", &bad).await.0,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_stream_says_the_same_as_the_whole() {
    let runtime = ready();
    let mut body = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]});
    let whole: Value =
        serde_json::from_str(&post_json(&runtime, "/v1/chat/completions", &body).await.1).unwrap();
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let (_, text) = post_json(&runtime, "/v1/chat/completions", &body).await;
    let events: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str())
        .collect();
    assert_eq!(said, whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
}
