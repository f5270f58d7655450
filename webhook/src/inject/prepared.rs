//! The sentinel's container as text, kept for the deliveries that were asked for last.
//!
//! It is the same for every pod of a TunePod, and putting it together, sorting and hashing it was more than half of what a
//! decision costs (docs/benchmarks/webhook-designs.md). It follows from the settings, the delivery and the user alone, so
//! nothing that is kept can be out of date.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::delivery::Delivery;
use super::sentinel;
use crate::settings::SentinelSettings;

/// Deliveries whose container is kept, some five KiB each: pods come in bursts, of few TunePods at a time.
const KEPT: usize = 16;

/// What is the same in every pod of one delivery.
#[derive(Debug)]
pub(crate) struct Container {
    /// As JSON.
    pub(crate) text: String,
    /// Of the same, for the pod's mark.
    pub(crate) digest: String,
}

/// One delivery to one user.
type Known = (Delivery, i64, Arc<Container>);

/// The settings, and what followed from them last.
#[derive(Debug)]
pub(crate) struct Prepared {
    settings: SentinelSettings,
    /// The one used last is at the front.
    kept: Mutex<VecDeque<Known>>,
}

impl Prepared {
    /// Nothing is put together yet.
    pub(crate) fn new(settings: SentinelSettings) -> Self {
        Self {
            settings,
            kept: Mutex::default(),
        }
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &SentinelSettings {
        &self.settings
    }

    /// The sentinel that delivers this as user `uid`.
    pub(crate) fn container(&self, delivery: &Delivery, uid: i64) -> Arc<Container> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept
            .iter()
            .position(|(known, user, _)| *user == uid && known == delivery);
        if let Some(known) = place.and_then(|place| kept.remove(place)) {
            let container = known.2.clone();
            kept.push_front(known);
            return container;
        }
        let value = sentinel::container(delivery, &self.settings, uid);
        let container = Arc::new(Container {
            text: value.to_string(),
            digest: sentinel::digest(&value),
        });
        kept.truncate(KEPT - 1);
        kept.push_front((delivery.clone(), uid, container.clone()));
        container
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Prepared};
    use crate::inject::delivery::{Delivery, Handover};
    use crate::inject::sentinel;
    use crate::settings::SentinelSettings;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn delivery(contract: usize) -> Delivery {
        Delivery {
            tunepod: "t".to_owned(),
            contract_id: contract.to_string(),
            asset_id: "a".to_owned(),
            endpoint: "https://control.example".to_owned(),
            manifest_sha256: String::new(),
            plaintext_bytes: 1 << 30,
            resident_bytes: 0,
            handover: Handover::Fifo,
        }
    }

    #[test]
    fn what_is_kept_is_what_would_be_put_together_anew() {
        let settings: SentinelSettings = serde_json::from_value(json!({"image": "s"})).unwrap();
        let prepared = Prepared::new(settings.clone());
        let first = prepared.container(&delivery(0), 1);
        for contract in [0, 1, 0, KEPT, 1] {
            for uid in [1, 2, 1] {
                let (made, kept) = (
                    sentinel::container(&delivery(contract), &settings, uid),
                    prepared.container(&delivery(contract), uid),
                );
                assert_eq!(kept.digest, sentinel::digest(&made), "{contract} {uid}");
                assert_eq!(serde_json::from_str::<Value>(&kept.text).unwrap(), made);
            }
        }
        assert!(Arc::ptr_eq(&first, &prepared.container(&delivery(0), 1)));
        // As many others make it forgotten, and it comes back the same.
        for contract in 0..KEPT {
            prepared.container(&delivery(100 + contract), 1);
        }
        assert_eq!(prepared.kept.lock().unwrap().len(), KEPT);
        let anew = prepared.container(&delivery(0), 1);
        assert!(!Arc::ptr_eq(&first, &anew));
        assert_eq!((&anew.text, &anew.digest), (&first.text, &first.digest));
    }
}
