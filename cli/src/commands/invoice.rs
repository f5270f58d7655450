//! `trustbridge invoice verify`: whether an invoice is what its basis comes to, and what its seller signed; the same of
//! a credit note, by itself or beside its invoice.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;
use trustbridge_domain::invoice::{Printed, Verdict, corrects, verify as judge};

use super::signed::{self, is_signed, public_key, read, signer};
use crate::failure::Failure;
use crate::report::{Report, lines};

/// Arguments of `invoice`.
#[derive(clap::Args)]
#[command(after_help = "  kubectl get invoice NAME -n NAMESPACE -o yaml > invoice.yaml
  trustbridge invoice verify invoice.yaml --public-key 5f1c...e2
  trustbridge invoice verify credit-note.yaml --invoice invoice.yaml --public-key 5f1c...e2

Every line is rated again from `spec.basis`: intervals, frozen prices, terms. No cluster is asked. The file alone shows
every change of what was signed; that it was the seller who signed shows against the seller's key, which is published in
the SellerProfile (`kubectl get sellerprofile seller -o yaml`, `status.keys[].publicKey`). A credit note shows by itself
that it takes back no more than earlier ones left; with --invoice, also that it is of that invoice. What `phase`,
payments, balance, conditions and other metadata say is not signed.")]
pub(crate) struct Args {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// The Invoice as kubectl prints it, YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The invoice that a credit note corrects: it is verified as well, and held against the note.
    #[arg(long, value_name = "FILE")]
    invoice: Option<PathBuf>,
    /// Refuse signatures of any other key; may be repeated.
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Rate an invoice again, and check its digest and signature.
    Verify,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    match args.action {
        Action::Verify => verify(args),
    }
}

fn verify(args: &Args) -> Result<Report, Failure> {
    let printed: Printed = read(&args.file, "Invoice")?;
    let verdict = judge(&printed, &args.public_key, is_signed);
    right(&args.file, &verdict.findings)?;
    if let Some(path) = &args.invoice {
        let invoice: Printed = read(path, "Invoice")?;
        right(path, &judge(&invoice, &args.public_key, is_signed).findings)?;
        right(&args.file, &corrects(&printed, &invoice))?;
    }
    report(&verdict, !args.public_key.is_empty(), args.invoice.is_some())
}

fn right(path: &Path, findings: &[String]) -> Result<(), Failure> {
    let consequence = "nothing of it should be paid before the seller has explained them";
    signed::right(path, findings, consequence)
}

fn report(verdict: &Verdict, pinned: bool, beside: bool) -> Result<Report, Failure> {
    let kind = if verdict.corrects.is_some() {
        "credit note"
    } else {
        "invoice"
    };
    let mut rows = vec![
        (kind, verdict.name.clone()),
        ("order", verdict.order.clone()),
        ("total", verdict.total.clone()),
        ("lines", format!("{}, each rated again", verdict.lines)),
        ("digest", verdict.digest.clone()),
        ("public key", verdict.public_key.clone()),
        ("signed", signer(pinned).to_owned()),
        ("result", "ok".to_owned()),
    ];
    if let Some(invoice) = &verdict.corrects {
        let seen = if beside {
            "which is ok"
        } else {
            "which was not looked at: give --invoice"
        };
        rows.insert(1, ("corrects", format!("{invoice}, {seen}")));
    }
    let document = json!({
        "invoice": verdict.name, "kind": kind, "corrects": verdict.corrects, "corrected_invoice_checked": beside,
        "order": verdict.order, "total": verdict.total, "lines": verdict.lines, "digest": verdict.digest,
        "public_key": verdict.public_key, "public_keys_checked": pinned, "result": "ok"
    });
    Report::new(lines(&rows), &document)
}
