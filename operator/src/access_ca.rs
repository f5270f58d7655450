//! The authority of port 8000: one Secret in the operator's own namespace, renewed with overlap.
//!
//! ```text
//! none -> current -> current + next (both are published; buyers have 30 days to take the new one)
//!                 -> next becomes current, and the one before stays published until it ends
//! ```
//!
//! Every step is one write at the version that was read. No `Debug`: keys are never printed.

use crate::context::{Context, Error};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use trustbridge_api::labels;
use trustbridge_issuer::{Authority, Window};
use trustbridge_kit::apply::{Built, FieldManager};

/// Name in its certificate.
const NAME: &str = "trustbridge-access-ca";
const DAY: i64 = 86_400;
/// Life of an authority, in seconds; the next one is made at two thirds.
const LIFE: i64 = 730 * DAY;
/// So long an authority is published before it signs, in seconds.
const SETTLE: i64 = 30 * DAY;
/// Writes in one look: make, take over, and one lost race.
const TURNS: usize = 4;

const CERT: &str = "ca.crt";
const KEY: &str = "ca.key";
const NEXT_CERT: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const PREVIOUS_CERT: &str = "previous-ca.crt";
const VALIDITY: &str = "validity.json";

/// When each is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Validity {
    current: Window,
    next: Option<Window>,
    previous: Option<Window>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// A next one is made, and published.
    Next,
    /// The next one becomes the one that signs.
    TakeOver,
}

fn due(validity: &Validity, now: Timestamp) -> Due {
    let now = now.as_second();
    match validity.next {
        Some(next) if now.saturating_sub(next.from) >= SETTLE || validity.current.is_over(now) => {
            Due::TakeOver
        }
        None if validity.current.is_due(now) => Due::Next,
        Some(_) | None => Due::Nothing,
    }
}

/// The authorities that there are.
#[derive(Clone)]
pub(crate) struct Authorities {
    current: Authority,
    next: Option<Authority>,
    previous: Option<(String, Window)>,
}

impl Authorities {
    /// The first.
    pub(crate) fn found(now: Timestamp) -> Result<Self, trustbridge_issuer::Error> {
        Ok(Self {
            current: Authority::found(NAME, now, LIFE)?,
            next: None,
            previous: None,
        })
    }

    /// The one that signs.
    pub(crate) const fn signer(&self) -> &Authority {
        &self.current
    }

    /// Those to trust at `now`, PEM, the one that signs first.
    pub(crate) fn bundle(&self, now: Timestamp) -> String {
        let previous = self.previous.iter().filter(|(_, w)| !w.is_over(now.as_second()));
        let certs = [&self.current.cert]
            .into_iter()
            .chain(self.next.iter().map(|next| &next.cert))
            .chain(previous.map(|(cert, _)| cert));
        certs.flat_map(|cert| [cert.trim_end(), "\n"]).collect()
    }

    /// Whether the authority of that id is one of them.
    pub(crate) fn include(&self, id_: &str) -> bool {
        let previous = self.previous.iter().map(|(cert, _)| cert);
        let mut certs = [&self.current.cert].into_iter().chain(previous);
        certs.any(|cert| id(cert) == id_)
    }

    /// What `due` asks for; `None`: nothing.
    fn renewed(&self, now: Timestamp) -> Result<Option<Self>, trustbridge_issuer::Error> {
        let mut new = self.clone();
        match (due(&self.validity(), now), &self.next) {
            (Due::Next, _) => new.next = Some(Authority::found(NAME, now, LIFE)?),
            (Due::TakeOver, Some(next)) => {
                new.previous = Some((self.current.cert.clone(), self.current.window));
                new.current = next.clone();
                new.next = None;
            }
            (Due::Nothing | Due::TakeOver, _) => return Ok(None),
        }
        Ok(Some(new))
    }

    fn validity(&self) -> Validity {
        Validity {
            current: self.current.window,
            next: self.next.as_ref().map(|next| next.window),
            previous: self.previous.as_ref().map(|(_, window)| *window),
        }
    }

    fn to_data(&self) -> BTreeMap<String, ByteString> {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, text: &str| {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        };
        put(CERT, &self.current.cert);
        put(KEY, &self.current.key);
        if let Some(next) = &self.next {
            put(NEXT_CERT, &next.cert);
            put(NEXT_KEY, &next.key);
        }
        if let Some((cert, _)) = &self.previous {
            put(PREVIOUS_CERT, cert);
        }
        // Numbers alone: it always serialises.
        put(
            VALIDITY,
            &serde_json::to_string(&self.validity()).unwrap_or_default(),
        );
        data
    }

