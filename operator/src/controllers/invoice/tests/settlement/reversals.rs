//! Payments that are taken out again.

use super::*;
use trustbridge_api::invoice::PaymentReversal;

fn taken_out(id: &str, payment: &str, amount_minor: i64) -> PaymentReversal {
    PaymentReversal {
        id: id.to_owned(),
        payment: payment.to_owned(),
        amount_minor,
        reversed_on: "2026-01-20".to_owned(),
        reason: "recorded at the wrong invoice".to_owned(),
    }
}

/// What is open follows every reversal; the phase follows where an edge leads, and what was signed is as it was.
#[test]
fn a_payment_that_is_taken_out_is_owed_again_and_the_phase_follows_legal_edges_alone() {
    let (on_time, late) = ("2026-01-20T23:59:59Z", "2026-01-21T00:00:00Z");
    let steps: [(&str, InvoicePhase, i64, &str); 2] = [
        (
            on_time,
            InvoicePhase::PartiallyPaid,
            2_150,
            "False/AwaitingPayment",
        ),
        (late, InvoicePhase::Overdue, 2_150, "False/PaymentOverdue"),
    ];
    // Of a part: from the phase before, which the whole payment did not reach.
    for (now, phase, open, said) in steps {
        let mut invoice = with(&issued(), &[paid(2_000, "trx-1"), paid(1_000, "trx-2")], &[]);
        invoice.status = Some(settlement::decide(&invoice, &[], at(on_time)).status);
        invoice.spec.reversals = vec![taken_out("rv-1", "trx-1", 2_000)];
        let status = settlement::decide(&invoice, &[], at(now)).status;
        assert_eq!(stands(&status), (phase, open, said.to_owned()), "{now}");
        let balance = status.balance.unwrap();
        assert_eq!((balance.paid_minor, balance.reversed_minor), (1_000, 2_000));
    }
    // All of it: nothing follows `Paid`, and the balance says what is owed.
    let mut invoice = with(&issued(), &[paid(3_150, "trx-1")], &[]);
    invoice.status = Some(settlement::decide(&invoice, &[], at(on_time)).status);
    invoice.spec.reversals = vec![taken_out("rv-1", "trx-1", 3_000)];
    invoice.status = Some(settlement::decide(&invoice, &[], at(late)).status);
    let right = (InvoicePhase::Paid, 3_000, "False/PaymentReversed".to_owned());
    assert_eq!(stands(invoice.status.as_ref().unwrap()), right);
    let document = serde_json::to_value(&invoice).unwrap();
    let printed: Printed = serde_json::from_value(document).unwrap();
    let verdict = verify(&printed, &[], |key, text, signature| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(text, signature)
            .is_ok()
    });
    assert_eq!(
        verdict.findings,
        Vec::<String>::new(),
        "what was signed is as it was"
    );
    // It is recorded where it belongs, and here another one arrives.
    invoice.spec.payments.push(paid(3_000, "trx-2"));
    let status = settlement::decide(&invoice, &[], at(late)).status;
    assert_eq!(
        stands(&status),
        (InvoicePhase::Paid, 0, "True/AsSpecified".to_owned())
    );
    invoice.status = Some(status.clone());
    let rest = settlement::decide(&invoice, &[], at(late));
    assert_eq!(rest.status, status, "at rest");
}

#[test]
fn a_reversal_past_the_rules_changes_no_balance() {
    let mut invoice = with(&issued(), &[paid(1_000, "trx-1")], &[]);
    let before = settlement::decide(&invoice, &[], at("2026-01-20T12:00:00Z")).status;
    invoice.status = Some(before.clone());
    invoice.spec.reversals = vec![taken_out("rv-1", "trx-1", 1_001)];
    let status = settlement::decide(&invoice, &[], at("2026-01-20T12:00:00Z")).status;
    assert_eq!((status.phase, &status.balance), (before.phase, &before.balance));
    let said = find(&status.conditions, ConditionType::Settled).unwrap();
    assert!(
        said.message.contains("take out at most the payment"),
        "{}",
        said.message
    );
}
