//! The certificate of a TunePod's port 8000: when a new one is due, and the new one.

use super::secrets::Certificate;
use crate::access_ca::{self, Authorities};
use jiff::Timestamp;
use trustbridge_issuer::{Error, Leaf};

/// Name in the certificate.
const NAME: &str = "trustbridge-model";
/// Life in seconds: 30 days; a new one is made at two thirds.
const LIFE: i64 = 30 * 86_400;

/// Whether a new one is to be made for `names` at `now`.
pub(super) fn is_due(
    held: &Certificate,
    names: &[String],
    authorities: &Authorities,
    now: Timestamp,
) -> bool {
    held.window.is_due(now.as_second()) || held.dns_names != names || !authorities.include(&held.authority)
}

/// A new one, and what is kept about it.
pub(super) fn issue(
    authorities: &Authorities,
    names: &[String],
    now: Timestamp,
) -> Result<(Leaf, Certificate), Error> {
    let signer = authorities.signer();
    let leaf = signer.sign(NAME, names, now, LIFE)?;
    let about = Certificate {
        window: leaf.window,
        dns_names: names.to_vec(),
        authority: access_ca::id(&signer.cert),
    };
    Ok((leaf, about))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_certificate_is_renewed_by_age_by_names_and_by_authority() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let authorities = Authorities::found(now).unwrap();
        let names = ["tp-a.tb-acme.svc".to_owned()];
        let (leaf, held) = issue(&authorities, &names, now).unwrap();
        assert!(leaf.cert.contains("BEGIN CERTIFICATE"));
        assert!(!is_due(&held, &names, &authorities, later(LIFE * 2 / 3 - 1)));
        assert!(is_due(&held, &names, &authorities, later(LIFE * 2 / 3)));
        assert!(is_due(&held, &["other".to_owned()], &authorities, now));
        let another = Authorities::found(now).unwrap();
        assert!(
            is_due(&held, &names, &another, now),
            "nobody trusts that authority"
        );
    }
}
