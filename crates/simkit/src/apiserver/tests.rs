use super::*;
use http::Method;

const POD: &str = "/api/v1/namespaces/a/pods";
const THING: &str = "/apis/example.io/v1/namespaces/a/things";

fn ask(server: &ApiServer, method: &Method, path: &str, body: &Value) -> Answer {
    let kind = if *method == Method::PATCH {
        "application/apply-patch+yaml"
    } else {
        "application/json"
    };
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    server.handle(method, &path.parse().unwrap(), kind, &body)
}

fn apply(server: &ApiServer, path: &str, manager: &str, body: &Value) -> Answer {
    ask(
        server,
        &Method::PATCH,
        &format!("{path}?force=true&fieldManager={manager}"),
        body,
    )
}

fn thing(spec: &Value) -> Value {
    json!({"apiVersion": "example.io/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec})
}

#[test]
fn a_name_is_taken_once_and_a_status_is_not_made_with_it() {
    let server = ApiServer::new();
    let mut object = thing(&json!({"a": 1}));
    object["status"] = json!({"phase": "Forged"});
    let made = ask(&server, &Method::POST, THING, &object);
    assert_eq!((made.code, made.body.get("status")), (201, None));
    let again = ask(&server, &Method::POST, THING, &object);
    assert_eq!(
        (again.code, &again.body["reason"]),
        (409, &json!("AlreadyExists"))
    );
}

#[test]
fn what_a_manager_does_not_say_any_more_goes_and_anothers_stays() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    assert_eq!(
        apply(&server, path, "one", &thing(&json!({"a": 1, "b": {"x": 1}}))).code,
        201
    );
    apply(&server, path, "two", &thing(&json!({"b": {"y": 2}})));
    let now = apply(&server, path, "one", &thing(&json!({"a": 3}))).body;
    assert_eq!(now["spec"], json!({"a": 3, "b": {"y": 2}}));
    assert_eq!(now["metadata"]["generation"], 3);
    let same = apply(&server, path, "one", &thing(&json!({"a": 3}))).body;
    assert_eq!(same, now, "an apply that changes nothing is no write");
}

#[test]
fn a_status_is_written_to_the_version_that_was_read_and_to_nothing_else() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    let made = apply(&server, path, "one", &thing(&json!({"a": 1}))).body;
    let status = |version: &Value| {
        json!({"metadata": {"uid": made["metadata"]["uid"], "resourceVersion": version},
               "spec": {"a": 9}, "status": {"phase": "New"}})
    };
    let version = &made["metadata"]["resourceVersion"];
    let written = apply(&server, &format!("{path}/status"), "s", &status(version)).body;
    assert_eq!(
        (&written["spec"]["a"], &written["status"]["phase"]),
        (&json!(1), &json!("New"))
    );
    assert_eq!(written["metadata"]["generation"], 1);
    let late = apply(&server, &format!("{path}/status"), "s", &status(version));
    assert_eq!((late.code, &late.body["reason"]), (409, &json!("Conflict")));
    let missing = apply(
        &server,
        &format!("{THING}/other/status"),
        "s",
        &json!({"status": {}}),
    );
    assert_eq!(missing.code, 404);
}

#[test]
fn a_finalizer_holds_until_its_manager_lets_go() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    let held = json!({"metadata": {"finalizers": ["example.io/mine"]}, "spec": {}});
    apply(&server, path, "mine", &held);
    apply(
        &server,
        path,
        "yours",
        &json!({"metadata": {"finalizers": ["example.io/yours"]}}),
    );
    let leaving = ask(&server, &Method::DELETE, path, &Value::Null);
    assert!(leaving.body["metadata"]["deletionTimestamp"].is_string());
    let left = apply(&server, path, "mine", &json!({"spec": {}})).body;
    assert_eq!(left["metadata"]["finalizers"], json!(["example.io/yours"]));
    apply(&server, path, "yours", &json!({}));
    assert_eq!(ask(&server, &Method::GET, path, &Value::Null).code, 404);
}

