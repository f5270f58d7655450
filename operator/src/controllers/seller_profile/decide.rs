//! Which keys are published, and whether the seller can sign.

use super::{Key, Observed, history};
use crate::controllers::execute::Plan;
use crate::seller::Signer;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeSet;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::seller_profile::{NAME, PublishedKey};
use trustbridge_api::{SellerProfileSpec, SellerProfileStatus};
use trustbridge_kit::conditions::{Statement, set};

/// Keys that a status can list.
const MOST_KEYS: usize = 128;

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<SellerProfileStatus> {
    let spec = &seen.profile.spec;
    let mut status = seen.profile.status.clone().unwrap_or_default();
    status.observed_generation = seen.profile.metadata.generation;
    let said = match (contradiction(spec), &seen.key) {
        (Some(why), _) => no(Reason::SellerProfileInvalid, why),
        (None, Key::NotOurs) => no(
            Reason::SellerProfileInvalid,
            format!(
                "`metadata.name` must be '{NAME}': a cluster has one seller, and this profile changes nothing"
            ),
        ),
        (None, Key::Refused(words)) => no(
            Reason::SigningKeyUnusable,
            format!(
                "Secret '{}' with the signing key cannot be read or made: {words}; grant the operator `get` and `patch` on that Secret in its own namespace",
                spec.signing_key_ref.name
            ),
        ),
        (None, Key::Broken) => no(
            Reason::SigningKeyUnusable,
            format!(
                "entry 'key-{}' of Secret '{}' is not an Ed25519 seed of 32 bytes; correct it, or take the entry out and a key is made",
                spec.signing_key_ref.generation, spec.signing_key_ref.name
            ),
        ),
        (None, Key::Usable(signer)) => match history::joined(&status.keys, &seen.history) {
            Ok(known) => {
                status.keys = known;
                publish(spec, signer, &mut status, now)
            }
            Err(words) => no(
                Reason::SigningKeyUnusable,
                format!(
                    "annotation '{}' of Secret '{}' is not the list of published keys ({words}); put back what stood there",
                    history::ANNOTATION,
                    spec.signing_key_ref.name
                ),
            ),
        },
    };
    set(
        &mut status.conditions,
        &said,
        seen.profile.metadata.generation,
        now,
    );
    // Remembered before it is published.
    let remember = history::write(seen, &status.keys);
    let plan = Plan::rest(status);
    match remember {
        Some(write) => plan.with(write),
        None => plan,
    }
}

fn publish(
    spec: &SellerProfileSpec,
    signer: &Signer,
    status: &mut SellerProfileStatus,
    now: Timestamp,
) -> Statement {
    let generation = spec.signing_key_ref.generation;
    let is_this = |key: &PublishedKey| key.key_id == signer.key_id();
    if let Some(known) = status.keys.iter().find(|key| is_this(key)) {
        if known.until.is_some() {
            let text = format!(
                "key {} was retired; raise `spec.signingKeyRef.generation` to a generation with a key of its own",
                signer.key_id()
            );
            return no(Reason::SigningKeyUnusable, text);
        }
    } else {
        if status.keys.len() >= MOST_KEYS {
            let text = format!("{MOST_KEYS} keys are published, and no more can be; keep the present one");
            return no(Reason::SigningKeyUnusable, text);
        }
        // From here on the new key signs, and what the old ones signed can be checked as before.
        for key in status.keys.iter_mut().filter(|key| key.until.is_none()) {
            key.until = Some(Time(now));
        }
        status.keys.push(PublishedKey {
            key_id: signer.key_id().to_owned(),
            generation,
            public_key: signer.public_key().to_owned(),
            since: Time(now),
            until: None,
        });
    }
    status.signing_key_id = Some(signer.key_id().to_owned());
    let text = format!("signs with the key of generation {generation}");
    Statement::yes(ConditionType::Ready, Reason::AsSpecified, text)
}

/// What makes the profile unusable. The schema refuses the rest.
fn contradiction(spec: &SellerProfileSpec) -> Option<String> {
    for terms in &spec.use_cases {
        let tiers = terms.add_ons.iter().filter_map(|a| a.support_tier.as_deref());
        let mut seen = BTreeSet::new();
        if let Some(twice) = tiers.into_iter().find(|tier| !seen.insert(*tier)) {
            return Some(format!(
                "`spec.useCases[{}].addOns` has two prices for support tier '{twice}'; keep one",
                terms.name
            ));
        }
        let disks = terms.add_ons.iter().filter(|a| a.nvme_gb > 0).count();
        if disks > 1 {
            return Some(format!(
                "`spec.useCases[{}].addOns` has {disks} add-ons with `nvmeGb`; keep one: disk is added by the one",
                terms.name
            ));
        }
    }
    None
}

fn no(reason: Reason, text: String) -> Statement {
    Statement::no(ConditionType::Ready, reason, text)
}
