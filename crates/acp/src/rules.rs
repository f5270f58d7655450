//! What fields of a message demand of each other, beyond what each of them may hold.

use crate::code::Code;
use crate::fault::Fault;
use crate::messages::Message;
use crate::messages::meter::Period;
use crate::messages::order::OrderAccept;
use crate::messages::rfq::RfqCreate;
use crate::path::Path;
use trustbridge_domain::calendar::{midnight_ms, parse_date, parse_instant};

/// What is wrong with a message whose fields are right one by one.
#[must_use]
pub fn broken(message: &Message) -> Vec<Fault> {
    match message {
        Message::OrderAccept(accept) => keys_or_model(accept),
        Message::RfqCreate(rfq) => nothing_leaves_a_protected_model(rfq),
        Message::MeterReport(report) => forward(&report.period),
        Message::MeterQuery(query) => query.period.iter().flat_map(forward).collect(),
        Message::InvoiceIssue(invoice) => invoice.period.iter().flat_map(forward).collect(),
        _ => Vec::new(),
    }
}

const PAYLOAD: Path<'static> = Path::Key(&Path::Root, "payload");

/// A workspace is logged into, a protected model is called; the two are never mixed.
fn keys_or_model(accept: &OrderAccept) -> Vec<Fault> {
    let at = |field| Path::Key(&PAYLOAD, field);
    let mut faults = Vec::new();
    match (&accept.model_asset_id, accept.ssh_keys.is_empty()) {
        (None, true) => {
            let next = "send at least one key, or `model_asset_id` for a protected model";
            faults.push(Fault::new(
                at("ssh_keys"),
                Code::SchemaInvalid,
                "is missing",
                next,
            ));
        }
        (Some(_), false) => {
            let rule = "must be empty with `model_asset_id`: a protected model is called, not logged into";
            let next = "leave out one of the two";
            faults.push(Fault::new(at("ssh_keys"), Code::FieldInvalid, rule, next));
        }
        _ => {}
    }
    if accept.model_asset_id.is_some() != accept.contract_id.is_some() {
        let rule = "must come with `model_asset_id`, and never alone";
        let next = "send both, or neither";
        faults.push(Fault::new(at("contract_id"), Code::SchemaInvalid, rule, next));
    }
    faults
}

fn nothing_leaves_a_protected_model(rfq: &RfqCreate) -> Vec<Fault> {
    let Some(requirements) = &rfq.requirements else {
        return Vec::new();
    };
    let bucket = requirements
        .storage
        .as_ref()
        .and_then(|storage| storage.artifact_bucket.as_ref());
    if requirements.mode.as_deref() != Some("protectedModel") || bucket.is_none() {
        return Vec::new();
    }
    let path = Path::Key(&PAYLOAD, "requirements");
    let path = Path::Key(&path, "storage");
    let path = Path::Key(&path, "artifact_bucket");
    let rule =
        "must be left out with `mode` 'protectedModel': what is made of a protected model stays with it";
    vec![Fault::new(
        path,
        Code::FieldInvalid,
        rule,
        "leave it out, or ask for 'byoWorkspace'",
    )]
}

/// A period that ends before it begins is none.
fn forward(period: &Period) -> Vec<Fault> {
    let ms = |text: &str| match parse_date("", text) {
        Ok(day) => midnight_ms(day),
        Err(_) => parse_instant("", text).ok(),
    };
    if ms(&period.from) <= ms(&period.to) {
        return Vec::new();
    }
    let path = Path::Key(&PAYLOAD, "period");
    let rule = format!("must not be before `from`, which is {}", period.from);
    let fault = Fault::new(
        Path::Key(&path, "to"),
        Code::FieldInvalid,
        rule,
        "send the two the other way round",
    );
    vec![fault.of(&period.to)]
}
