//! What a change is refused with.

use super::engine::{Conditions, Pool};
use super::fault::Fault;
use crate::answer::Problem;
use http::StatusCode;

pub(super) fn check_generation(pool: Option<&Pool>, conditions: &Conditions) -> Result<(), Problem> {
    let failed = |message: &str| {
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            message,
        ))
    };
    match conditions.if_none_match.as_deref() {
        Some("*") if pool.is_some() => return failed("Resource already exists but If-None-Match is *."),
        None | Some("" | "*") => {}
        Some(_) => {
            return Err(Problem::bad(
                "InvalidParameter",
                "If-None-Match must be empty or *.",
            ));
        }
    }
    let current = pool.map(|pool| pool.body.properties.e_tag.as_deref());
    match (conditions.if_match.as_deref(), current) {
        (None | Some("" | "*"), Some(_)) | (None | Some(""), None) => Ok(()),
        (Some(_), None) => failed("Resource not found but ETag header is provided."),
        (Some(wanted), Some(current)) if current == Some(wanted) => Ok(()),
        _ => failed("The ETag of the resource does not match the one provided."),
    }
}

pub(super) fn busy(pool: &str, state: &str) -> Problem {
    let message = format!(
        "Operation is not allowed: Another agentpool operation ({pool} - {state}) is in progress, please wait for \
         it to finish before starting a new operation."
    );
    Problem::new(StatusCode::CONFLICT, "OperationNotAllowed", message)
}

pub(super) fn problem(fault: &Fault) -> Problem {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::CONFLICT);
    Problem {
        retry_after: fault.retry_after,
        ..Problem::new(status, &fault.code, &fault.message)
    }
}
