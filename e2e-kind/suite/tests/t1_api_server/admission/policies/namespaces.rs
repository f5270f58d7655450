//! Rules of protected namespaces themselves, and of the operator's account.

use super::super::gate::Who;
use super::Case;
use super::asks::{
    binding, config_map, labels, labels_through, namespace, network_policy, plain, role, secret, secret_in,
    token, whole_pod,
};
use serde_json::json;

pub fn rights() -> Vec<Case> {
    let side = |name, passes, refused| Case {
        policy: "protected_rights",
        name,
        says: "are the operator's alone, because they open its pods from the side",
        passes,
        refused,
    };
    vec![
        side(
            "role_bindings",
            |g| binding(&g.own(), "trustbridge-buyer", Who::Admin),
            |g| binding(&g.bare(), "trustbridge-buyer", Who::Admin),
        ),
        side(
            "network_policies",
            |g| network_policy(&g.bare(), Who::Operator),
            |g| network_policy(&g.bare(), Who::Admin),
        ),
        side(
            "the_authorities",
            |g| config_map(&g.bare(), "trustbridge-ca", Who::Operator),
            |g| config_map(&g.bare(), "trustbridge-ca", Who::Admin),
        ),
        side(
            "the_authorities_and_no_other_config_map",
            |g| config_map(&g.bare(), "another", Who::Admin),
            |g| config_map(&g.bare(), "trustbridge-ca", Who::Node),
        ),
        case!(
            "protected_rights",
            "tokens",
            "are given to its nodes alone",
            |g| token(&g.own()),
            |g| token(&g.bare())
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each rule")]
pub fn labels_and_operator() -> Vec<Case> {
    vec![
        case!(
            "protected_namespaces",
            "stay_protected",
            "must be 'true' in a namespace called 'tb-<org>-protected'",
            |g| labels(g, &json!({"example.com/team": "x"})),
            |g| labels(g, &json!({"trustbridge.io/protected": "false"}))
        ),
        case!(
            "protected_namespaces",
            "stay_protected_whatever_writes_their_status",
            "must be 'true' in a namespace called 'tb-<org>-protected'",
            |g| labels_through(g, "status", &json!({})),
            |g| labels_through(g, "status", &json!({"trustbridge.io/protected": null}))
        ),
        case!(
            "protected_namespaces",
            "stay_restricted_whatever_writes_their_status",
            "must be 'restricted', of the latest version",
            |g| labels_through(g, "status", &json!({})),
            |g| labels_through(
                g,
                "status",
                &json!({"pod-security.kubernetes.io/enforce": "privileged"})
            )
        ),
        case!(
            "protected_namespaces",
            "are_protected_from_the_start",
            "must be 'true' in a namespace called 'tb-<org>-protected'",
            |_| namespace(
                Who::Operator,
                "tb-t1c-protected",
                &json!({"trustbridge.io/org": "t1c",
                "trustbridge.io/protected": "true", "pod-security.kubernetes.io/enforce": "restricted"})
            ),
            |_| namespace(Who::Admin, "tb-t1c-protected", &json!({}))
        ),
        case!(
            "protected_namespaces",
            "stay_restricted",
            "must be 'restricted', of the latest version",
            |g| labels(g, &json!({"pod-security.kubernetes.io/warn": "baseline"})),
            |g| labels(g, &json!({"pod-security.kubernetes.io/enforce": "privileged"}))
        ),
        case!(
            "protected_namespaces",
            "stay_restricted_by_todays_standard",
            "must be 'restricted', of the latest version",
            |g| labels(
                g,
                &json!({"pod-security.kubernetes.io/enforce-version": "latest"})
            ),
            |g| labels(g, &json!({"pod-security.kubernetes.io/enforce-version": "v1.19"}))
        ),
        case!(
            "protected_namespaces",
            "stay_their_organisations",
            "must be the organisation in the namespace's name",
            |g| labels(g, &json!({"example.com/cost": "x"})),
            |g| labels(g, &json!({"trustbridge.io/org": "another"}))
        ),
        case!(
            "confined_operator",
            "makes_pods_for_organisations_alone",
            "the operator writes in the namespaces of organisations",
            |g| whole_pod(g),
            |_| plain("default", Who::Operator, None)
        ),
        case!(
            "confined_operator",
            "makes_its_own_namespaces_alone",
            "the operator writes in the namespaces of organisations",
            |_| namespace(Who::Operator, "tb-t1d", &json!({})),
            |_| namespace(Who::Operator, "t1d", &json!({}))
        ),
        case!(
            "confined_operator",
            "writes_no_config_map_elsewhere",
            "the operator writes in the namespaces of organisations",
            |g| config_map(&g.own(), "t1", Who::Operator),
            |_| config_map("kube-system", "t1", Who::Operator)
        ),
        case!(
            "confined_operator",
            "makes_no_secret_but_the_sellers_key",
            "the operator writes in the namespaces of organisations",
            |_| secret("trustbridge-seller-key", Who::Operator),
            |_| secret("trustbridge-arm", Who::Operator)
        ),
        case!(
            "confined_operator",
            "binds_buyers_in_their_own_namespace_alone",
            "the operator binds the ClusterRole 'trustbridge-buyer'",
            |g| binding(&g.own(), "trustbridge-buyer", Who::Operator),
            |g| binding(&g.bare(), "trustbridge-buyer", Who::Operator)
        ),
        case!(
            "confined_operator",
            "makes_no_role_but_that_of_tokens",
            "the Roles that the operator makes are",
            |g| role(&g.own(), "trustbridge-token-readers", Who::Operator),
            |g| role(&g.own(), "another", Who::Operator)
        ),
        case!(
            "confined_operator",
            "makes_the_role_of_heartbeats_in_the_protected_namespace_alone",
            "the Roles that the operator makes are",
            |g| role(&g.protected(), "trustbridge-heartbeats", Who::Operator),
            |g| role(&g.own(), "trustbridge-heartbeats", Who::Operator)
        ),
        case!(
            "confined_operator",
            "writes_no_secret_of_an_organisation_but_those_of_access",
            "the Secrets that the operator writes for an organisation",
            |g| secret_in(&g.own(), "tp-x-token", Who::Operator),
            |g| secret_in(&g.own(), "another", Who::Operator)
        ),
    ]
}
