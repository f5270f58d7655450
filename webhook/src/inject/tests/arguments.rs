//! Arguments that a model server gets behind its own.

use super::*;

#[test]
fn a_known_model_server_is_told_to_report_every_streams_tokens() {
    let args = |change: fn(&mut Value)| {
        let served = with(|p| {
            p["spec"]["containers"][0]["image"] = "registry.example/vllm/vllm-openai:v0.33.0".into();
            change(&mut p["spec"]["containers"][0]);
        });
        let once = applied(&served);
        assert_eq!(decide(&once), Verdict::Allowed);
        once["spec"]["containers"][0]["args"].clone()
    };
    let flag = "--enable-force-include-usage";
    assert_eq!(args(|_| {}), json!([flag]));
    assert_eq!(
        args(|c| c["args"] = json!(["/dev/shm/tb/model"])),
        json!(["/dev/shm/tb/model", flag])
    );
    assert_eq!(
        args(|c| c["args"] = json!(["--enable-force-include-usage"])),
        json!([flag])
    );
    // The last one of two that say the opposite stands.
    let opposite = "--no-enable-force-include-usage";
    assert_eq!(
        args(|c| c["args"] = json!(["--enable-force-include-usage", "--no-enable-force-include-usage"])),
        json!([flag, opposite, flag])
    );
    // What a shell does with more words nobody knows.
    assert_eq!(args(|c| c["command"] = json!(["/bin/sh", "-c"])), Value::Null);
    assert_eq!(applied(&pod())["spec"]["containers"][0].get("args"), None);
}

/// The chart's own lists: what runs a vLLM of an order that names none, and what every vLLM must have behind it.
#[test]
fn the_charts_arguments_of_vllm_are_injected_whole_and_pass_the_policy() {
    let values: Value =
        serde_saphyr::from_str(include_str!("../../../../charts/trustbridge/values.yaml")).unwrap();
    let known = &values["sentinel"]["runtimeArgs"][0];
    assert_eq!(known["image"], "vllm/vllm-openai");
    let (own, hardening) = (&values["runtime"]["args"], &known["args"]);
    for word in [
        "--enable-force-include-usage",
        "--host=127.0.0.1",
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
    ] {
        assert!(hardening.as_array().unwrap().contains(&word.into()), "{word}");
    }
    let port = values["sentinel"]["runtimeUrl"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    for word in [
        "$(TB_MODEL_DIR)",
        &format!("--port={port}"),
        "--safetensors-load-strategy=eager",
        "--shutdown-timeout=25",
    ] {
        assert!(own.as_array().unwrap().contains(&word.into()), "{word}");
    }
    let mut settings = super::settings();
    settings.runtime_args = serde_json::from_value(values["sentinel"]["runtimeArgs"].clone()).unwrap();
    for given in [
        own.clone(),
        json!(["/dev/shm/tb/model", "--host=0.0.0.0", "--no-disable-fastapi-docs"]),
    ] {
        let served = with(|p| {
            p["spec"]["containers"][0]["image"] = values["runtime"]["image"].clone();
            p["spec"]["containers"][0]["args"] = given.clone();
        });
        let once = applied_with(&served, &settings);
        let all = [
            given.as_array().unwrap().clone(),
            hardening.as_array().unwrap().clone(),
        ]
        .concat();
        assert_eq!(once["spec"]["containers"][0]["args"], Value::from(all));
        let policies = policies::Policies::of_chart();
        let asked = policies::request(&once, OPERATOR);
        assert_eq!(policies.refusals("trustbridge-guarded-pods", &asked), [""; 0]);
    }
}
