//! Reading a sentinel's outbox: what may be taken from a page of usage, and what must not.
//!
//! A sentinel writes down what was used in records that count from 1 without a gap, each with the hash of the one
//! before. A reader keeps its [`Position`]: the last record that it has stored for good. [`take`] says what follows:
//!
//! | What the page shows | Answer |
//! |---|---|
//! | records that follow the position | taken |
//! | records up to the position, again | passed over; the one at the position must have its hash |
//! | another start of the sentinel (`boot`), the numbers going on | taken |
//! | the first records after the position are gone | taken, and [`Missing::Records`] |
//! | another outbox in the same pod: its directory was lost | taken from 1, and [`Missing::Outbox`] |
//! | the page of another pod | [`Refusal::Foreign`] |
//! | another record at the position or after it than the chain allows | [`Refusal::Forked`] |
//! | fewer records than were stored already | [`Refusal::SetBack`] |
//! | a chain that does not hold in itself | [`Refusal::Broken`] |
//!
//! A refusal takes nothing and moves nothing: nothing is stored of it, nothing is acknowledged. Taking the same page
//! from the same position again gives the same answer, so a crash between storing and acknowledging is harmless.

#[cfg(test)]
mod tests;

/// What the first record of an outbox has for the hash of the record before.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The last record that is stored for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Id of the outbox.
    pub outbox: String,
    /// Number of the record; 0 before the first.
    pub seq: u64,
    /// Its hash; `None` after records that nobody has any more.
    pub hash: Option<String>,
}

/// An interval of use. `C` is what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<C> {
    /// The start of the sentinel in which it was counted.
    pub boot: String,
    /// Its number.
    pub seq: u64,
    /// Its beginning, POSIX milliseconds UTC.
    pub from_ms: i64,
    /// Its end, POSIX milliseconds UTC.
    pub to_ms: i64,
    /// What was counted.
    pub counts: C,
    /// The hash that it names for the record before.
    pub prev: String,
    /// The hash that it names for itself.
    pub hash: String,
    /// The hash of what was read: SHA-256 of `prev` and the record without its hash.
    pub proof: String,
}

/// What a sentinel answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// UID of the pod that answers.
    pub pod: String,
    /// Id of its outbox.
    pub outbox: String,
    /// The oldest record that is still there; `last` + 1 when there is none.
    pub first: u64,
    /// The newest record.
    pub last: u64,
    /// Whether there are more records than those here.
    pub more: bool,
    /// Records, oldest first.
    pub records: Vec<Record<C>>,
}

/// What nobody has any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Records of this outbox: the first and the last that are missing.
    Records(u64, u64),
    /// An outbox as a whole, from this position on.
    Outbox(Position),
}

/// What may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<C> {
    /// New records, oldest first.
    pub records: Vec<Record<C>>,
    /// What is missing before them.
    pub missing: Option<Missing>,
    /// The position once they are stored.
    pub position: Position,
    /// Whether the sentinel has more.
    pub more: bool,
}

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another pod answers at this address.
    #[error("the answer is of pod '{0}' and not of this one")]
    Foreign(String),
    /// The record is another than the one that was stored, or does not follow it.
    #[error("record {0} is not the one that was stored, or does not follow it")]
    Forked(u64),
    /// The outbox was set back.
    #[error("the outbox ends at record {last}, but record {stored} was stored already")]
    SetBack {
        /// The newest record of the page.
        last: u64,
        /// The stored one.
        stored: u64,
    },
    /// The chain does not hold.
    #[error("record {seq}: {why}")]
    Broken {
        /// The record.
        seq: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// What of `page` may be stored by a reader who is at `position` (`None`: it never read this pod) and looks for the
/// pod with UID `pod`. `acknowledged` is false when the sentinel refused the position's hash.
pub fn take<C>(
    pod: &str,
    position: Option<&Position>,
    acknowledged: bool,
    page: Page<C>,
) -> Result<Taken<C>, Refusal> {
    if page.pod != pod {
        return Err(Refusal::Foreign(page.pod));
    }
    intact(&page)?;
    let begin = Position {
        outbox: page.outbox.clone(),
        seq: 0,
        hash: Some(GENESIS.to_owned()),
    };
    match position {
        Some(position) if position.outbox == page.outbox => {
            // A shorter outbox refuses the hash too, and says more by its length.
            if !acknowledged && page.last >= position.seq {
                return Err(Refusal::Forked(position.seq));
            }
            follow(position, page)
        }
        Some(former) => {
            let missing = Missing::Outbox(former.clone());
            let taken = follow(&begin, page)?;
            Ok(Taken {
                missing: Some(missing),
                ..taken
            })
        }
        None => follow(&begin, page),
    }
}

/// Whether the page holds together by itself.
fn intact<C>(page: &Page<C>) -> Result<(), Refusal> {
    let mut before: Option<&Record<C>> = None;
    let mut starts: Vec<&str> = Vec::new();
    for record in &page.records {
        let broken = |why| Err(Refusal::Broken { seq: record.seq, why });
        if record.proof != record.hash {
            return broken("its hash is not that of its content");
        }
        if record.to_ms < record.from_ms {
            return broken("it ends before it begins");
        }
        if record.seq < page.first || record.seq > page.last {
            return broken("it is none of those that the page announces");
        }
        if before.is_some_and(|b| b.seq + 1 != record.seq || b.hash != record.prev) {
            return broken("it does not follow the record before");
        }
        if starts.last() != Some(&record.boot.as_str()) {
            if starts.contains(&record.boot.as_str()) {
                return broken("its start of the sentinel was over already");
            }
            starts.push(&record.boot);
        }
        before = Some(record);
    }
    match before {
        Some(last) if page.more != (last.seq < page.last) => Err(Refusal::Broken {
            seq: page.last,
            why: "the page holds more or fewer records than it says",
        }),
        _ => Ok(()),
    }
}

/// What follows `position` on a page of the same outbox.
fn follow<C>(position: &Position, mut page: Page<C>) -> Result<Taken<C>, Refusal> {
    let stored = position.seq;
    if page.last < stored {
        return Err(Refusal::SetBack {
            last: page.last,
            stored,
        });
    }
    let known = |hash: &str| position.hash.as_deref().is_none_or(|known| known == hash);
    if page.records.iter().any(|r| r.seq == stored && !known(&r.hash)) {
        return Err(Refusal::Forked(stored));
    }
    page.records.retain(|record| record.seq > stored);
    let next = stored.saturating_add(1);
    let at = |seq, hash| Position {
        outbox: page.outbox.clone(),
        seq,
        hash,
    };
    let (missing, position) = match (page.records.first(), page.records.last()) {
        (Some(first), Some(last)) => {
            let missing = match first.seq {
                seq if seq == next && known(&first.prev) => None,
                seq if seq == next => return Err(Refusal::Forked(seq)),
                seq if seq == page.first => Some(Missing::Records(next, seq - 1)),
                seq => {
                    let why = "records before it are there and were not sent";
                    return Err(Refusal::Broken { seq, why });
                }
            };
            (missing, at(last.seq, Some(last.hash.clone())))
        }
        _ if page.last == stored => (None, position.clone()),
        _ if page.first > page.last => (Some(Missing::Records(next, page.last)), at(page.last, None)),
        _ => {
            let why = "the page announces it and does not hold it";
            return Err(Refusal::Broken { seq: next, why });
        }
    };
    Ok(Taken {
        missing,
        position,
        more: page.more,
        records: page.records,
    })
}
