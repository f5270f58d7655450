//! Each rule of each policy, with a request that passes and one that is refused in the rule's own words.

macro_rules! case {
    ($policy:literal, $name:literal, $says:literal, $passes:expr, $refused:expr) => {
        Case {
            policy: $policy,
            name: $name,
            says: $says,
            passes: $passes,
            refused: $refused,
        }
    };
}

mod access;
mod asks;
mod guarded;
mod namespaces;

use super::Work;
use super::gate::{Ask, Gate, Who};
use anyhow::{Context, Result, bail, ensure};
pub use asks::whole;
use asks::{address, change, core, marks_through_status, plain, record, to_node};
use serde_json::{Value, json};
use std::sync::Arc;

/// A rule and its two requests.
struct Case {
    policy: &'static str,
    name: &'static str,
    /// What the refusal says; in the words of the rule's `message` too.
    says: &'static str,
    passes: fn(&Gate) -> Ask,
    refused: fn(&Gate) -> Ask,
}

/// Every trial of this module.
pub fn all(gate: &Arc<Gate>) -> Vec<Work> {
    let mut trials: Vec<Work> = Vec::new();
    for case in cases() {
        let gate = gate.clone();
        let title = format!("policy_{}_{}", case.policy, case.name);
        trials.push((title, Box::pin(async move { case.check(&gate).await })));
    }
    for bend in guarded::all() {
        let gate = gate.clone();
        let title = format!("policy_guarded_pods_{}", bend.name);
        trials.push((title, Box::pin(async move { bend.check(&gate).await })));
    }
    let gate = gate.clone();
    let none_missing = async move { none_is_missing(&gate) };
    trials.push((
        "every_rule_of_every_policy_has_an_example".to_owned(),
        Box::pin(none_missing),
    ));
    trials
}

impl Case {
    async fn check(&self, gate: &Gate) -> Result<()> {
        let _turn = gate.turn.read().await;
        let ask = (self.passes)(gate);
        if let Err(refusal) = gate.ask(&ask).await? {
            // What passes admission may still not work: there is no node behind these pods.
            ensure!(
                refusal.code != 403 && !refusal.message.contains("ValidatingAdmissionPolicy"),
                "{} {} should pass and was refused: {}",
                ask.method,
                ask.path,
                refusal.message
            );
        }
        let ask = (self.refused)(gate);
        let Err(refusal) = gate.ask(&ask).await? else {
            bail!("{} {} should be refused and passed", ask.method, ask.path)
        };
        let policy = format!(
            "ValidatingAdmissionPolicy 'trustbridge-{}'",
            self.policy.replace('_', "-")
        );
        ensure!(
            refusal.message.contains(&policy) && refusal.message.contains(self.says),
            "the refusal should be {policy}'s and say '{}' and says '{}'",
            self.says,
            refusal.message
        );
        Ok(())
    }
}

fn none_is_missing(gate: &Gate) -> Result<()> {
    let folder = gate.world().root().join("charts/trustbridge/templates/policy");
    let (cases, bends) = (cases(), guarded::all());
    let shown: Vec<&str> = cases
        .iter()
        .map(|c| c.says)
        .chain(bends.iter().map(|b| b.says))
        .collect();
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(entry?.path())?;
        for message in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("message: "))
        {
            count += 1;
            ensure!(
                shown.iter().any(|says| message.contains(says)),
                "no example of: {message}"
            );
        }
    }
    println!(
        "{count} rules of the policies, {} examples that pass and {} that are refused",
        shown.len(),
        shown.len()
    );
    ensure!(count > 35, "{count} rules alone were found");
    Ok(())
}

