//! Writes by the operator's own account, or in its name.

use super::super::super::*;
use super::about;

/// The operator's write of an object without more than a name.
fn own_object(operation: &str, resource: &str, name: &str, namespace: &str) -> Value {
    let object = json!({"metadata": {"name": name}});
    let (new, old) = match operation {
        "DELETE" => (&Value::Null, &object),
        _ => (&object, &Value::Null),
    };
    let mut request = about(operation, resource, "", OPERATOR, new, old);
    request["request"]["namespace"] = namespace.into();
    request
}

/// What the sentinels of an organisation may do: the Role, with what is changed in its one rule, and its binding.
fn beats(namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut request = own_object("CREATE", "roles", name, namespace);
    let mut rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["tp-x-heartbeat"], "verbs": ["patch"]});
    change(&mut rule);
    request["object"]["rules"] = json!([rule]);
    request
}

fn beating(namespace: &str, role: [&str; 2], subject: [&str; 3]) -> Value {
    let [kind, name, place] = subject;
    let object = json!({
        "metadata": {"name": "b"},
        "roleRef": {"kind": role[0], "name": role[1]},
        "subjects": [{"kind": kind, "name": name, "namespace": place}],
    });
    let mut request = about("CREATE", "rolebindings", "", OPERATOR, &object, &Value::Null);
    request["request"]["namespace"] = namespace.into();
    request
}

/// Of the Role and the binding by which sentinels renew their Leases: what is let through, and what is not.
fn heartbeats() -> (Vec<Value>, Vec<Value>) {
    let (home, role) = ("tb-acme-protected", ["Role", "trustbridge-heartbeats"]);
    let pods = ["ServiceAccount", "tunepod", home];
    let beats_but = |change: &dyn Fn(&mut Value)| beats(home, "trustbridge-heartbeats", change);
    let without_rules = own_object("CREATE", "roles", "trustbridge-heartbeats", home);
    let mut to_nobody = beating(home, role, pods);
    to_nobody["object"].as_object_mut().unwrap().remove("subjects");
    (
        vec![beats_but(&|_| {}), without_rules, beating(home, role, pods)],
        vec![
            beats("tb-acme", "trustbridge-heartbeats", |_| {}),
            beats(home, "another", |_| {}),
            beats_but(&|rule| rule["verbs"] = json!(["patch", "get"])),
            beats_but(&|rule| rule["apiGroups"] = json!([""])),
            beats_but(&|rule| rule["resources"] = json!(["secrets"])),
            beats_but(&|rule| rule["resourceNames"] = json!([])),
            beats_but(&|rule| drop(rule.as_object_mut().unwrap().remove("resourceNames"))),
            beats_but(&|rule| rule["resourceNames"] = json!(["x-heartbeat"])),
            beats_but(&|rule| rule["resourceNames"] = json!(["tp-x"])),
            to_nobody,
            beating("tb-acme", role, ["ServiceAccount", "tunepod", "tb-acme"]),
            beating(home, ["ClusterRole", "trustbridge-heartbeats"], pods),
            beating(home, ["Role", "another"], pods),
            beating(home, role, ["User", "tunepod", home]),
            beating(home, role, ["ServiceAccount", "tunepod", "tb-other-protected"]),
            beating(home, role, ["ServiceAccount", "default", home]),
        ],
    )
}

/// The same of a Secret of that type.
fn typed(mut request: Value, type_: &str) -> Value {
    for place in ["object", "oldObject"] {
        if let Some(Value::Object(secret)) = request["request"].get_mut(place) {
            secret.insert("type".to_owned(), type_.into());
        }
    }
    request
}

fn opaque(request: Value) -> Value {
    typed(request, "Opaque")
}

