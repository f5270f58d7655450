//! Each CEL rule: an example that passes and one that is refused in the rule's own words.

mod care;
mod change_order;
mod commerce;
mod invoice;
mod usage_record;
mod wipe_evidence;

use crate::examples::{SHA, example, merged};
use crate::lab::{Answer, Lab};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A rule and its two examples, as merge patches of the smallest valid object.
pub struct Rule {
    kind: &'static str,
    message: &'static str,
    when: When,
    passes: Value,
    refused: Value,
}

/// When the server checks it.
enum When {
    /// At the creation.
    Create,
    /// At a change of what was created with this patch.
    Update(Value),
    /// At a change of what was created and then patched with each of these.
    Later(Vec<Value>),
}

impl Rule {
    /// The trial's name.
    pub fn title(&self) -> String {
        let words: String = self
            .message
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
            .collect();
        let words: Vec<&str> = words.split_whitespace().take(9).collect();
        format!("rule_{}_{}", self.kind.to_lowercase(), words.join("_"))
    }

    /// Asks the server about both examples.
    pub async fn check(&self, lab: &Lab) -> Result<()> {
        let name = lab.fresh_name();
        let (passes, refused) = match &self.when {
            When::Create => {
                let base = example(self.kind, &name);
                let passes = lab.try_create(self.kind, &merged(&base, &self.passes)).await?;
                (
                    passes,
                    lab.try_create(self.kind, &merged(&base, &self.refused)).await?,
                )
            }
            When::Update(first) => {
                lab.create(
                    self.kind,
                    &merged(&example(self.kind, &name), &without_status(first)),
                )
                .await?;
                if first.get("status").is_some() {
                    lab.patch(self.kind, &name, first).await?;
                }
                self.patched(lab, &name).await?
            }
            When::Later(steps) => {
                lab.create(self.kind, &example(self.kind, &name)).await?;
                for step in steps {
                    lab.patch(self.kind, &name, step).await?;
                }
                self.patched(lab, &name).await?
            }
        };
        self.judge(passes, &refused)
    }

    /// Asks about both patches of that object, and deletes it.
    async fn patched(&self, lab: &Lab, name: &str) -> Result<(Answer, Answer)> {
        let passes = lab.try_patch(self.kind, name, &self.passes).await?;
        let refused = lab.try_patch(self.kind, name, &self.refused).await?;
        lab.delete(self.kind, name).await?;
        Ok((passes, refused))
    }

    fn judge(&self, passes: Answer, refused: &Answer) -> Result<()> {
        if let Err(refusal) = passes {
            bail!("{} should pass and was refused: {}", self.passes, refusal.message);
        }
        let Err(refusal) = refused else {
            bail!("{} should be refused and passed", self.refused)
        };
        ensure!(
            refusal.code == 422,
            "{} was refused with {} instead of 422",
            self.refused,
            refusal.code
        );
        ensure!(
            refusal.message.contains(self.message),
            "the refusal should say '{}' and says '{}'",
            self.message,
            refusal.message
        );
        Ok(())
    }
}

fn without_status(patch: &Value) -> Value {
    let mut patch = patch.clone();
    if let Value::Object(fields) = &mut patch {
        fields.remove("status");
    }
    patch
}

/// Every message of every CEL rule must be among the rules checked here.
pub fn none_is_missing() -> Result<(), String> {
    let mut messages = BTreeSet::new();
    for crd in trustbridge_api::crds() {
        collect(
            &serde_json::to_value(crd).map_err(|error| error.to_string())?,
            &mut messages,
        );
    }
    for rule in all() {
        messages.remove(rule.message);
    }
    // The three state machines are checked edge by edge.
    messages.retain(|message| !message.contains("state machine"));
    if messages.is_empty() {
        Ok(())
    } else {
        Err(format!("no example for: {messages:?}"))
    }
}

fn collect(value: &Value, messages: &mut BTreeSet<String>) {
    if let Some(rules) = value.get("x-kubernetes-validations").and_then(Value::as_array) {
        messages.extend(
            rules
                .iter()
                .filter_map(|rule| rule.get("message")?.as_str().map(str::to_owned)),
        );
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| collect(field, messages)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, messages)),
        _ => {}
    }
}

fn create(kind: &'static str, message: &'static str, passes: Value, refused: Value) -> Rule {
    Rule {
        kind,
        message,
        when: When::Create,
        passes,
        refused,
    }
}

