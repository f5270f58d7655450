//! The edge of the process: calls with an effect pass here, each has a number, and one of them meets a fault.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies before it asks.
    DiesBefore,
    /// It is done; the answer is lost.
    AnswerLost,
    /// It is done and answered; then the process dies.
    DiesAfter,
    /// 409.
    Conflict,
    /// 429.
    Throttled,
    /// 500.
    ServerError,
    /// Nothing is done, nothing is answered.
    NoAnswer,
    /// The process stops before the call leaves it, another one leads meanwhile, and then the call is made after all.
    OldLeader,
}

impl Fault {
    pub(super) const ALL: [Self; 8] = [
        Self::DiesBefore,
        Self::AnswerLost,
        Self::DiesAfter,
        Self::Conflict,
        Self::Throttled,
        Self::ServerError,
        Self::NoAnswer,
        Self::OldLeader,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DiesBefore => "dies before",
            Self::AnswerLost => "answer lost",
            Self::DiesAfter => "dies after",
            Self::Conflict => "409",
            Self::Throttled => "429",
            Self::ServerError => "500",
            Self::NoAnswer => "no answer",
            Self::OldLeader => "old leader",
        }
    }
}

/// The fault of a run, and the number of the call that meets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan(Option<(usize, Fault)>);

impl Plan {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) const fn at(call: usize, fault: Fault) -> Self {
        Self(Some((call, fault)))
    }

    pub(super) fn name(&self) -> &'static str {
        self.0.map_or("none", |(_, fault)| fault.name())
    }

    pub(super) fn position(&self) -> usize {
        self.0.map_or(0, |(at, _)| at)
    }
}

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Do it and answer.
    Go,
    /// Do it and answer nothing.
    GoUnheard,
    /// Answer that status.
    Refuse(u16),
    /// Answer nothing.
    Nothing,
    /// Answer nothing, and do it later.
    Later,
}

/// The boundary of a run; clones share it.
#[derive(Clone)]
pub(super) struct Boundary(Arc<Mutex<Passed>>);

struct Passed {
    plan: Plan,
    calls: Vec<String>,
    is_dead: bool,
    was_met: bool,
    /// What an old leader still has to send, and how many rounds the new one has had since.
    late: Option<(Late, u8)>,
}

/// A call that is made later.
pub(super) enum Late {
    /// To the API server: method, URI, content type, body.
    Api(http::Method, http::Uri, String, Bytes),
    /// To ARM.
    Arm(http::Request<Bytes>),
}

impl Boundary {
    pub(super) fn new(plan: &Plan) -> Self {
        Self(Arc::new(Mutex::new(Passed {
            plan: *plan,
            calls: Vec::new(),
            is_dead: false,
            was_met: false,
            late: None,
        })))
    }

    /// A call with an effect.
    pub(super) fn pass(&self, what: &str) -> Verdict {
        let mut passed = self.lock();
        if passed.is_dead {
            return Verdict::Nothing;
        }
        let number = passed.calls.len();
        passed.calls.push(what.to_owned());
        let Some((_, fault)) = passed.plan.0.filter(|(at, _)| *at == number) else {
            return Verdict::Go;
        };
        passed.was_met = true;
        passed.is_dead = matches!(fault, Fault::DiesBefore | Fault::DiesAfter | Fault::OldLeader);
        match fault {
            Fault::OldLeader => Verdict::Later,
            Fault::DiesBefore | Fault::NoAnswer => Verdict::Nothing,
            Fault::AnswerLost | Fault::DiesAfter => Verdict::GoUnheard,
            Fault::Conflict => Verdict::Refuse(409),
            Fault::Throttled => Verdict::Refuse(429),
            Fault::ServerError => Verdict::Refuse(500),
        }
    }

    /// A look, which has no number.
    pub(super) fn look(&self) -> Verdict {
        if self.lock().is_dead {
            Verdict::Nothing
        } else {
            Verdict::Go
        }
    }

    /// Whether the process had died; the next one lives.
    pub(super) fn restart(&self) -> bool {
        std::mem::take(&mut self.lock().is_dead)
    }

    /// The old leader stops with that call.
    pub(super) fn hold(&self, call: Late) {
        self.lock().late = Some((call, 0));
    }

    /// A round is over: the call of an old leader, once the new one has had a whole round.
    pub(super) fn wakes(&self) -> Option<Late> {
        let mut passed = self.lock();
        let rounds = passed.late.as_mut().map(|(_, rounds)| {
            *rounds += 1;
            *rounds
        });
        if rounds? > 1 {
            passed.late.take().map(|(call, _)| call)
        } else {
            None
        }
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    pub(super) fn was_met(&self) -> bool {
        self.lock().was_met
    }

    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
