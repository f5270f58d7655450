//! Every refusal, and that it can be acted on.

use super::*;

pub(super) use super::broken::BROKEN;

/// Reasons that come from elsewhere than the pod itself, each with the test that shows it.
const ELSEWHERE: &[(Reason, &str)] = &[
    (Reason::Creator, "all_that_is_wrong_is_said_at_once"),
    (Reason::UnknownTunePod, "unknown_objects_are_named"),
    (Reason::UnknownAsset, "unknown_objects_are_named"),
    (Reason::NotProtected, "unknown_objects_are_named"),
    (Reason::Unreadable, "what_cannot_be_read_is_refused"),
    (Reason::LiveOrder, "live_orders_stay"),
    (
        Reason::NotLabelled,
        "only_guarded_pods_of_the_operator_enter_a_protected_namespace",
    ),
    (
        Reason::NotFirst,
        "only_guarded_pods_of_the_operator_enter_a_protected_namespace",
    ),
    (
        Reason::NotAsLicensed,
        "a_licence_that_was_bent_after_the_injection_is_refused",
    ),
    (Reason::NoEntry, "nobody_enters_a_protected_pod"),
];

#[test]
fn every_refusal_names_reason_field_rule_and_next_step() {
    for (reason, field, change) in BROKEN {
        let Verdict::Denied(why) = decide(&with(change)) else {
            panic!("{reason:?} {field} was not refused")
        };
        assert!(
            why.starts_with(&format!("{}: ", reason.as_str())),
            "{reason:?}: {why}"
        );
        assert!(why.contains(field), "{field}: {why}");
        assert!(
            why.contains(", but ") && why.contains("; "),
            "no rule or next step: {why}"
        );
    }
}

#[test]
fn a_pod_that_was_guarded_before_is_judged_by_the_same_rules() {
    let guarded = applied(&pod());
    for (reason, field, change) in BROKEN {
        // What carries our names is put right in such a pod instead of refused.
        if *field == "`spec.initContainers[tb-sentinel].name`" || *field == "`spec.volumes[tb-model].name`" {
            continue;
        }
        let mut bent = guarded.clone();
        // The sentinel stands first now; the changes mean the user's own first one.
        bent["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .rotate_left(1);
        change(&mut bent);
        let Verdict::Denied(why) = decide(&bent) else {
            panic!("{reason:?} {field} was not refused")
        };
        assert!(
            why.contains(&format!("{}: ", reason.as_str())),
            "{reason:?}: {why}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut bad = applied(&pod());
    bad["spec"]["hostNetwork"] = "yes".into();
    let refused = examine_again(&bad, OPERATOR, &creators(), &settings()).unwrap_err();
    assert!(matches!(refused, Verdict::Denied(why) if why.starts_with("Unreadable: ")));
}

#[test]
fn every_reason_has_a_test_and_a_row_in_the_documentation() {
    let table = include_str!("../../../../docs/reference/admission.md");
    let sources = [
        include_str!("refusals.rs"),
        include_str!("../tests.rs"),
        include_str!("../../validate/tests.rs"),
        include_str!("../../serve.rs"),
    ];
    for reason in Reason::ALL {
        let word = reason.as_str();
        let here = BROKEN.iter().any(|(r, ..)| r == reason);
        let there = ELSEWHERE.iter().find(|(r, _)| r == reason);
        assert!(here || there.is_some(), "no test of {word}");
        assert!(
            table.contains(&format!("| `{word}` |")),
            "docs/reference/admission.md has no row for {word}"
        );
        if let Some((_, test)) = there {
            assert!(
                sources.iter().any(|s| s.contains(&format!("fn {test}()"))),
                "no test {test}"
            );
            assert!(
                table.contains(test),
                "docs/reference/admission.md does not name {test}"
            );
        }
    }
}