fn update(kind: &'static str, message: &'static str, first: Value, passes: Value, refused: Value) -> Rule {
    Rule {
        kind,
        message,
        when: When::Update(first),
        passes,
        refused,
    }
}

fn later(
    kind: &'static str,
    message: &'static str,
    steps: Vec<Value>,
    passes: Value,
    refused: Value,
) -> Rule {
    Rule {
        kind,
        message,
        when: When::Later(steps),
        passes,
        refused,
    }
}

/// Every rule.
pub fn all() -> Vec<Rule> {
    let mut rules = catalog_rules();
    rules.extend(commerce::rules());
    rules.extend(change_order::rules());
    rules.extend(care::rules());
    rules.extend(order_creation_rules());
    rules.extend(order_change_rules());
    rules.extend(tunepod_rules());
    rules.extend(usage_record::rules());
    rules.extend(wipe_evidence::rules());
    rules.extend(invoice::rules());
    rules
}

fn catalog_rules() -> Vec<Rule> {
    let name = |name: String| json!({"metadata": {"name": name}});
    let models = |models: Value| json!({"spec": {"billing": {"models": models}}});
    let endpoint = |url: &str| json!({"spec": {"endpoint": url}});
    let blobs = |url: &str| json!({"spec": {"blobBaseUrl": url}});
    vec![
        create(
            "BuyerOrg",
            "`metadata.name` must be at most 40 characters, because namespaces are made from it",
            name("a".repeat(40)),
            name("a".repeat(41)),
        ),
        create(
            "BuyerOrg",
            "`metadata.name` must not end in '-protected', because protected namespaces do",
            name("t1-protected-a".to_owned()),
            name("t1-a-protected".to_owned()),
        ),
        create(
            "Offer",
            "`models` must not name a billing model twice",
            models(json!([{"model": "hourly"}, {"model": "monthly"}])),
            models(json!([{"model": "hourly"}, {"model": "hourly", "priceMinor": 2}])),
        ),
        create(
            "ModelAsset",
            "`endpoint` must be an https URL, e.g. 'https://edc.example.com'",
            endpoint("https://edc.example.com:7443"),
            endpoint("http://edc.example.com"),
        ),
        create(
            "ModelAsset",
            "`endpoint` must not hold a query or credentials",
            endpoint("https://edc.example.com/path"),
            endpoint("https://user:pass@edc.example.com"),
        ),
        create(
            "ModelAsset",
            "`blobBaseUrl` must be an https URL",
            blobs("https://h/c/m"),
            blobs("http://host/c/m"),
        ),
        create(
            "ModelAsset",
            "`blobBaseUrl` must not hold a query: a SAS is a secret and comes from the control plane",
            blobs("https://h/c/m"),
            blobs("https://h/c/m?sig=x"),
        ),
    ]
}

fn order_creation_rules() -> Vec<Rule> {
    let quote = json!({"name": "q", "digest": SHA});
    let workspace = json!({"mode": "byoWorkspace", "modelAssetRef": null, "contractId": null, "sshKeys": ["ssh-ed25519 A"]});
    vec![
        create(
            "Order",
            "exactly one of `spec.offerRef` and `spec.quoteRef` must be set",
            json!({"spec": {"offerRef": null, "quoteRef": quote}}),
            json!({"spec": {"quoteRef": quote}}),
        ),
        create(
            "Order",
            "`spec.modelAssetRef` must be set with mode 'protectedModel'",
            json!({"spec": workspace}),
            json!({"spec": {"modelAssetRef": null}}),
        ),
        create(
            "Order",
            "`spec.contractId` must be set with mode 'protectedModel': it is the licence contract that the control plane checks",
            json!({"spec": {"contractId": "contract-1"}}),
            json!({"spec": {"contractId": null}}),
        ),
        create(
            "Order",
            "`spec.sshKeys` must be empty with mode 'protectedModel': a protected model is called, not logged into",
            json!({"spec": workspace}),
            json!({"spec": {"sshKeys": ["ssh-ed25519 A"]}}),
        ),
        create(
            "Order",
            "`spec.modelAssetRef` must not be set with mode 'byoWorkspace'",
            json!({"spec": workspace}),
            json!({"spec": {"mode": "byoWorkspace"}}),
        ),
    ]
}