fn cases() -> Vec<Case> {
    let mut cases = pods();
    cases.extend(access::pods());
    cases.extend(access::nodes());
    cases.extend(namespaces::rights());
    cases.extend(namespaces::labels_and_operator());
    cases.push(case!(
        "kept_records",
        "are_kept",
        "usage records, invoices and wipe evidence must not be deleted",
        |g| record(
            g,
            "PATCH",
            json!({"metadata": {"labels": {"example.com/seen": "x"}}})
        ),
        |g| record(g, "DELETE", Value::Null)
    ));
    cases
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each rule")]
fn pods() -> Vec<Case> {
    let own =
        "must stay what the pod was made with in a protected namespace, because operator and guards go by";
    let mark = |name, passes, refused| Case {
        policy: "unchanged_pods",
        name,
        says: own,
        passes,
        refused,
    };
    vec![
        case!(
            "protected_pods",
            "are_made_by_the_operator",
            "only the operator makes pods in a protected namespace",
            |g| whole(g, Who::Operator),
            |g| plain(&g.bare(), Who::Admin, None)
        ),
        case!(
            "protected_pods",
            "ask_for_the_sentinel",
            "must be 'true' in a protected namespace",
            |g| plain(&g.own(), Who::Admin, None),
            |g| plain(&g.bare(), Who::Operator, Some("false"))
        ),
        case!(
            "unchanged_pods",
            "keep_their_model_servers_image",
            "because the model server reads decrypted weights",
            |g| change(g, json!({"metadata": {"annotations": {"example.com/note": "x"}}})),
            |g| {
                let mut pod = g.guarded();
                pod["spec"]["containers"][0]["image"] = "evil".into();
                change(g, json!({"spec": {"containers": pod["spec"]["containers"]}}))
            }
        ),
        case!(
            "unchanged_pods",
            "keep_their_sentinels_image",
            "because the sentinel holds the key",
            |g| change(g, json!({"metadata": {"finalizers": ["example.com/wait"]}})),
            |g| {
                let mut pod = g.guarded();
                pod["spec"]["initContainers"][0]["image"] = "evil".into();
                change(
                    g,
                    json!({"spec": {"initContainers": pod["spec"]["initContainers"]}}),
                )
            }
        ),
        mark(
            "keep_the_label_that_selects_them",
            |g| change(g, json!({"metadata": {"labels": {"example.com/team": "x"}}})),
            |g| {
                change(
                    g,
                    json!({"metadata": {"labels": {"trustbridge.io/inject": null}}}),
                )
            },
        ),
        mark(
            "keep_their_labels_whatever_writes_their_status",
            |g| marks_through_status(g, &json!({"annotations": {"example.com/seen": "x"}})),
            |g| marks_through_status(g, &json!({"labels": {"trustbridge.io/inject": null}})),
        ),
        mark(
            "keep_their_tunepods_mark_whatever_writes_their_status",
            |g| marks_through_status(g, &json!({"labels": {"example.com/seen": "x"}})),
            |g| {
                marks_through_status(
                    g,
                    &json!({"annotations": {"trustbridge.io/tunepod-uid": "forged"}}),
                )
            },
        ),
        mark(
            "keep_the_label_of_their_tunepod",
            |g| {
                change(
                    g,
                    json!({"metadata": {"labels": {"example.com/trustbridge.io": "x"}}}),
                )
            },
            |g| {
                change(
                    g,
                    json!({"metadata": {"labels": {"trustbridge.io/tunepod": "another"}}}),
                )
            },
        ),
        mark(
            "keep_who_manages_them",
            |g| {
                change(
                    g,
                    json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}),
                )
            },
            |g| {
                change(
                    g,
                    json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "helm"}}}),
                )
            },
        ),
        mark(
            "keep_the_annotations_of_trustbridge",
            |g| {
                change(
                    g,
                    json!({"metadata": {"annotations": {"trustbridge.example.com/x": "y"}}}),
                )
            },
            |g| {
                change(
                    g,
                    json!({"metadata": {"annotations": {"trustbridge.io/tunepod": "tb-other/x"}}}),
                )
            },
        ),
        mark(
            "keep_the_record_of_the_injection",
            |g| change(g, json!({"metadata": {"annotations": {"kubernetes.io/x": "y"}}})),
            |g| {
                change(
                    g,
                    json!({"metadata": {"annotations": {"trustbridge.io/injected-spec-sha256": null}}}),
                )
            },
        ),
        mark(
            "gain_no_annotation_of_trustbridge",
            |g| change(g, json!({"metadata": {"annotations": {"note": "y"}}})),
            |g| {
                change(
                    g,
                    json!({"metadata": {"annotations": {"trustbridge.io/tunepod-uid": "forged"}}}),
                )
            },
        ),
        case!(
            "placed_pods",
            "are_bound_by_the_scheduler",
            "must be bound to its node by the scheduler",
            |g| to_node(g, Who::Scheduler),
            |g| to_node(g, Who::Admin)
        ),
        case!(
            "placed_pods",
            "have_the_address_that_their_node_says",
            "must be set by its node",
            |g| address(g, Who::Node),
            |g| address(g, Who::Admin)
        ),
    ]
}

/// A field of a JSON object that must be there.
fn field<'a>(value: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    value
        .pointer_mut(path)
        .with_context(|| format!("the pod has no {path}"))
}
