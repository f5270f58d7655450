//! Requests to each policy: some that pass, and each of those bent at every single place of it, by a rule; then what no
//! rule finds, by hand.

mod confined;
mod guarded;

use super::super::policies::request;
use super::super::*;

/// The controller that empties namespaces.
pub(in super::super) const NAMESPACE_CONTROLLER: &str =
    "system:serviceaccount:kube-system:namespace-controller";

/// The requests to one policy.
pub(super) fn of(policy: &str) -> Vec<Value> {
    let (bent, more) = match policy {
        "trustbridge-guarded-pods" => guarded::requests(),
        "trustbridge-protected-pods" => (vec![creation(&applied(&pod()))], Vec::new()),
        "trustbridge-unchanged-pods" => unchanged(),
        "trustbridge-placed-pods" => placed(),
        "trustbridge-protected-access" => (
            vec![
                connection("pods", "exec", &json!({})),
                connection("nodes", "x", &json!({})),
            ],
            Vec::new(),
        ),
        "trustbridge-node-proxy" => node_proxy(),
        "trustbridge-protected-rights" => rights(),
        "trustbridge-protected-namespaces" => namespaces(),
        "trustbridge-confined-operator" => confined::requests(),
        "trustbridge-kept-records" => records(),
        other => panic!("no requests to {other}"),
    };
    // Those by hand come first: they are found out by what they are made for.
    let mut all = more;
    for request in bent {
        let mut changes = Vec::new();
        bend(&request, "", &mut changes);
        all.extend(changes.iter().map(|change| change.on(request.clone())));
        all.push(request);
    }
    all
}

/// A change at one place.
struct Change {
    /// JSON pointer of the owner.
    owner: String,
    key: String,
    /// None takes it away.
    value: Option<Value>,
}

impl Change {
    fn on(&self, mut request: Value) -> Value {
        match (request.pointer_mut(&self.owner).unwrap(), &self.value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(self.key.clone(), value.clone())),
            (Value::Object(fields), None) => drop(fields.remove(&self.key)),
            (Value::Array(items), Some(value)) => items[self.key.parse::<usize>().unwrap()] = value.clone(),
            (Value::Array(items), None) => drop(items.remove(self.key.parse().unwrap())),
            (other, _) => panic!("{other} has no members"),
        }
        request
    }
}

/// Every place of `value`: taken away, and turned into something else.
fn bend(value: &Value, path: &str, found: &mut Vec<Change>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, inner)| (n.to_string(), inner))
            .collect(),
        _ => return,
    };
    for (key, inner) in members {
        let mut add = |value: Option<Value>| {
            let (owner, key) = (path.to_owned(), key.clone());
            found.push(Change { owner, key, value });
        };
        add(None);
        match inner {
            Value::Bool(yes) => add(Some((!yes).into())),
            Value::Number(number) => add(number.as_i64().map(|n| (n + 1).into())),
            Value::String(text) => {
                add(Some(format!("{text}/x").into()));
            }
            Value::Object(_) => add(Some(json!({}))),
            Value::Array(_) => add(Some(json!([]))),
            Value::Null => {}
        }
        bend(
            inner,
            &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
            found,
        );
    }
}

fn creation(pod: &Value) -> Value {
    request(pod, OPERATOR)
}

/// A request that is about `resource`; the fields that every request has are there.
fn about(operation: &str, resource: &str, sub: &str, user: &str, object: &Value, old: &Value) -> Value {
    json!({"object": object, "oldObject": old, "namespaceObject": {"metadata": {"name": "tb-acme-protected"}},
        "request": {"operation": operation, "namespace": "tb-acme-protected", "subResource": sub,
            "resource": {"group": "", "version": "v1", "resource": resource},
            "userInfo": {"username": user, "groups": ["system:authenticated"]}}})
}

