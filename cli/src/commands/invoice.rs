//! `trustbridge invoice verify`: whether an invoice is what its basis comes to, and what its seller signed; the same of
//! a credit note, by itself or beside its invoice.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use clap::ValueEnum;
use serde_json::json;
use trustbridge_domain::invoice::{Printed, Verdict, corrects, verify as judge};

use crate::failure::Failure;
use crate::report::{Report, lines};

/// Longest file that is read, in bytes: objects of the API server are shorter.
const MAX_BYTES: u64 = 4 << 20;

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
    let printed = read(&args.file)?;
    let verdict = judge(&printed, &args.public_key, is_signed);
    right(&args.file, &verdict.findings)?;
    if let Some(path) = &args.invoice {
        let invoice = read(path)?;
        right(path, &judge(&invoice, &args.public_key, is_signed).findings)?;
        right(&args.file, &corrects(&printed, &invoice))?;
    }
    report(&verdict, !args.public_key.is_empty(), args.invoice.is_some())
}

/// The document of a file.
fn read(path: &Path) -> Result<Printed, Failure> {
    let failed = |error| Failure::file("reading", path, &error);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(Failure::data(format!(
            "{}: {length} bytes: an Invoice has at most {MAX_BYTES}; give the object alone",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    // JSON is YAML, too.
    serde_saphyr::from_str(&text).map_err(|error| {
        Failure::data(format!(
            "{}: no Invoice: {error}; give what `kubectl get invoice NAME -o yaml` prints",
            path.display()
        ))
    })
}

fn right(path: &Path, findings: &[String]) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!(
        "{}: {} findings: {}; nothing of it should be paid before the seller has explained them",
        path.display(),
        findings.len(),
        findings.join("; ")
    )))
}

/// Whether the Ed25519 signature of `text` is of `key`.
pub(super) fn is_signed(key: &[u8; 32], text: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text, signature)
        .is_ok()
}

fn report(verdict: &Verdict, pinned: bool, beside: bool) -> Result<Report, Failure> {
    let by = if pinned {
        "an expected key"
    } else {
        "a key that nobody vouched for: give --public-key"
    };
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
        ("signed", format!("by {by}")),
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

/// An Ed25519 public key in hex.
pub(super) fn public_key(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be an Ed25519 public key of 64 hexadecimal characters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::public_key;

    #[test]
    fn keys_are_read_strictly() {
        let key = "AB".repeat(32);
        assert_eq!(public_key(&key).unwrap(), key.to_lowercase());
        for text in ["", "00", &format!("{}x", &key[1..])] {
            assert!(public_key(text).is_err(), "{text}");
        }
    }
}
