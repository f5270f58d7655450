//! What goes wrong: `incident.declare`, and in `tb1` `incident.update` and `incident.resolve`.

use crate::body::bodies;
use crate::messages::support::SEVERITY;
use crate::shape::{COUNT, ID, INSTANT, LINE, PROSE, Shape};

bodies! {
    /// Something is lost.
    IncidentDeclare {
        /// Its id.
        incident_id: String = ID,
        /// How bad it is: `S1` to `S4`.
        severity: Option<String> = SEVERITY,
        /// What is lost, for people.
        impact: Option<String> = LINE,
        /// Minutes within which the next word comes.
        eta_update_minutes: Option<u32> = COUNT,
        /// Added: the instances that it hits.
        instance_ids: Vec<String> = Shape::list(&ID),
        /// Added: since when.
        started_at: Option<String> = INSTANT,
    }

    /// `tb1`: the next word.
    IncidentUpdate {
        /// The incident.
        incident_id: String = ID,
        /// What is known, for people.
        text: String = PROSE,
        /// Minutes within which the next word comes.
        eta_update_minutes: Option<u32> = COUNT,
    }

    /// `tb1`: it is over.
    IncidentResolve {
        /// The incident.
        incident_id: String = ID,
        /// What it was, for people.
        text: Option<String> = PROSE,
        /// Since when it is over.
        resolved_at: Option<String> = INSTANT,
    }
}
