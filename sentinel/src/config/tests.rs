use super::{AllowedPath, Attestation, Config, DeliveryMode, Loaded, Problem, RuntimeTarget};
use std::collections::BTreeSet;
use std::path::PathBuf;

const MINIMAL: [(&str, &str); 3] = [
    ("TB_CONTRACT_ID", "contract-allow"),
    ("TB_ASSET_ID", "tb-asset-e2e-001"),
    ("TB_EDC_ENDPOINT", "https://control.example:7443"),
];

fn load(more: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let vars = MINIMAL
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(vars.collect::<Vec<_>>())
}

fn problems(more: &[(&str, &str)]) -> Vec<String> {
    load(more).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_the_specs() {
    let Loaded { config, unknown } = load(&[("PATH", "/bin"), ("TB_LOG_LEVEL", "")]).unwrap();
    assert!(unknown.is_empty());
    assert_eq!(config.target_dir, PathBuf::from("/mnt/resource/trustbridge"));
    assert_eq!(config.pipe_path, PathBuf::from("/dev/shm/model-pipe"));
    assert_eq!(config.model_dir, PathBuf::from("/dev/shm/model"));
    assert_eq!(
        config.ready_signal,
        PathBuf::from("/dev/shm/weights/ready.signal")
    );
    assert_eq!(
        config.runtime,
        RuntimeTarget::Tcp("127.0.0.1:8081".parse().unwrap())
    );
    assert_eq!(config.public_addr.to_string(), "0.0.0.0:8000");
    assert_eq!(config.admin_addr.to_string(), "0.0.0.0:8001");
    assert_eq!(
        (config.download_concurrency, config.download_chunk_bytes),
        (4, 8_388_608)
    );
    assert_eq!(config.log_level, "info");
    assert_eq!(config.delivery, DeliveryMode::Fifo);
    assert_eq!(config.attestation, Attestation::None);
    assert_eq!(config.termination_log, PathBuf::from("/dev/termination-log"));
    assert_eq!(
        config.audit_path,
        PathBuf::from("/var/log/trustbridge/audit.jsonl")
    );
}

/// The names of variables that stand between two `mark`s.
fn names(text: &str, mark: char) -> BTreeSet<&str> {
    let is_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = |word: &&str| word.len() > 3 && word.starts_with("TB_") && word.chars().all(is_letter);
    text.split(mark).filter(is_name).collect()
}

const PAGE: &str = include_str!("../../../docs/reference/sentinel-environment.md");

#[test]
fn the_reference_page_has_every_variable_and_no_other() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("known.rs"),
        include_str!("lease.rs"),
        include_str!("metering.rs"),
        include_str!("read.rs"),
    ];
    let read: BTreeSet<_> = sources.iter().flat_map(|source| names(source, '"')).collect();
    assert!(read.len() > 40, "{read:?}");
    assert_eq!(read, names(PAGE, '`'));
}

#[test]
fn the_reference_page_tells_the_defaults() {
    let without = format!("{:?}", load(&[]).unwrap());
    let mut checked = 0;
    for row in PAGE.lines().filter(|line| line.starts_with("| `TB_")) {
        // The default where it is a value and not words.
        let cells: Vec<&str> = row
            .split(" | ")
            .map(|cell| cell.trim_matches([' ', '|']))
            .collect();
        let value = cells
            .get(1)
            .and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let Some(value) = value.filter(|value| !value.contains('`')) else {
            continue;
        };
        let name = cells[0].trim_matches('`');
        assert_eq!(format!("{:?}", load(&[(name, value)]).unwrap()), without, "{row}");
        checked += 1;
    }
    assert!(checked > 12, "only {checked} defaults were found on the page");
}

#[test]
fn what_is_required_is_named_all_at_once() {
    let errors = Config::load(Vec::new()).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["TB_CONTRACT_ID", "TB_ASSET_ID", "TB_EDC_ENDPOINT"]);
    assert_eq!(
        errors[0].to_string(),
        "TB_CONTRACT_ID: (not set): is required; set it to the contract's id, from Order.spec.contractId"
    );
}

