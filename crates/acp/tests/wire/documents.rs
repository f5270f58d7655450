//! Both documents word for word: each example is read, and written again as it was.

use crate::document::{USE_CASES, example, folder, sender, whole};
use serde_json::Value;
use trustbridge_acp::envelope::Sent;
use trustbridge_acp::{Name, UnknownFields, read};

fn blocks(use_case: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder().join("documents").join(use_case)).unwrap();
    let name = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = files
        .map(name)
        .map(|n| n.strip_suffix(".json").unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn all_32_examples_are_read_and_written_as_they_stand() {
    let mut read_back = 0;
    for use_case in USE_CASES {
        for block in blocks(use_case) {
            let sent = whole(use_case, &block);
            let received = read(sent.to_string().as_bytes(), sender(&sent), UnknownFields::Refuse)
                .unwrap_or_else(|refusal| panic!("{use_case} {block}: {refusal}"));
            let again = Sent {
                envelope: received.envelope,
                message: received.message,
            };
            assert_eq!(serde_json::to_value(again).unwrap(), sent, "{use_case} {block}");
            read_back += 1;
        }
    }
    assert_eq!(read_back, 32);
}

#[test]
fn each_document_has_the_15_names_and_an_envelope() {
    let mut core: Vec<&str> = Name::ALL
        .iter()
        .filter(|n| !n.is_extension())
        .map(|n| n.as_str())
        .collect();
    core.push("envelope");
    core.sort_unstable();
    for use_case in USE_CASES {
        assert_eq!(blocks(use_case), core, "{use_case}");
    }
}

/// Amounts keep the text of the documents, so that nobody's reader has to round.
#[test]
fn amounts_are_written_in_the_text_of_the_document() {
    let invoice = whole("studio", "invoice.issue");
    let received = read(
        invoice.to_string().as_bytes(),
        sender(&invoice),
        UnknownFields::Refuse,
    )
    .unwrap();
    let text = serde_json::to_string(&received.message).unwrap();
    assert!(
        text.contains("\"amount_usd\":31.50,") && text.contains("\"rate_usd_per_hour\":1.75"),
        "{text}"
    );
    let quote = whole("tune", "quote.issue");
    let received = read(
        quote.to_string().as_bytes(),
        sender(&quote),
        UnknownFields::Refuse,
    )
    .unwrap();
    let text = serde_json::to_string(&received.message).unwrap();
    assert!(text.contains("\"total_usd_per_month\":6400"), "{text}");
}

/// What the document has and the calendar has not (2026 is no leap year) is refused where it stands.
#[test]
fn the_documents_impossible_day_is_refused() {
    let mut report = whole("tune", "meter.report");
    let written: Value = crate::document::json("documents/tune/meter.report.json");
    report["payload"] = written["payload"].clone();
    let refusal = read(
        report.to_string().as_bytes(),
        sender(&report),
        UnknownFields::Tell,
    )
    .unwrap_err();
    assert_eq!((refusal.code.http_status(), refusal.faults.len()), (422, 1));
    let said = refusal.to_string();
    assert!(
        said.contains("`payload.period.to` \"2026-02-29\" must be a day"),
        "{said}"
    );
}

#[test]
fn a_request_is_what_the_quote_engine_reads() {
    use trustbridge_domain::quote::Rfq;
    for use_case in USE_CASES {
        let sent = whole(use_case, "rfq.create");
        let received = read(sent.to_string().as_bytes(), sender(&sent), UnknownFields::Refuse).unwrap();
        let rfq = Rfq::from_json(&received.payload).unwrap();
        assert_eq!(
            rfq.rfq_id,
            example(use_case, "rfq.create")["payload"]["rfq_id"]
                .as_str()
                .unwrap()
        );
        assert_eq!(rfq.unknown_fields, Vec::<String>::new());
    }
}
