//! Access to a TunePod's model: a bearer token for the buyer, the sums of accepted ones for the sentinel, a certificate
//! for the Service's names, and the authorities to trust.
//!
//! | Object | Where | Read by |
//! |---|---|---|
//! | Secret `tp-<name>-token` | `tb-<org>` | members of the organisation |
//! | Secret `tp-<name>-token-sums` | `tb-<org>-protected` | the sentinel, its entry `tokens` alone |
//! | Secret `tp-<name>-tls` | `tb-<org>-protected` | the sentinel |
//! | ConfigMap `trustbridge-access-ca` | `tb-<org>` | members of the organisation |
//!
//! They are there before the pod is made and go when its end begins. What is next about the token is decided by
//! [`rotation`]; secrets are made and written here, at the edge, and are in no plan, log, event or status.

mod certificate;
mod rotation;
mod secrets;
mod token;

use super::observe::{Observed, PodSight};
use crate::access_ca::{self, Authorities};
use crate::context::{Context, Error};
use crate::public_port::{NOBODYS, PortAnswer, Question};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use rotation::{Ledger, Step};
use token::Token;
use trustbridge_api::labels;
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::apply::{Built, FieldManager, Target};
use trustbridge_kit::clock::plus;
use trustbridge_kit::cover::covers;

pub(super) use secrets::{CA, TOKEN};

/// Steps of one look; a rotation that follows another has six.
const TURNS: usize = 8;
/// Seconds until the port is asked again whether it knows the next token.
const ON_ITS_WAY: i64 = 15;
/// So much of the word that asks for a rotation counts.
const WORD_CHARS: usize = 128;

/// What a decision sees of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessSight {
    /// Why Secrets cannot be read or made; `None`: they are in order, or were not looked at.
    pub(crate) refused: Option<String>,
    /// What the port answers; asked only before the door is opened, and once a certificate is over that cannot be renewed.
    pub(crate) port: Option<PortAnswer>,
    /// When something is due.
    pub(crate) due_at: Option<Timestamp>,
}

/// Sees to it that token, certificate and authorities are in order, and asks the port where that decides something. At
/// the end, finds what is to be deleted.
pub(super) async fn see(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let is_ending =
        seen.tunepod.spec.termination.is_some() || seen.tunepod.metadata.deletion_timestamp.is_some();
    match seen.phase() {
        Phase::Verifying | Phase::Ready | Phase::Degraded if !is_ending => {
            seen.access = match in_order(ctx, seen).await {
                Ok(sight) => sight,
                Err(error) => AccessSight {
                    port: past_its_end(ctx, seen).await?,
                    ..refused(error)?
                },
            };
            Ok(())
        }
        Phase::Draining => find_left(ctx, seen).await,
        _ => Ok(()),
    }
}

async fn in_order(ctx: &Context, seen: &Observed) -> Result<AccessSight, Error> {
    let authorities = access_ca::ensure(ctx).await?;
    let bundle = authorities.bundle(ctx.now());
    // First: whoever meets a new certificate must be able to trust it.
    let published = secrets::authorities(&seen.org, &bundle);
    let found = ctx.writer.get_any(&published.target).await?;
    if !found.is_some_and(|found| covers(&found, &published.body)) {
        ctx.writer.apply(FieldManager::ACCESS_CA, &published).await?;
    }
    certify(ctx, seen, &authorities).await?;
    tokens(ctx, seen, &bundle).await
}

/// A certificate that is good for a while yet, for the names as they are, of an authority that is trusted.
async fn certify(ctx: &Context, seen: &Observed, authorities: &Authorities) -> Result<(), Error> {
    let [.., place] = secrets::targets(&seen.tunepod, &seen.org);
    let (found, now) = (read(ctx, &place).await?, ctx.now());
    let names = secrets::dns_names(&seen.tunepod);
    let held = secrets::certificate(found.as_ref());
    if held.is_some_and(|held| !certificate::is_due(&held, &names, authorities, now)) {
        return Ok(());
    }
    let (leaf, about) = certificate::issue(authorities, &names, now)?;
    let built = secrets::with_leaf(&seen.tunepod, &seen.org, found.as_ref(), &leaf, &about);
    write(ctx, found.as_ref(), &built).await
}

/// What lies in the two Secrets of the token.
struct Held {
    own: Option<Secret>,
    sums: Option<Secret>,
    token: Option<Token>,
    ledger: Option<Ledger>,
    next: Option<Token>,
}

impl Held {
    async fn read(ctx: &Context, seen: &Observed) -> Result<Self, Error> {
        let [own, sums, _] = secrets::targets(&seen.tunepod, &seen.org);
        let (own, sums) = (read(ctx, &own).await?, read(ctx, &sums).await?);
        let (ledger, next) = secrets::ledger(sums.as_ref()).unzip();
        Ok(Self {
            token: secrets::token(own.as_ref()),
            own,
            sums,
            ledger,
            next: next.flatten(),
        })
    }
}