pub(super) fn requests() -> (Vec<Value>, Vec<Value>) {
    let ((mut good, mut bad), (more_good, more_bad)) = (own_requests(), heartbeats());
    good.extend(more_good);
    bad.extend(more_bad);
    (good, bad)
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each request")]
fn own_requests() -> (Vec<Value>, Vec<Value>) {
    let pods = |namespace: &str, user| {
        let mut request = about(
            "CREATE",
            "pods",
            "",
            user,
            &json!({"metadata": {"name": "tb-x"}}),
            &Value::Null,
        );
        request["request"]["namespace"] = namespace.into();
        request
    };
    let space = |name: &str| {
        let object = json!({"metadata": {"name": name}});
        let mut request = about("CREATE", "namespaces", "", OPERATOR, &object, &Value::Null);
        request["request"].as_object_mut().unwrap().remove("namespace");
        request
    };
    let binding = |namespace: &str, kind: &str, role: &str| {
        let object = json!({"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": role}});
        let mut request = about("CREATE", "rolebindings", "", OPERATOR, &object, &Value::Null);
        request["request"]["namespace"] = namespace.into();
        request
    };
    let unbound = {
        let object = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "trustbridge-buyer"}});
        let mut request = about("DELETE", "rolebindings", "", OPERATOR, &Value::Null, &object);
        request["request"]["namespace"] = "tb-acme".into();
        request
    };
    let to_itself = |namespace: &str, kind: &str, name: &str, place: &str| {
        let mut request = binding(namespace, "ClusterRole", "trustbridge-operator-organisation");
        request["object"]["subjects"] = json!([{"kind": kind, "name": name, "namespace": place}]);
        request
    };
    let readers = |namespace: &str, rules: Option<Value>| {
        let mut request = own_object("CREATE", "roles", "trustbridge-token-readers", namespace);
        if let Some(rules) = rules {
            request["object"]["rules"] = rules;
        }
        request
    };
    let rule = |resource: &str, name: &str| json!({"apiGroups": [""], "resources": [resource], "resourceNames": [name], "verbs": ["get"]});
    let read = json!([
        rule("secrets", "tp-x-token"),
        rule("configmaps", "trustbridge-access-ca")
    ]);
    let (me, home) = ("trustbridge-operator", "trustbridge-system");
    let mut unnamed = rule("secrets", "tp-x-token");
    unnamed["resourceNames"] = json!([]);
    let key = "trustbridge-seller-key";
    (
        vec![
            to_itself("tb-acme", "ServiceAccount", me, home),
            to_itself("tb-acme-protected", "ServiceAccount", me, home),
            binding("tb-acme", "Role", "trustbridge-token-readers"),
            readers("tb-acme", Some(read.clone())),
            readers("tb-acme", None),
            own_object("CREATE", "secrets", "tp-x-token", "tb-acme"),
            own_object("CREATE", "secrets", "tp-x-tls", "tb-acme-protected"),
            own_object("CREATE", "secrets", "tp-x-token-sums", "tb-acme-protected"),
            own_object("DELETE", "secrets", "tp-x-tls", "tb-acme-protected"),
            opaque(own_object("CREATE", "secrets", "trustbridge-access-ca", home)),
            opaque(own_object("CREATE", "secrets", key, home)),
            pods("tb-acme", OPERATOR),
            space("tb-acme"),
            binding("tb-acme", "ClusterRole", "trustbridge-buyer"),
            unbound,
            pods("default", "jane"),
        ],
        vec![
            pods("default", OPERATOR),
            to_itself("tb-acme", "User", me, home),
            to_itself("tb-acme", "ServiceAccount", "another", home),
            to_itself("default", "ServiceAccount", me, home),
            binding("tb-acme", "ClusterRole", "trustbridge-operator-organisation"),
            {
                let mut other = to_itself("tb-acme", "ServiceAccount", me, home);
                other["object"]["roleRef"]["kind"] = "Role".into();
                other
            },
            {
                let mut other = to_itself("tb-acme", "ServiceAccount", me, home);
                other["object"]["roleRef"]["name"] = "cluster-admin".into();
                other
            },
            binding("tb-acme-protected", "Role", "trustbridge-token-readers"),
            binding("tb-acme", "ClusterRole", "trustbridge-token-readers"),
            readers("tb-acme-protected", Some(read)),
            readers("tb-acme", Some(json!([unnamed]))),
            readers("tb-acme", Some(json!([rule("secrets", "another")]))),
            readers("tb-acme", Some(json!([rule("secrets", "x-token")]))),
            readers("tb-acme", Some(json!([rule("pods", "tp-x-token")]))),
            readers("tb-acme", Some(json!([rule("pods", "trustbridge-access-ca")]))),
            own_object("CREATE", "roles", "another", "tb-acme"),
            own_object("CREATE", "secrets", "another", "tb-acme"),
            own_object("CREATE", "secrets", "x-token", "tb-acme"),
            own_object("CREATE", "secrets", "tp-x-token", "tb-acme-protected"),
            own_object("CREATE", "secrets", "tp-x-tls", "tb-acme"),
            opaque(own_object("DELETE", "secrets", key, home)),
            opaque(own_object("CREATE", "secrets", "another", home)),
            opaque(own_object("CREATE", "secrets", key, "default")),
            // The token controller would put the token of any account into it.
            typed(
                own_object("CREATE", "secrets", key, home),
                "kubernetes.io/service-account-token",
            ),
            opaque(own_object("CREATE", "configmaps", key, home)),
            space("default"),
            binding("tb-acme-protected", "ClusterRole", "trustbridge-buyer"),
            binding("tb-acme", "Role", "trustbridge-buyer"),
            binding("tb-acme", "ClusterRole", "cluster-admin"),
        ],
    )
}
