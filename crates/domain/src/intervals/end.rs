//! When an instance stopped being of use, from what is known about it.

/// What is known about the end of an instance's use; every instant in POSIX milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndEvidence {
    /// When draining began.
    pub drain_start_ms: Option<i64>,
    /// When its container finished, as the kubelet says.
    pub finished_at_ms: Option<i64>,
    /// When its node was known to be lost.
    pub node_lost_ms: Option<i64>,
    /// When its sentinel was last heard of; counts only when it is known to have stopped.
    pub last_heartbeat_ms: Option<i64>,
}

/// The end and the word for `evidence`, given that the instance is known to have stopped: the first of the facts, or
/// else the last heartbeat, which is at most ten seconds early and then in the buyer's favour. `None`: nothing is
/// known, and an unknown end is no end.
#[must_use]
pub fn end_of_use(known: EndEvidence) -> Option<(i64, &'static str)> {
    let facts = [
        (known.drain_start_ms, "drainStart"),
        (known.finished_at_ms, "containerFinishedAt"),
        (known.node_lost_ms, "nodeLoss"),
    ];
    let first = facts
        .into_iter()
        .filter_map(|(at, word)| Some((at?, word)))
        .min_by_key(|(at, _)| *at);
    first.or(known.last_heartbeat_ms.map(|at| (at, "lastHeartbeat")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_before_the_heartbeat_and_the_first_of_them_counts() {
        let known = EndEvidence {
            drain_start_ms: Some(30),
            finished_at_ms: Some(20),
            node_lost_ms: None,
            last_heartbeat_ms: Some(10),
        };
        assert_eq!(end_of_use(known), Some((20, "containerFinishedAt")));
        let heard = EndEvidence {
            last_heartbeat_ms: Some(10),
            ..EndEvidence::default()
        };
        assert_eq!(end_of_use(heard), Some((10, "lastHeartbeat")));
        assert_eq!(end_of_use(EndEvidence::default()), None);
    }
}
