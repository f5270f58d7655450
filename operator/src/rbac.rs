//! The rights that the operator needs, as data: the chart is rendered from this table, and nothing else grants any.

use crate::controllers::buyer_org::build::OPERATOR_ROLE;
use serde::Serialize;
use trustbridge_api::labels::ACCESS_CA;
use trustbridge_api::seller_profile::SIGNING_KEY_SECRET;

/// Where a right is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// Everywhere.
    Cluster,
    /// In the operator's own namespace.
    OwnNamespace,
    /// In the namespaces of organisations, where the operator binds it to itself.
    Organisation,
    /// Everywhere, where node pools come from Karpenter.
    Karpenter,
}

/// A right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Where.
    pub scope: Scope,
    /// API group; empty for core.
    pub group: &'static str,
    /// Resources of that group.
    pub resources: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// Only these names; empty for all.
    pub names: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

const fn cluster(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
) -> Row {
    Row {
        scope: Scope::Cluster,
        group,
        resources,
        verbs,
        names: &[],
        why,
    }
}

const fn karpenter(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
) -> Row {
    Row {
        scope: Scope::Karpenter,
        group,
        resources,
        verbs,
        names: &[],
        why,
    }
}

const TB: &str = trustbridge_api::GROUP;

/// The table.
pub const ROWS: &[Row] = &[
    cluster(
        TB,
        &[
            "sellerprofiles",
            "buyerorgs",
            "offers",
            "modelassets",
            "quotes",
            "orders",
            "changeorders",
            "tunepods",
            "supporttickets",
            "incidents",
        ],
        &["get", "list", "watch"],
        "reconcile every kind",
    ),
    cluster(
        TB,
        &["quotes", "tunepods"],
        &["create"],
        "an order makes its quote and its TunePods",
    ),
    cluster(
        TB,
        &["tunepods"],
        &["patch"],
        "finalizer, and the termination and disk that an order sets",
    ),
    cluster(
        TB,
        &[
            "sellerprofiles/status",
            "buyerorgs/status",
            "offers/status",
            "modelassets/status",
            "quotes/status",
            "orders/status",
            "changeorders/status",
            "tunepods/status",
            "usagerecords/status",
            "invoices/status",
            "supporttickets/status",
            "incidents/status",
        ],
        &["patch"],
        "the only writer of status",
    ),
    cluster(
        TB,
        &["tunepods/finalizers", "orders/finalizers"],
        &["update"],
        "own what is made for them",
    ),
    // Not watched: their names follow from what they are; listed for an invoice alone.
    cluster(
        TB,
        &["usagerecords"],
        &["get", "list", "create"],
        "what the sentinels counted",
    ),
    cluster(
        TB,
        &["invoices"],
        &["get", "list", "watch", "create"],
        "what an order owes for a period",
    ),
    cluster(
        TB,
        &["incidents"],
        &["create"],
        "declare a loss of Ready that lasts",
    ),
    // Not watched: its name follows from the TunePod.
    cluster(
        TB,
        &["wipeevidences"],
        &["get", "create"],
        "attest what was observed of a wipe",
    ),
    cluster(
        "",
        &["namespaces", "resourcequotas", "serviceaccounts", "configmaps"],
        &["get", "create", "patch"],
        "namespaces of an organisation",
    ),
    cluster(
        "networking.k8s.io",
        &["networkpolicies"],
        &["get", "create", "patch"],
        "default deny, and what is let through",
    ),
    cluster(
        "rbac.authorization.k8s.io",
        &["roles", "rolebindings"],
        &["get", "create", "patch"],
        "members of an organisation, and which tokens they read",
    ),
    Row {
        scope: Scope::Cluster,
        group: "rbac.authorization.k8s.io",
        resources: &["clusterroles"],
        verbs: &["bind"],
        names: &["trustbridge-buyer", OPERATOR_ROLE],
        why: "hand out the buyer's role, and its own in organisations; no other",
    },
    cluster(
        "",
        &["pods"],
        &["get", "list", "watch", "create", "delete"],
        "pods of TunePods",
    ),
    cluster(
        "",
        &["services"],
        &["get", "create", "patch", "delete"],
        "the buyer's door to a TunePod",
    ),
    // Endpoints of a Service without a selector are written by us.
    cluster(
        "discovery.k8s.io",
        &["endpointslices"],
        &["get", "create", "patch", "delete"],
        "where that door leads",
    ),
    cluster(
        "",
        &["nodes"],
        &["get", "list", "watch"],
        "the static node pool provider, and what of an offer can be had",
    ),
    cluster(
        "events.k8s.io",
        &["events"],
        &["create", "patch"],
        "say what happened",
    ),
    // A rule for "create" cannot name the object; a policy of the chart does.
    Row {
        scope: Scope::OwnNamespace,
        group: "",
        resources: &["secrets"],
        verbs: &["create"],
        names: &[],
        why: "make the key that signs quotes and invoices, and the authority of port 8000",
    },
    Row {
        scope: Scope::OwnNamespace,
        group: "",
        resources: &["secrets"],
        verbs: &["get", "patch"],
        names: &[SIGNING_KEY_SECRET, ACCESS_CA],
        why: "sign with that key and that authority, and renew them",
    },
    // No names: they follow from the TunePods. A policy confines all but `get`, which admission never sees.
    Row {
        scope: Scope::Organisation,
        group: "",
        resources: &["secrets"],
        verbs: &["get", "create", "patch", "delete"],
        names: &[],
        why: "tokens and certificates of protected models",
    },
    Row {
        scope: Scope::Organisation,
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "create", "patch", "delete"],
        names: &[],
        why: "signs of life of sentinels",
    },
    Row {
        scope: Scope::OwnNamespace,
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["create"],
        names: &[],
        why: "leader election",
    },
    Row {
        scope: Scope::OwnNamespace,
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "patch"],
        names: &["trustbridge-operator"],
        why: "leader election",
    },
    karpenter(
        "karpenter.sh",
        &["nodepools"],
        &["get", "list", "create", "patch", "delete"],
        "a pool of one node for each TunePod",
    ),
    karpenter(
        "karpenter.azure.com",
        &["aksnodeclasses"],
        &["get", "create", "patch", "delete"],
        "by which that node is made",
    ),
    karpenter(
        "karpenter.sh",
        &["nodeclaims"],
        &["list", "watch", "delete"],
        "whether it came to be, and end one that its pool left behind",
    ),
    karpenter("", &["events"], &["list"], "why there was no machine for it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wild_and_secrets_are_its_own_by_name_or_those_of_organisations() {
        for row in ROWS {
            let words = row.resources.iter().chain(row.verbs);
            assert!(words.clone().all(|w| !w.contains('*')), "{row:?}");
            let is_own_key = row.names == [SIGNING_KEY_SECRET, ACCESS_CA] || row.verbs == ["create"];
            let is_own = row.scope == Scope::OwnNamespace && is_own_key;
            // A policy of the chart confines what is made, changed and deleted there to the names of TunePods. Admission sees no `get`:
            // every Secret of an organisation's namespaces can be read, and is never listed or watched.
            let is_list = row.verbs.contains(&"list") || row.verbs.contains(&"watch");
            let is_of_organisations = row.scope == Scope::Organisation && !is_list;
            assert!(
                !row.resources.contains(&"secrets") || is_own || is_of_organisations,
                "{row:?}"
            );
            assert!(!row.verbs.is_empty() && !row.why.is_empty());
        }
    }

    #[test]
    fn every_kind_is_reconciled() {
        let kinds = trustbridge_api::crds();
        for crd in kinds {
            let plural = crd.spec.names.plural;
            assert!(
                ROWS.iter()
                    .any(|r| r.group == TB && r.resources.contains(&plural.as_str())),
                "{plural}"
            );
            // What is written once has no status.
            let has_status = crd
                .spec
                .versions
                .iter()
                .any(|v| v.subresources.as_ref().is_some_and(|s| s.status.is_some()));
            if !has_status {
                continue;
            }
            let status = format!("{plural}/status");
            assert!(
                ROWS.iter().any(|r| r.resources.contains(&status.as_str())),
                "{status}"
            );
        }
    }
}