#[test]
fn only_the_object_of_that_uid_is_deleted_and_a_pod_waits_for_kubelet() {
    let server = ApiServer::new();
    let made = ask(
        &server,
        &Method::POST,
        POD,
        &json!({"metadata": {"name": "p"}, "spec": {}}),
    )
    .body;
    let path = &format!("{POD}/p");
    let other = json!({"preconditions": {"uid": "another"}});
    assert_eq!(ask(&server, &Method::DELETE, path, &other).code, 409);
    let this = json!({"preconditions": {"uid": made["metadata"]["uid"]}});
    assert_eq!(ask(&server, &Method::DELETE, path, &this).code, 200);
    let leaving = ask(&server, &Method::GET, path, &Value::Null).body;
    assert_eq!(leaving["metadata"]["deletionTimestamp"], "1970-01-01T00:00:30Z");
    let key = Key {
        plural: "pods".to_owned(),
        namespace: Some("a".to_owned()),
        name: "p".to_owned(),
    };
    server.remove(&key);
    assert_eq!(ask(&server, &Method::GET, path, &Value::Null).code, 404);
}

#[test]
fn selectors_choose_and_what_is_not_known_is_refused() {
    let server = ApiServer::new();
    for (name, owner) in [("p", "x"), ("q", "y")] {
        let object = json!({"metadata": {"name": name, "labels": {"example.io/owner": owner}}, "spec": {"of": {"name": owner}}});
        ask(&server, &Method::POST, THING, &object);
    }
    let names = |query: &str| {
        let list = ask(&server, &Method::GET, &format!("{THING}?{query}"), &Value::Null).body;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("fieldSelector=spec.of.name%3Dx&limit=200"), ["p"]);
    assert_eq!(names("labelSelector=example.io%2Fowner%21%3Dx"), ["q"]);
    assert_eq!(names("").len(), 2);
    assert_eq!(
        ask(
            &server,
            &Method::GET,
            &format!("{THING}?watch=true"),
            &Value::Null
        )
        .code,
        400
    );
    let patch = |kind: &str, body: &[u8]| {
        let uri = format!("{THING}/p?fieldManager=m").parse().unwrap();
        server.handle(&Method::PATCH, &uri, kind, body)
    };
    assert_eq!(patch("application/json-patch+json", b"[]").code, 415);
    let merge = br#"{"metadata": {"labels": null}, "spec": {"of": {"more": 1}}}"#;
    let merged = patch("application/merge-patch+json", merge).body;
    assert_eq!(merged["spec"], json!({"of": {"name": "x", "more": 1}}));
    assert_eq!(merged["metadata"].get("labels"), None);
}

#[test]
fn what_belongs_to_nobody_any_more_is_collected() {
    let server = ApiServer::new();
    let owner = ask(&server, &Method::POST, THING, &thing(&json!({}))).body;
    let owners = json!([{"uid": owner["metadata"]["uid"], "name": "t"}]);
    ask(
        &server,
        &Method::POST,
        THING,
        &json!({"metadata": {"name": "child", "ownerReferences": owners}}),
    );
    server.collect_garbage();
    assert_eq!(server.all("things.example.io").len(), 2);
    ask(&server, &Method::DELETE, &format!("{THING}/t"), &Value::Null);
    server.collect_garbage();
    assert!(server.all("things.example.io").is_empty());
}

fn put(server: &ApiServer, path: &str, body: &Value) -> Answer {
    ask(server, &Method::PUT, &format!("{path}?fieldManager=put"), body)
}

fn unforced(server: &ApiServer, manager: &str, body: &Value) -> Answer {
    let path = format!("{THING}/t?fieldManager={manager}");
    ask(server, &Method::PATCH, &path, body)
}

fn owners(server: &ApiServer) -> Vec<String> {
    let key = Key {
        plural: "things.example.io".to_owned(),
        namespace: Some("a".to_owned()),
        name: "t".to_owned(),
    };
    server.owners(&key).into_iter().map(|owner| owner.name).collect()
}

