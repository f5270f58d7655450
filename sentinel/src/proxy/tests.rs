use super::Proxy;
use super::refusal::Refusal;
use crate::audit::Audit;
use crate::billing::Billing;
use crate::config::Config;
use crate::shared::Shared;
use std::sync::Arc;
use trustbridge_domain::sentinel::{Cause, Offer, State};

fn proxy() -> (Proxy, Arc<Shared>, tempfile::TempDir) {
    let vars = [
        ("TB_CONTRACT_ID", "contract-allow"),
        ("TB_ASSET_ID", "asset"),
        ("TB_EDC_ENDPOINT", "https://control.example"),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(vars).unwrap().config;
    let shared = Shared::new();
    let audit = Arc::new(Audit::open(None, "contract-allow", "asset").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let billing = Arc::new(Billing::open(dir.path()).unwrap());
    (Proxy::new(&config, audit, shared.clone(), billing), shared, dir)
}

#[test]
fn only_ready_is_served() {
    let (proxy, shared, _dir) = proxy();
    let loading = State::Decrypt { delivered: false };
    for (state, status) in [
        (State::Hydrate(Offer::Taken), 503),
        (loading, 503),
        (State::Suspended(Cause::Denied), 403),
        (State::Suspended(Cause::Expired), 403),
        (State::Suspended(Cause::Integrity), 503),
        (State::Suspended(Cause::Billing), 402),
    ] {
        shared.enter(state, "", "");
        assert_eq!(
            proxy.check_state().unwrap_err().status.as_u16(),
            status,
            "{state:?}"
        );
        assert_eq!(proxy.health().status(), 503);
    }
    shared.enter(State::Ready, "", "");
    assert!(proxy.check_state().is_ok());
    assert_eq!(proxy.health().status(), 200);
    shared.set_draining(true);
    assert_eq!(proxy.check_state().unwrap_err(), Refusal::unavailable("draining"));
}

#[test]
fn refusals_have_the_shape_that_clients_know() {
    for (refusal, status, kind, code) in [
        (
            Refusal::unauthorized(),
            401,
            "authentication_error",
            "invalid_api_key",
        ),
        (
            Refusal::suspended(Cause::Denied),
            403,
            "permission_error",
            "denied",
        ),
        (Refusal::not_found(), 404, "invalid_request_error", "not_found"),
        (Refusal::unavailable("loading"), 503, "server_error", "loading"),
    ] {
        let answer = refusal.answer();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
        let error: serde_json::Value = serde_json::from_str(&refusal.body()).unwrap();
        assert_eq!(
            (&error["error"]["type"], &error["error"]["code"]),
            (&kind.into(), &code.into())
        );
    }
}
