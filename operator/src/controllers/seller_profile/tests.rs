use super::decide::decide;
use super::*;
use crate::controllers::execute::{Plan, Write, status_write};
use jiff::{SignedDuration, Timestamp};
use trustbridge_api::use_case::{AddOnPrice, UseCaseTerms};
use trustbridge_api::{SellerProfileSpec, SellerProfileStatus};

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn seen(generation: u32, key: Key) -> Observed {
    let mut spec = SellerProfileSpec::default();
    spec.signing_key_ref.generation = generation;
    let mut profile = SellerProfile::new("seller", spec);
    profile.metadata.generation = Some(1);
    Observed {
        profile,
        key,
        history: History::read(&secret(None)),
    }
}

fn secret(text: Option<&str>) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some("trustbridge-seller-key".to_owned());
    secret.metadata.namespace = Some("ns".to_owned());
    secret.metadata.uid = Some("s".to_owned());
    secret.metadata.annotations = text.map(|text| [(history::ANNOTATION.to_owned(), text.to_owned())].into());
    secret
}

/// What a plan writes into the Secret.
fn remembered(plan: &Plan<SellerProfileStatus>) -> Option<String> {
    plan.writes.iter().find_map(|write| match write {
        Write::Apply(_, built) => built.body["metadata"]["annotations"][history::ANNOTATION]
            .as_str()
            .map(ToOwned::to_owned),
        _ => None,
    })
}

fn signer(byte: u8) -> Signer {
    Signer::from_seed(&[byte; 32]).unwrap()
}

fn said(seen: &Observed) -> (String, String) {
    let status = decide(seen, now()).status;
    let ready = &status.conditions[0];
    (ready.status.clone(), ready.reason.clone())
}

#[test]
fn a_key_is_published_once_and_stays_quiet() {
    let mut seen = seen(1, Key::Usable(signer(1)));
    let status = decide(&seen, now()).status;
    assert_eq!(status.keys.len(), 1);
    assert_eq!(status.keys[0].public_key, signer(1).public_key());
    assert_eq!(status.signing_key_id.as_deref(), Some(signer(1).key_id()));
    seen.profile.status = Some(status);
    let again = decide(&seen, now() + SignedDuration::from_hours(1));
    assert!(status_write(&seen.profile, seen.profile.status.as_ref(), &again.status).is_none());
}

#[test]
fn the_key_before_stays_published_and_never_signs_again() {
    let first = decide(&seen(1, Key::Usable(signer(1))), now()).status;
    let mut next = seen(2, Key::Usable(signer(2)));
    next.profile.status = Some(first);
    let status = decide(&next, now() + SignedDuration::from_hours(1)).status;
    let ends: Vec<bool> = status.keys.iter().map(|key| key.until.is_some()).collect();
    assert_eq!(ends, [true, false]);
    assert_eq!(status.signing_key_id.as_deref(), Some(signer(2).key_id()));
    let mut back = seen(3, Key::Usable(signer(1)));
    back.profile.status = Some(status);
    assert_eq!(said(&back), ("False".to_owned(), "SigningKeyUnusable".to_owned()));
}

#[test]
fn what_cannot_be_used_is_said() {
    let table = [
        (Key::Usable(signer(1)), "True", "AsSpecified"),
        (Key::NotOurs, "False", "SellerProfileInvalid"),
        (Key::Broken, "False", "SigningKeyUnusable"),
        (
            Key::Refused("secrets is forbidden".to_owned()),
            "False",
            "SigningKeyUnusable",
        ),
    ];
    for (key, status, reason) in table {
        assert_eq!(said(&seen(1, key)), (status.to_owned(), reason.to_owned()));
    }
}

#[test]
fn two_prices_for_one_thing_are_a_contradiction() {
    let add_on = |sku: &str, tier: Option<&str>, nvme_gb| AddOnPrice {
        sku: sku.to_owned(),
        support_tier: tier.map(ToOwned::to_owned),
        nvme_gb,
        ..AddOnPrice::default()
    };
    let cases = [
        vec![add_on("a", Some("standard"), 0), add_on("b", Some("standard"), 0)],
        vec![add_on("a", None, 1), add_on("b", None, 2)],
    ];
    for add_ons in cases {
        let mut seen = seen(1, Key::Usable(signer(1)));
        seen.profile.spec.use_cases = vec![UseCaseTerms {
            name: "u".to_owned(),
            add_ons,
            ..UseCaseTerms::default()
        }];
        assert_eq!(
            said(&seen),
            ("False".to_owned(), "SellerProfileInvalid".to_owned())
        );
    }
}

#[test]
fn a_profile_that_is_made_again_knows_every_key() {
    let first = decide(&seen(1, Key::Usable(signer(1))), now());
    let mut second = seen(2, Key::Usable(signer(2)));
    second.profile.status = Some(first.status.clone());
    second.history = History::read(&secret(remembered(&first).as_deref()));
    let second = decide(&second, now() + SignedDuration::from_hours(1));
    let text = remembered(&second).expect("a new key is remembered before it is published");
    assert!(!text.contains("0101"), "public halves alone: {text}");
    // The profile is deleted, and made again.
    let mut anew = seen(2, Key::Usable(signer(2)));
    anew.history = History::read(&secret(Some(&text)));
    let plan = decide(&anew, now() + SignedDuration::from_hours(2));
    assert_eq!(plan.status.keys, second.status.keys);
    assert!(plan.writes.is_empty(), "it is remembered already");
    // By its defaults it asks for the first key, which was retired.
    let mut back = seen(1, Key::Usable(signer(1)));
    back.history = History::read(&secret(Some(&text)));
    assert_eq!(said(&back), ("False".to_owned(), "SigningKeyUnusable".to_owned()));
    let plan = decide(&back, now());
    assert_eq!(plan.status.keys.len(), 2, "what they signed stays checkable");
    assert_eq!(plan.status.signing_key_id, None);
    // A Secret of before that remembers nothing learns what the profile knows.
    let mut old = seen(2, Key::Usable(signer(2)));
    old.profile.status = Some(second.status);
    assert_eq!(remembered(&decide(&old, now())), Some(text));
}

#[test]
fn a_list_that_nobody_can_read_is_not_written_over() {
    let mut broken = seen(1, Key::Usable(signer(1)));
    broken.history = History::read(&secret(Some("[{")));
    assert_eq!(
        said(&broken),
        ("False".to_owned(), "SigningKeyUnusable".to_owned())
    );
    assert!(decide(&broken, now()).writes.is_empty());
}