#[test]
fn what_another_owns_is_a_conflict_and_with_force_is_taken_over() {
    let server = ApiServer::new();
    unforced(&server, "one", &thing(&json!({"a": 1, "b": 1})));
    let refused = unforced(&server, "two", &thing(&json!({"a": 2, "b": 1})));
    assert_eq!((refused.code, &refused.body["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        refused.body["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "field": ".spec.a", "message": "conflict with \"one\""}])
    );
    let path = &format!("{THING}/t");
    apply(&server, path, "two", &thing(&json!({"a": 2, "b": 1})));
    // `a` is the other's now; `b` belongs to both, and stays while one of them says it.
    let left = apply(&server, path, "one", &thing(&json!({}))).body;
    assert_eq!(left["spec"], json!({"a": 2, "b": 1}));
    assert_eq!(owners(&server), ["one", "two"], "`spec` itself is still said");
    let empty = apply(&server, path, "two", &thing(&json!({}))).body;
    assert_eq!(empty["spec"], json!({}));
}

#[test]
fn a_replacement_needs_the_version_that_was_read_and_keeps_the_status() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    let made = apply(&server, path, "one", &thing(&json!({"a": 1}))).body;
    apply(
        &server,
        &format!("{path}/status"),
        "s",
        &json!({"status": {"phase": "New"}}),
    );
    let mut late = made.clone();
    late["spec"]["a"] = json!(2);
    assert_eq!(put(&server, path, &late).code, 409);
    let mut now = ask(&server, &Method::GET, path, &Value::Null).body;
    now["spec"] = json!({"b": 3});
    now["status"] = json!({"phase": "Forged"});
    let put = put(&server, path, &now).body;
    assert_eq!(put["spec"], json!({"b": 3}));
    assert_eq!(put["status"], json!({"phase": "New"}));
    assert_eq!(put["metadata"]["generation"], 2);
    assert_eq!(owners(&server), ["put", "s"]);
}

#[test]
fn a_watch_tells_what_happened_after_a_version_to_what_it_chooses() {
    let server = ApiServer::new();
    server.keep_history();
    let path = &format!("{THING}/t");
    apply(&server, path, "one", &thing(&json!({"a": 1})));
    apply(&server, path, "one", &thing(&json!({"a": 2})));
    apply(&server, path, "one", &thing(&json!({"a": 1})));
    ask(&server, &Method::DELETE, path, &Value::Null);
    let told = |query: &str| -> Vec<String> {
        let uri = format!("{THING}?watch=true&{query}").parse().unwrap();
        let events = server.after(&uri).unwrap();
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        told("resourceVersion=0"),
        ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    );
    assert_eq!(told("resourceVersion=2"), ["MODIFIED", "DELETED"]);
    assert_eq!(
        told("resourceVersion=0&fieldSelector=spec.a%3D2"),
        ["ADDED", "DELETED"]
    );
    let open = format!("{THING}?watch=true").parse().unwrap();
    assert_eq!(server.after(&open).unwrap_err().code, 400);
}

#[test]
fn a_name_is_made_where_a_part_of_it_is_given() {
    let server = ApiServer::new();
    let body = json!({"metadata": {"generateName": "t-"}});
    let [one, other] =
        [(), ()].map(|()| ask(&server, &Method::POST, THING, &body).body["metadata"]["name"].to_string());
    assert!(one.starts_with("\"t-") && one != other, "{one} {other}");
}

/// A kind with a default, a rule on transitions, one on the object and a list that is merged by name.
fn crd() -> Value {
    let phase = "self == oldSelf || (oldSelf == 'New' && self in ['Done'])";
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "limit": {"type": "integer", "default": 3},
            "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object"}},
        }},
        "status": {"type": "object", "properties": {
            "phase": {"type": "string", "x-kubernetes-validations": [{"rule": phase, "message": "the state machine"}]},
        }},
    }, "x-kubernetes-validations": [
        {"rule": "!has(self.spec.a) || self.spec.a <= self.spec.limit", "fieldPath": ".spec.a", "message": "too much"},
        {"rule": "isURL(self.spec.url)"},
    ]});
    json!({"spec": {"group": "example.io", "names": {"plural": "things"},
        "versions": [{"schema": {"openAPIV3Schema": schema}}]}})
}