/// A DELETE of a record of an organisation by `user`; of one whose namespace is being deleted, too.
pub(in super::super) fn deletion(kind: &str, user: &str, is_leaving: bool) -> Value {
    let object = json!({"metadata": {"name": "r"}});
    let mut request = about("DELETE", kind, "", user, &Value::Null, &object);
    request["request"]["namespace"] = "tb-acme".into();
    request["request"]["name"] = "r".into();
    request["namespaceObject"] = json!({"metadata": {"name": "tb-acme"}});
    if is_leaving {
        request["namespaceObject"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    request
}

fn records() -> (Vec<Value>, Vec<Value>) {
    let mut elsewhere = deletion("usagerecords", "jane", false);
    elsewhere["request"]["namespace"] = "default".into();
    (
        vec![deletion("usagerecords", NAMESPACE_CONTROLLER, true), elsewhere],
        vec![
            deletion("invoices", NAMESPACE_CONTROLLER, false),
            deletion("invoices", "jane", true),
        ],
    )
}

fn with_groups(mut request: Value, groups: &[&str]) -> Value {
    request["request"]["userInfo"]["groups"] = json!(groups);
    request
}

fn connection(resource: &str, sub: &str, options: &Value) -> Value {
    about("CONNECT", resource, sub, "jane", options, &Value::Null)
}

fn node_proxy() -> (Vec<Value>, Vec<Value>) {
    let to = |path: &str| connection("nodes", "proxy", &json!({"path": path}));
    let passing = ["metrics", "/metrics/cadvisor", "healthz", "stats/summary"]
        .map(to)
        .to_vec();
    (
        passing,
        ["exec/ns/pod/c", "run/ns/pod/c", "metrics/../run/ns/pod/c", ""]
            .map(to)
            .to_vec(),
    )
}

fn unchanged() -> (Vec<Value>, Vec<Value>) {
    let before = json!({
        "metadata": {
            "labels": {"trustbridge.io/inject": "true", "app.kubernetes.io/managed-by": "m", "app.kubernetes.io/name": "n"},
            "annotations": {"trustbridge.io/tunepod": "tb-acme/x", "example.com/note": "x"},
        },
        "spec": {"initContainers": [{"name": "i", "image": "i"}], "containers": [{"name": "c", "image": "c"}, {"name": "d", "image": "c"}]},
    });
    let update = |now: &Value, before: &Value| about("UPDATE", "pods", "", "jane", now, before);
    let mut bare = before.clone();
    // Neither labels nor annotations, no init containers, no image: as the schema allows.
    bare["metadata"] = json!({"name": "x"});
    bare["spec"] = json!({"containers": [{"name": "c"}]});
    let mut noted = before.clone();
    noted["metadata"]["labels"]["example.com/team"] = "x".into();
    noted["metadata"]["annotations"]["example.com/note"] = "y".into();
    (
        vec![
            update(&before, &before),
            update(&bare, &bare),
            update(&noted, &before),
            update(&before, &noted),
        ],
        Vec::new(),
    )
}

fn placed() -> (Vec<Value>, Vec<Value>) {
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    let bound = |user| about("CREATE", "pods", "binding", user, &binding, &Value::Null);
    let pod = |ip: Option<&str>| match ip {
        Some(ip) => json!({"metadata": {"name": "p"}, "status": {"podIP": ip}}),
        None => json!({"metadata": {"name": "p"}, "status": {}}),
    };
    let status = |user, now: Option<&str>| {
        about(
            "UPDATE",
            "pods",
            "status",
            user,
            &pod(now),
            &pod(Some("10.0.0.1")),
        )
    };
    let node = |request| with_groups(request, &["system:nodes", "system:authenticated"]);
    let mut nobody = status("jane", Some("10.0.0.2"));
    nobody["request"]["userInfo"]
        .as_object_mut()
        .unwrap()
        .remove("groups");
    (
        vec![
            bound("system:kube-scheduler"),
            status("jane", Some("10.0.0.1")),
            node(status("n", Some("10.0.0.2"))),
        ],
        vec![
            bound("jane"),
            node(bound("n")),
            status("jane", Some("10.0.0.2")),
            status("jane", None),
            nobody,
            status("system:kube-scheduler", Some("10.0.0.2")),
        ],
    )
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each request")]
fn rights() -> (Vec<Value>, Vec<Value>) {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let map = |name, user| about("CREATE", "configmaps", "", user, &named(name), &Value::Null);
    let secret = |name, user| about("CREATE", "secrets", "", user, &named(name), &Value::Null);
    let role = |user| about("CREATE", "roles", "", user, &named("r"), &Value::Null);
    let gone = |resource, user| {
        about(
            "DELETE",
            resource,
            "",
            user,
            &Value::Null,
            &named("trustbridge-ca"),
        )
    };
    let token = |user| {
        about(
            "CREATE",
            "serviceaccounts",
            "token",
            user,
            &json!({"metadata": {}}),
            &Value::Null,
        )
    };
    let leaving = |mut request: Value| {
        request["namespaceObject"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        request
    };
    let mut whole = map("trustbridge-ca", "jane");
    whole["request"].as_object_mut().unwrap().remove("subResource");
    let node = |request| with_groups(request, &["system:nodes"]);
    let mut nobody = token("jane");
    nobody["request"]["userInfo"]
        .as_object_mut()
        .unwrap()
        .remove("groups");
    (
        vec![
            map("other", "jane"),
            secret("other", "jane"),
            secret("tp-x-tls", OPERATOR),
            // A ConfigMap may be called as a Secret of ours, and the other way round.
            map("tp-x-tls", "jane"),
            secret("trustbridge-ca", "jane"),
            map("trustbridge-ca", OPERATOR),
            role(OPERATOR),
            node(token("n")),
            leaving(gone("configmaps", "jane")),
            leaving(gone("networkpolicies", "jane")),
            gone("configmaps", OPERATOR),
        ],
        vec![
            map("trustbridge-ca", "jane"),
            secret("tp-x-token-sums", "jane"),
            role("jane"),
            token("jane"),
            token(OPERATOR),
            nobody,
            whole,
            gone("configmaps", "jane"),
            gone("networkpolicies", "jane"),
            leaving(role("jane")),
            leaving(map("trustbridge-ca", "jane")),
        ],
    )
}

fn namespaces() -> (Vec<Value>, Vec<Value>) {
    let labels = json!({"trustbridge.io/protected": "true", "trustbridge.io/org": "acme",
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"});
    let space = |name: &str, labels: &Value| json!({"metadata": {"name": name, "labels": labels}});
    let good = space("tb-acme-protected", &labels);
    let change = |sub, now: &Value, before: &Value| about("UPDATE", "namespaces", sub, "jane", now, before);
    let made = |now: &Value| about("CREATE", "namespaces", "", "jane", now, &Value::Null);
    let none = json!({"metadata": {"name": "tb-acme-protected"}});
    let wrong = space("tb-acme-protected", &json!({}));
    let mut whole = change("", &none, &none);
    whole["request"].as_object_mut().unwrap().remove("subResource");
    (
        vec![
            made(&good),
            change("", &good, &good),
            change("status", &good, &good),
            change("finalize", &none, &none),
            change("status", &wrong, &wrong),
            made(&space("tb-acme", &json!({}))),
            made(&space("x-protected", &json!({}))),
        ],
        vec![
            made(&none),
            change("", &wrong, &wrong),
            change("", &none, &none),
            change("status", &wrong, &good),
            change("resize", &wrong, &wrong),
            whole,
        ],
    )
}