#[test]
fn unknown_names_are_told_and_names_of_other_modes_are_not() {
    let more = [
        ("TB_DOWNLOAD_CONCURENCY", "8"),
        ("TB_POD_NAME", "p"),
        ("TB_MAX_LORAS", "4"),
    ];
    assert_eq!(load(&more).unwrap().unknown, ["TB_DOWNLOAD_CONCURENCY"]);
}

#[test]
fn each_broken_rule_names_its_field() {
    for (name, value) in [
        ("TB_EDC_ENDPOINT", "http://control.example"),
        ("TB_EDC_ENDPOINT", "https://user:word@control.example"),
        ("TB_EDC_ENDPOINT", "control.example"),
        ("TB_RUNTIME_URL", "http://10.0.0.1:8081"),
        ("TB_RUNTIME_URL", "https://127.0.0.1:8081"),
        ("TB_RUNTIME_URL", "http://127.0.0.1:8081/x"),
        ("TB_RUNTIME_URL", "unix:relative"),
        ("TB_PUBLIC_ADDR", "8000"),
        ("TB_DOWNLOAD_CONCURRENCY", "0"),
        ("TB_DOWNLOAD_CHUNK_BYTES", "1k"),
        ("TB_MANIFEST_SHA256", "abc"),
        ("TB_DELIVERY", "pipe"),
        ("TB_ATTESTATION", "tpm"),
        ("TB_PROXY_ALLOW", "/v1/../x"),
        ("TB_LOG_LEVEL", "loud"),
        ("TB_VAULT_URL", "http://vault.example"),
        ("TB_METERING_DIMENSIONS", "tokens=words"),
        ("TB_METERING_URL", "http://meter.example"),
        ("TB_METERING_URL", "https://meter.example/?code=secret"),
        ("TB_USAGE_INTERVAL_SECONDS", "0"),
        ("TB_FINETUNE_ENABLED", "true"),
        ("TB_MAX_LORAS", "many"),
        ("TB_TARGET_DIR", "relative"),
        ("TB_MODEL_DIR", "/mnt/resource/trustbridge/model"),
        ("TB_PIPE_PATH", "/mnt/resource/trustbridge/pipe"),
        ("TB_PIPE_PATH", "/pipe"),
        ("TB_READY_SIGNAL", "/ready"),
        ("TB_AUDIT_PATH", "/audit.jsonl"),
        ("TB_ASSET_ID", "a/b"),
        ("TB_LEASE", "tp-order-1-0-heartbeat"),
        ("TB_LEASE", "tb-acme-protected/../x"),
    ] {
        let mut more = vec![(name, value)];
        if name == "TB_METERING_DIMENSIONS" {
            more.push(("TB_METERING_URL", "https://meter.example"));
        }
        let told = problems(&more);
        assert!(
            told.iter().any(|text| text.starts_with(&format!("{name}: "))),
            "{name}={value}: {told:?}"
        );
    }
    assert!(problems(&[("TB_TLS_CERT_PATH", "/c")])[0].starts_with("TB_TLS_KEY_PATH: (not set)"));
    assert!(problems(&[("TB_CLIENT_KEY_PATH", "/k")])[0].starts_with("TB_CLIENT_CERT_PATH: (not set)"));
}

#[test]
fn a_secret_in_a_url_is_not_repeated() {
    let told = problems(&[("TB_EDC_ENDPOINT", "https://u:secret@h/x?sig=secret")]);
    assert!(!told.join(" ").contains("secret"), "{told:?}");
}

