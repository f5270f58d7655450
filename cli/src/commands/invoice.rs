//! `trustbridge invoice verify`: whether an invoice is what its basis comes to, and what its seller signed.

use std::path::PathBuf;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use clap::ValueEnum;
use serde_json::json;
use trustbridge_domain::invoice::{Printed, Verdict, verify as judge};

use crate::failure::Failure;
use crate::report::{Report, lines};

/// Longest file that is read, in bytes: objects of the API server are shorter.
const MAX_BYTES: u64 = 4 << 20;

/// Arguments of `invoice`.
#[derive(clap::Args)]
#[command(after_help = "  kubectl get invoice NAME -n NAMESPACE -o yaml > invoice.yaml
  trustbridge invoice verify invoice.yaml --public-key 5f1c...e2

Every line is rated again from `spec.basis`: intervals, frozen prices, terms. No cluster is asked. The file alone shows
every change of what was signed; that it was the seller who signed shows against the seller's key, which is published in
the SellerProfile (`kubectl get sellerprofile seller -o yaml`, `status.keys[].publicKey`). What `phase`, conditions and
other metadata say is not signed.")]
pub(crate) struct Args {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// The Invoice as kubectl prints it, YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
    let path = &args.file;
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
    let printed: Printed = serde_saphyr::from_str(&text).map_err(|error| {
        Failure::data(format!(
            "{}: no Invoice: {error}; give what `kubectl get invoice NAME -o yaml` prints",
            path.display()
        ))
    })?;
    let verdict = judge(&printed, &args.public_key, is_signed);
    if verdict.findings.is_empty() {
        return report(&verdict, !args.public_key.is_empty());
    }
    Err(Failure::data(format!(
        "{}: {} findings: {}; nothing of it should be paid before the seller has explained them",
        path.display(),
        verdict.findings.len(),
        verdict.findings.join("; ")
    )))
}

fn is_signed(key: &[u8; 32], text: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text, signature)
        .is_ok()
}

fn report(verdict: &Verdict, pinned: bool) -> Result<Report, Failure> {
    let by = if pinned {
        "an expected key"
    } else {
        "a key that nobody vouched for: give --public-key"
    };
    let rows = [
        ("invoice", verdict.name.clone()),
        ("order", verdict.order.clone()),
        ("total", verdict.total.clone()),
        ("lines", format!("{}, each rated again", verdict.lines)),
        ("digest", verdict.digest.clone()),
        ("public key", verdict.public_key.clone()),
        ("signed", format!("by {by}")),
        ("result", "ok".to_owned()),
    ];
    let document = json!({
        "invoice": verdict.name, "order": verdict.order, "total": verdict.total, "lines": verdict.lines,
        "digest": verdict.digest, "public_key": verdict.public_key, "public_keys_checked": pinned, "result": "ok"
    });
    Report::new(lines(&rows), &document)
}

fn public_key(text: &str) -> Result<String, String> {
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