fn order_change_rules() -> Vec<Rule> {
    let snapshot = |summary: &str| json!({"status": {"pricingSnapshot": {"digest": SHA, "currency": "USD", "lines": [], "summary": summary}}});
    let ended = |reason: &str| json!({"spec": {"termination": {"reason": reason}}});
    vec![
        update(
            "Order",
            "the terms of an order must not change: end it by `spec.termination` or ask for a change order",
            json!({}),
            ended("done"),
            json!({"spec": {"contractId": "another"}}),
        ),
        update(
            "Order",
            "`spec.termination` is set once and must not change; `dataExportConfirmed` alone may become true later",
            ended("done"),
            json!({"spec": {"termination": {"reason": "done", "dataExportConfirmed": true}}}),
            json!({"spec": {"termination": null}}),
        ),
        update(
            "Order",
            "`pricingSnapshot` is frozen at acceptance and must not change",
            snapshot("1.75 USD/h"),
            json!({"status": {"observedGeneration": 1}}),
            snapshot("0.01 USD/h"),
        ),
    ]
}

fn tunepod_rules() -> Vec<Rule> {
    let interval = |from: &str, to: Option<&str>| {
        let mut interval = json!({"seq": 0, "from": from, "gpus": 1, "openedBy": "Ready"});
        if let Some(to) = to {
            interval["to"] = json!(to);
        }
        json!({"status": {"intervals": [interval]}})
    };
    let closed = interval("2026-01-01T10:00:00Z", Some("2026-01-01T11:00:00Z"));
    vec![
        create(
            "TunePod",
            "`spec.modelAssetRef` and `spec.contractId` must be set with mode 'protectedModel'",
            json!({"spec": {"mode": "byoWorkspace", "modelAssetRef": null, "contractId": null}}),
            json!({"spec": {"contractId": null}}),
        ),
        update(
            "TunePod",
            "`spec.mode`, `spec.orderRef`, `spec.gpus` and `spec.vmSize` must not change",
            json!({}),
            json!({"spec": {"termination": {"reason": "OrderTerminated"}}}),
            json!({"spec": {"gpus": 2}}),
        ),
        update(
            "TunePod",
            "`spec.contractId` and `spec.modelAssetRef` must not change",
            json!({}),
            json!({"spec": {"termination": {"reason": "OrderTerminated"}}}),
            json!({"spec": {"contractId": "another"}}),
        ),
        update(
            "TunePod",
            "`spec.termination` is set once and must not change",
            json!({"spec": {"termination": {"reason": "OrderTerminated"}}}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            json!({"spec": {"termination": {"reason": "another"}}}),
        ),
        update(
            "TunePod",
            "`to` must not be before `from`",
            interval("2026-01-01T10:00:00Z", None),
            closed.clone(),
            interval("2026-01-01T10:00:00Z", Some("2026-01-01T09:59:59Z")),
        ),
        update(
            "TunePod",
            "`intervals` must keep every interval, and closed ones must not change",
            closed.clone(),
            json!({"status": {"observedGeneration": 1}}),
            interval("2026-01-01T10:00:00Z", Some("2026-01-01T12:00:00Z")),
        ),
        update(
            "TunePod",
            "`folded` must not go or fall: what is in UsageRecords stays there",
            folded(2),
            folded(3),
            folded(1),
        ),
        update(
            "TunePod",
            "`spec.readiness` must not change: it is what was quoted",
            json!({"spec": {"readiness": [{"id": "ssh", "text": "SSH works", "probe": "sshAccess"}]}}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            json!({"spec": {"readiness": [{"id": "ssh", "text": "nothing works"}]}}),
        ),
        update(
            "TunePod",
            "`phase` must not be Ready while a line of `readiness` is not met",
            json!({"status": {"phase": "Verifying", "readiness": [line("False")]}}),
            json!({"status": {"readiness": [line("Unknown")]}}),
            json!({"status": {"phase": "Ready"}}),
        ),
    ]
}

fn folded(count: i64) -> Value {
    json!({"status": {"folded": {"count": count, "meteredMs": count * 1000, "from": "2026-01-01T10:00:00Z"}}})
}

fn line(met: &str) -> Value {
    json!({"id": "ssh", "text": "SSH works", "met": met, "reason": "ProbeUnavailable", "checkedAt": "2026-01-01T10:00:00Z"})
}