#[test]
fn lists_and_sockets_are_read() {
    let more = [
        ("TB_PROXY_ALLOW", "/v1/demo, GET /v1/info"),
        ("TB_RUNTIME_URL", "unix:/dev/shm/tb/rt.sock"),
        ("TB_ATTESTATION", "exec:/bin/quote --raw"),
        ("TB_MANIFEST_SHA256", &"AB".repeat(32)),
    ];
    let config = load(&more).unwrap().config;
    let path = |method, path: &str| AllowedPath {
        method,
        path: path.to_owned(),
    };
    assert_eq!(
        config.proxy_allow,
        [path(None, "/v1/demo"), path(Some(http::Method::GET), "/v1/info")]
    );
    assert_eq!(
        config.runtime,
        RuntimeTarget::Unix(PathBuf::from("/dev/shm/tb/rt.sock"))
    );
    assert_eq!(
        config.attestation,
        Attestation::Exec(vec!["/bin/quote".into(), "--raw".into()])
    );
    assert_eq!(config.manifest_sha256, Some("ab".repeat(32)));
}

#[test]
fn a_machine_that_bills_itself_says_for_what() {
    let url = ("TB_METERING_URL", "https://marketplaceapi.microsoft.com");
    let resource = ("TB_METERING_RESOURCE", "/subscriptions/s/app");
    let plan = ("TB_METERING_PLAN", "gold");
    let config = load(&[url, resource, plan]).unwrap().config;
    let own = config.own_meter.unwrap();
    assert_eq!(
        (own.resource.as_str(), own.plan.as_str(), own.dimensions.len()),
        ("/subscriptions/s/app", "gold", 1)
    );
    assert_eq!((own.federated, own.client_id), (None, None));
    assert_eq!(load(&[]).unwrap().config.own_meter, None);
    assert!(
        problems(&[plan])[0].starts_with("TB_METERING_URL: (not set): is required beside TB_METERING_PLAN")
    );
    let told = problems(&[url]);
    assert_eq!(told.len(), 2, "{told:?}");
    let told = problems(&[url, resource, plan, ("TB_POD_NAME", "p")]);
    assert!(told[0].contains("must not be set in a pod"), "{told:?}");
    let told = problems(&[url, resource, plan, ("AZURE_FEDERATED_TOKEN_FILE", "/var/token")]);
    let fields: Vec<_> = told.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(fields, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]);
    // They are others' too: alone they mean nothing here.
    assert!(load(&[("AZURE_CLIENT_ID", "c")]).unwrap().unknown.is_empty());
}

#[test]
fn a_sign_of_life_needs_all_that_it_takes() {
    let lease = ("TB_LEASE", "tb-acme-protected/tp-order-1-0-heartbeat");
    let token = ("TB_API_TOKEN_PATH", "/etc/trustbridge/api/token");
    let ca = ("TB_API_CA_PATH", "/etc/trustbridge/api/ca.crt");
    let (host, port) = (
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    );
    let loaded = load(&[lease, token, ca, host, port]).unwrap();
    assert!(loaded.unknown.is_empty());
    let settings = loaded.config.lease.unwrap();
    assert_eq!(
        (settings.namespace.as_str(), settings.name.as_str()),
        ("tb-acme-protected", "tp-order-1-0-heartbeat")
    );
    assert_eq!(settings.server, "https://[fd00::1]:443");
    // Every pod has these two; alone they mean nothing.
    assert_eq!(load(&[host, port]).unwrap().config.lease, None);
    let told = problems(&[lease, token, ca]);
    assert!(
        told[0].starts_with("KUBERNETES_SERVICE_HOST: (not set)"),
        "{told:?}"
    );
    let told = problems(&[lease, host, port]);
    let fields: Vec<_> = told.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(fields, ["TB_API_TOKEN_PATH", "TB_API_CA_PATH"]);
    assert!(problems(&[token])[0].starts_with("TB_LEASE: (not set): is required beside TB_API_TOKEN_PATH"));
    let told = problems(&[lease, token, ca, ("KUBERNETES_SERVICE_HOST", "h/x?"), port]);
    assert!(told[0].starts_with("KUBERNETES_SERVICE_HOST: "), "{told:?}");
}