    /// From the Secret's data; `None` if it holds no authority of ours.
    fn from_data(data: &BTreeMap<String, ByteString>) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        let validity: Validity = serde_json::from_str(&text(VALIDITY)?).ok()?;
        let authority = |cert: &str, key: &str, window| {
            Some(Authority {
                cert: text(cert)?,
                key: text(key)?,
                window,
            })
        };
        Some(Self {
            current: authority(CERT, KEY, validity.current)?,
            next: validity.next.and_then(|w| authority(NEXT_CERT, NEXT_KEY, w)),
            previous: validity
                .previous
                .and_then(|w| text(PREVIOUS_CERT).map(|cert| (cert, w))),
        })
    }
}

/// What tells authorities apart: SHA-256 of the certificate, lower-case hex.
pub(crate) fn id(cert: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(cert.trim_end().as_bytes()))
}

/// The authorities in force, made or renewed where that is due.
pub(crate) async fn ensure(ctx: &Context) -> Result<Authorities, Error> {
    let (place, now) = (ctx.settings.namespace.as_str(), ctx.now());
    for _ in 0..TURNS {
        let found: Option<Secret> = ctx.writer.get(Some(place), labels::ACCESS_CA).await?;
        let held = found.as_ref().and_then(|s| s.data.as_ref());
        let held = held.and_then(Authorities::from_data);
        let wanted = match &held {
            None => Authorities::found(now)?,
            Some(held) => match held.renewed(now)? {
                None => return Ok(held.clone()),
                Some(renewed) => renewed,
            },
        };
        let built = Built::of(&secret(found.as_ref(), &wanted, place));
        match &found {
            // Its name is the lock: of two, the first one's is read in the next turn.
            None => drop(ctx.writer.create(FieldManager::ACCESS_CA, &built).await?),
            Some(_) => ctx.writer.apply(FieldManager::ACCESS_CA, &built).await?,
        }
    }
    Err(Error::Unsettled("the Secret with the authority of port 8000"))
}

fn secret(found: Option<&Secret>, wanted: &Authorities, namespace: &str) -> Secret {
    let label = (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned());
    Secret {
        metadata: ObjectMeta {
            name: Some(labels::ACCESS_CA.to_owned()),
            namespace: Some(namespace.to_owned()),
            uid: found.and_then(ResourceExt::uid),
            resource_version: found.and_then(ResourceExt::resource_version),
            labels: Some(BTreeMap::from([label])),
            ..ObjectMeta::default()
        },
        data: Some(wanted.to_data()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn count(all: &Authorities, seconds: i64) -> usize {
        all.bundle(at(seconds)).matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_new_authority_is_published_for_thirty_days_before_it_signs() {
        let first = Authorities::found(at(0)).unwrap();
        assert!(first.renewed(at(LIFE * 2 / 3 - 1)).unwrap().is_none());
        let made = LIFE * 2 / 3;
        let both = first.renewed(at(made)).unwrap().unwrap();
        assert_eq!(
            both.signer().cert,
            first.signer().cert,
            "it signed before anybody could know it"
        );
        assert_eq!(count(&both, made), 2);
        assert!(both.renewed(at(made + SETTLE - 1)).unwrap().is_none());
        let taken = both.renewed(at(made + SETTLE)).unwrap().unwrap();
        assert_ne!(taken.signer().cert, first.signer().cert);
        assert_eq!(
            (count(&taken, made + SETTLE), count(&taken, LIFE - 1)),
            (2, 2),
            "leaves of the one before are still served"
        );
        assert_eq!(count(&taken, LIFE), 1, "what is over is not published");
        assert!(taken.renewed(at(made + SETTLE)).unwrap().is_none());
    }

    #[test]
    fn a_clock_far_past_every_end_is_caught_up_with() {
        let mut all = Authorities::found(at(0)).unwrap();
        let then = at(LIFE * 3);
        let mut steps = 0;
        while let Some(next) = all.renewed(then).unwrap() {
            all = next;
            steps += 1;
            assert!(steps < TURNS, "it does not end");
        }
        assert!(!all.signer().window.is_over(then.as_second()));
    }

    #[test]
    fn the_secret_gives_back_what_was_put_in() {
        let first = Authorities::found(at(0)).unwrap();
        let both = first.renewed(at(LIFE * 2 / 3)).unwrap().unwrap();
        let back = Authorities::from_data(&both.to_data()).unwrap();
        assert_eq!(back.validity(), both.validity());
        assert_eq!(back.bundle(at(LIFE)), both.bundle(at(LIFE)));
        let taken = back.renewed(at(LIFE)).unwrap().unwrap();
        let back = Authorities::from_data(&taken.to_data()).unwrap();
        assert_eq!(back.signer().key, both.next.unwrap().key);
        assert!(Authorities::from_data(&BTreeMap::new()).is_none());
    }

    #[test]
    fn a_write_is_at_the_version_that_was_read() {
        let all = Authorities::found(at(0)).unwrap();
        let mut read = secret(None, &all, "ns");
        read.metadata.resource_version = Some("9".to_owned());
        assert_eq!(
            secret(Some(&read), &all, "ns")
                .metadata
                .resource_version
                .as_deref(),
            Some("9")
        );
    }
}