#[test]
fn a_schema_gives_defaults_merges_lists_and_refuses() {
    let server = ApiServer::new();
    let left_out = server.install(&crd());
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    let path = &format!("{THING}/t");
    let made = apply(
        &server,
        path,
        "one",
        &thing(&json!({"a": 3, "parts": [{"name": "x"}]})),
    );
    assert_eq!(made.body["spec"]["limit"], 3);
    let refused = apply(&server, path, "two", &thing(&json!({"a": 4})));
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")));
    assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.a");
    apply(
        &server,
        path,
        "two",
        &thing(&json!({"parts": [{"name": "y", "n": 1}]})),
    );
    let now = apply(&server, path, "one", &thing(&json!({"a": 3}))).body;
    assert_eq!(now["spec"]["parts"], json!([{"name": "y", "n": 1}]));
    for (phase, code) in [("New", 200), ("Done", 200), ("New", 422)] {
        let said = json!({"status": {"phase": phase}});
        let answer = apply(&server, &format!("{path}/status"), "s", &said);
        assert_eq!(answer.code, code, "{phase}: {:?}", answer.body);
    }
}

#[test]
fn who_made_an_empty_map_keeps_it_when_another_fills_it() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    apply(&server, path, "one", &thing(&json!({"a": 1})));
    let mut now = ask(&server, &Method::GET, path, &Value::Null).body;
    now["spec"]["b"] = json!({});
    put(&server, path, &now);
    let mut filled = ask(&server, &Method::GET, path, &Value::Null).body;
    filled["spec"]["b"] = json!({"x": 1});
    let by_another = format!("{path}?fieldManager=another");
    assert_eq!(ask(&server, &Method::PUT, &by_another, &filled).code, 200);
    assert_eq!(owners(&server), ["another", "one", "put"]);
}

#[test]
fn who_made_a_list_keeps_it_when_another_exchanges_its_members() {
    let server = ApiServer::new();
    assert_eq!(server.install(&crd()).len(), 1);
    let path = &format!("{THING}/t");
    apply(&server, path, "one", &thing(&json!({"a": 1})));
    for (manager, member) in [("two", "x"), ("three", "y")] {
        let mut now = ask(&server, &Method::GET, path, &Value::Null).body;
        now["spec"]["parts"] = json!([{"name": member}]);
        let by = format!("{path}?fieldManager={manager}");
        assert_eq!(ask(&server, &Method::PUT, &by, &now).code, 200);
    }
    assert_eq!(owners(&server), ["one", "three", "two"]);
}

#[test]
fn an_empty_version_is_no_version_to_write_to() {
    let server = ApiServer::new();
    let path = &format!("{THING}/t");
    let blank = json!({"metadata": {"resourceVersion": ""}, "spec": {"a": 2}});
    apply(&server, path, "one", &thing(&json!({"a": 1})));
    assert_eq!(
        apply(&server, path, "one", &blank).code,
        200,
        "of a kind without rules"
    );
    assert_eq!(server.install(&crd()).len(), 1);
    let refused = apply(&server, path, "one", &blank);
    assert_eq!(refused.code, 422);
    assert_eq!(
        refused.body["details"]["causes"][0]["field"],
        "metadata.resourceVersion"
    );
}

#[test]
fn a_secret_without_a_type_is_opaque() {
    let server = ApiServer::new();
    let path = "/api/v1/namespaces/a/secrets/s";
    let made = apply(&server, path, "one", &json!({"data": {}})).body;
    assert_eq!(made["type"], "Opaque");
}