/// The token's next steps, until there is none or one is to be waited for.
async fn tokens(ctx: &Context, seen: &Observed, bundle: &str) -> Result<AccessSight, Error> {
    let annotation = seen.tunepod.annotations().get(labels::ROTATE_TOKEN);
    let word: String = annotation
        .into_iter()
        .flat_map(|word| word.chars().take(WORD_CHARS))
        .collect();
    for _ in 0..TURNS {
        let held = Held::read(ctx, seen).await?;
        let sum = held.token.as_ref().map(Token::sum);
        let step = rotation::next(held.ledger.as_ref(), sum.as_deref(), &word, ctx.now());
        if let Step::Rest(due_at) = step {
            return Ok(AccessSight {
                port: match (waiting(seen), &held.token) {
                    (Some(pod), Some(token)) => Some(ask(ctx, seen, pod, bundle, token.as_str()).await),
                    _ => None,
                },
                due_at,
                ..AccessSight::default()
            });
        }
        // Nobody reads a token before it opens the port.
        let is_known = match (&step, &held.next, proof(seen)) {
            (Step::Publish, Some(next), Proof::Ask(pod)) => {
                ask(ctx, seen, pod, bundle, next.as_str()).await == PortAnswer::Accepted
            }
            (Step::Publish, _, Proof::Wait) => false,
            _ => true,
        };
        if !is_known {
            return Ok(AccessSight {
                due_at: Some(plus(ctx.now(), ON_ITS_WAY)),
                ..AccessSight::default()
            });
        }
        take(ctx, seen, &held, &step, &word).await?;
    }
    Err(Error::Unsettled("the token of a TunePod"))
}

/// The one write of a step.
async fn take(ctx: &Context, seen: &Observed, held: &Held, step: &Step, word: &str) -> Result<(), Error> {
    let (tunepod, org) = (&seen.tunepod, seen.org.as_str());
    let show = |token: &Token| secrets::with_token(tunepod, org, held.own.as_ref(), token);
    let keep = |ledger: &Ledger, next: Option<&Token>| {
        secrets::with_ledger(tunepod, org, held.sums.as_ref(), ledger, next)
    };
    match (step, &held.ledger, &held.token, &held.next) {
        (Step::Make, ..) => write(ctx, held.own.as_ref(), &show(&fresh()?)).await,
        (Step::Publish, _, _, Some(next)) => write(ctx, held.own.as_ref(), &show(next)).await,
        (Step::Adopt, _, Some(token), _) => {
            let ledger = Ledger::adopting(token.sum(), word);
            write(ctx, held.sums.as_ref(), &keep(&ledger, None)).await
        }
        (Step::Propose, Some(ledger), ..) => {
            let next = fresh()?;
            let ledger = ledger.proposing(next.sum(), word);
            write(ctx, held.sums.as_ref(), &keep(&ledger, Some(&next))).await
        }
        (Step::Settle, Some(ledger), ..) => {
            let ledger = ledger.settled(ctx.now(), ctx.settings.token_overlap);
            write(ctx, held.sums.as_ref(), &keep(&ledger, None)).await
        }
        (Step::Retire, Some(ledger), ..) => {
            write(ctx, held.sums.as_ref(), &keep(&ledger.retired(ctx.now()), None)).await
        }
        // A step without what it is about is not made by `rotation`; the turns end, and it is looked at again.
        _ => Ok(()),
    }
}

/// How it is known that the port takes the next token.
#[derive(Debug, PartialEq, Eq)]
enum Proof<'a> {
    /// This pod is asked.
    Ask(&'a PodSight),
    /// A pod is there that cannot be asked yet, and may have the list of before.
    Wait,
    /// There is no pod: the one that is made next mounts the list as it is.
    Unasked,
}

fn proof(seen: &Observed) -> Proof<'_> {
    let pod = seen.pod.as_ref().filter(|pod| pod.is_ours && pod.is_guarded);
    pod.map_or(Proof::Unasked, |pod| {
        if pod.is_up() { Proof::Ask(pod) } else { Proof::Wait }
    })
}

