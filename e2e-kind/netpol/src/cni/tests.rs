use super::*;

fn environment(command: &str) -> Environment {
    Environment {
        command: command.into(),
        container_id: "c1".into(),
        args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1"
            .into(),
    }
}

fn config() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods", "type": "tb-cni-gate", "socket": "/run/netpol.sock",
        "prevResult": {
            "cniVersion": "1.0.0",
            "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/x" }],
            "ips": [{ "address": "10.244.0.5/24", "gateway": "10.244.0.1" }, { "address": "fd00::5/64" }],
        },
    })
}

fn web(addresses: Vec<Ipv4Addr>) -> Sandbox {
    Sandbox {
        container_id: "c1".into(),
        namespace: "shop".into(),
        name: "web".into(),
        uid: Some("u1".into()),
        addresses,
    }
}

fn parsed(command: &str, config: &Value) -> Result<Command, Failure> {
    parse(&config.to_string(), &environment(command))
}

#[test]
fn add_reports_the_pod_and_passes_the_result_on() {
    let Ok(Command::Add(call, result)) = parsed("ADD", &config()) else {
        panic!("not an ADD")
    };
    assert_eq!(
        call.request,
        Request::Add(web(vec![Ipv4Addr::new(10, 244, 0, 5)]))
    );
    assert_eq!(call.socket, PathBuf::from("/run/netpol.sock"));
    assert_eq!(
        serde_json::from_str::<Value>(&result).unwrap(),
        config()["prevResult"]
    );
}

#[test]
fn check_and_del_and_status() {
    let Ok(Command::Check(call)) = parsed("CHECK", &config()) else {
        panic!("not a CHECK")
    };
    assert_eq!(
        call.request,
        Request::Check(web(vec![Ipv4Addr::new(10, 244, 0, 5)]))
    );
    let mut bare = config();
    bare.as_object_mut().unwrap().remove("prevResult");
    let Ok(Command::Del(call)) = parsed("DEL", &bare) else {
        panic!("not a DEL")
    };
    assert_eq!(call.request, Request::Del(web(vec![])));
    assert_eq!(
        parsed("STATUS", &bare),
        Ok(Command::Status("/run/netpol.sock".into()))
    );
    assert_eq!(parsed("GC", &bare), Ok(Command::Answer(String::new())));
}

#[test]
fn del_succeeds_for_what_it_does_not_know() {
    let stranger = Environment {
        command: "DEL".into(),
        ..Environment::default()
    };
    assert_eq!(
        parse(&config().to_string(), &stranger),
        Ok(Command::Answer(String::new()))
    );
}

#[test]
fn version_needs_no_configuration_beyond_its_version() {
    let Ok(Command::Answer(text)) = parsed("VERSION", &json!({ "cniVersion": "0.4.0" })) else {
        panic!("no answer")
    };
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["cniVersion"], "0.4.0");
    assert!(
        answer["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("1.0.0"))
    );
}

#[test]
fn mistakes_are_named() {
    let without = |field: &str| {
        let mut config = config();
        config.as_object_mut().unwrap().remove(field);
        config
    };
    let with = |field: &str, value: Value| {
        let mut config = config();
        config[field] = value;
        config
    };
    let cases = [
        ("ADD", without("socket"), 7, "`socket`"),
        ("ADD", without("prevResult"), 7, "`prevResult`"),
        (
            "ADD",
            with("prevResult", json!({ "ips": [{ "address": "fd00::5/64" }] })),
            7,
            "`prevResult.ips`",
        ),
        ("ADD", with("cniVersion", json!("2.0.0")), 1, "'2.0.0'"),
        ("REMOVE", config(), 4, "'REMOVE'"),
    ];
    for (command, config, code, word) in cases {
        let failure = parsed(command, &config).unwrap_err();
        assert_eq!(failure.code, code, "{config}");
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    let failure = parse("{", &environment("ADD")).unwrap_err();
    assert_eq!(failure.code, 6);
    let nameless = Environment {
        args: "K8S_POD_NAMESPACE=shop".into(),
        ..environment("ADD")
    };
    let failure = parse(&config().to_string(), &nameless).unwrap_err();
    assert!(
        failure.code == 4 && failure.message.contains("K8S_POD_NAME"),
        "{failure:?}"
    );
}

#[test]
fn failures_are_cni_errors() {
    let text = Failure::not_loaded("no agent").to_json("1.0.0");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["code"], &answer["cniVersion"]),
        (&json!(11), &json!("1.0.0"))
    );
    assert!(answer["msg"].as_str().unwrap().contains("no agent"));
    assert_eq!(version("no json"), "1.0.0");
    assert_eq!(version(r#"{"cniVersion":"0.4.0"}"#), "0.4.0");
}