/// What the port answers where Secrets cannot be brought in order and the certificate that it serves is over, by the
/// authorities that buyers have; `None`: it is not over, or not to be read.
async fn past_its_end(ctx: &Context, seen: &Observed) -> Result<Option<PortAnswer>, Error> {
    let Some(pod) = serving(seen) else {
        return Ok(None);
    };
    let [.., place] = secrets::targets(&seen.tunepod, &seen.org);
    let held = match read(ctx, &place).await {
        Ok(found) => secrets::certificate(found.as_ref()),
        // The refusal is what is said already.
        Err(error) => {
            refused(error)?;
            None
        }
    };
    if !held.is_some_and(|held| held.window.is_over(ctx.now().as_second())) {
        return Ok(None);
    }
    let namespace = seen.tunepod.namespace();
    let published: Option<ConfigMap> = match ctx.writer.get(namespace.as_deref(), labels::ACCESS_CA).await {
        Ok(published) => published,
        Err(error) => return refused(error.into()).map(|_| None),
    };
    let bundle = published.and_then(|map| map.data?.remove(CA)).unwrap_or_default();
    Ok(Some(ask(ctx, seen, pod, &bundle, NOBODYS).await))
}

/// The pod, while buyers call it.
fn serving(seen: &Observed) -> Option<&PodSight> {
    let pod = seen.pod.as_ref().filter(|_| seen.phase() == Phase::Ready)?;
    pod.is_up().then_some(pod)
}

/// The pod, when it is ready and the door to it is not open.
fn waiting(seen: &Observed) -> Option<&PodSight> {
    let pod = seen.pod.as_ref().filter(|_| seen.phase() != Phase::Ready)?;
    pod.is_up().then_some(pod)
}

async fn ask(ctx: &Context, seen: &Observed, pod: &PodSight, bundle: &str, token: &str) -> PortAnswer {
    let names = secrets::dns_names(&seen.tunepod);
    let question = Question {
        ip: pod.ip.as_deref().unwrap_or_default(),
        server_name: names.first().map(String::as_str).unwrap_or_default(),
        authorities: bundle,
        token,
    };
    ctx.ports.ask(question).await
}

/// What lies there of an end that began. Rights that were taken away must not hold up an end that costs money: what
/// cannot be looked for stays, and the namespaces have it.
async fn find_left(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    for target in secrets::targets(&seen.tunepod, &seen.org) {
        match ctx.writer.get_any(&target).await {
            Ok(found) => {
                let uid = found.as_ref().and_then(|f| f.pointer("/metadata/uid")?.as_str());
                seen.leftovers
                    .extend(uid.map(|uid| (target.clone(), uid.to_owned())));
            }
            Err(error) => {
                let sight = refused(error.into())?;
                tracing::warn!(%target, why = sight.refused, "cannot be looked for and is not deleted");
            }
        }
    }
    Ok(())
}

/// A refusal that waiting alone does not cure, in its words; anything else stays an error.
fn refused(error: Error) -> Result<AccessSight, Error> {
    let words = match &error {
        Error::Api(api) => match api.status() {
            Some(status) if matches!(status.code, 403 | 404 | 422) => status.message.clone(),
            _ => return Err(error),
        },
        Error::Issue(cause) => cause.to_string(),
        Error::NoRandom | Error::Unsettled(_) => return Err(error),
    };
    Ok(AccessSight {
        refused: Some(words),
        ..AccessSight::default()
    })
}

fn fresh() -> Result<Token, Error> {
    Token::new().ok_or(Error::NoRandom)
}

async fn read(ctx: &Context, target: &Target) -> Result<Option<Secret>, Error> {
    Ok(ctx.writer.get(target.namespace.as_deref(), &target.name).await?)
}

async fn write(ctx: &Context, found: Option<&Secret>, built: &Built) -> Result<(), Error> {
    match found {
        // Its name is the lock: of two, the first one's is read in the next turn.
        None => drop(ctx.writer.create(FieldManager::ACCESS, built).await?),
        Some(_) => ctx.writer.apply(FieldManager::ACCESS, built).await?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{in_phase, pod, ready_pod};
    use super::*;

    #[test]
    fn a_token_is_published_unasked_only_where_there_is_no_pod() {
        for phase in [Phase::Verifying, Phase::Ready, Phase::Degraded] {
            let mut seen = in_phase(phase);
            assert_eq!(proof(&seen), Proof::Unasked, "{phase}");
            seen.pod = Some(pod());
            assert_eq!(proof(&seen), Proof::Wait, "{phase}: it has the list of before");
            seen.pod = Some(ready_pod());
            assert_eq!(proof(&seen), Proof::Ask(&ready_pod()), "{phase}");
            let (leaving, foreign) = (
                PodSight {
                    is_leaving: true,
                    ..ready_pod()
                },
                PodSight {
                    is_ours: false,
                    ..ready_pod()
                },
            );
            seen.pod = Some(leaving);
            assert_eq!(proof(&seen), Proof::Wait, "{phase}: it still answers");
            seen.pod = Some(foreign);
            assert_eq!(proof(&seen), Proof::Unasked, "{phase}");
        }
    }
}
