//! A million lines of audit log, with their checkpoints, read from a file and verified, five times over.
//!
//! `cargo bench -p trustbridge-domain --bench audit`

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use trustbridge_domain::audit::{
    Checkpoint, Head, Outcome, RECORDS_A_CHECKPOINT, Reason, Record, Verifier, checkpoint_line, record_line,
};

const LINES: u64 = 1_000_000;
const TS: &str = "2026-01-07T10:00:00.123Z";

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn write(path: &Path, key: &Ed25519KeyPair) -> Result<Head, Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut head, public_key) = (Head::default(), hex(key.public_key().as_ref()));
    let digest = hex(&[0xab; 32]);
    while head.seq < LINES {
        let (line, next) = if head.seq.is_multiple_of(RECORDS_A_CHECKPOINT) {
            let reason = if head.seq == 0 {
                Reason::Start
            } else {
                Reason::Periodic
            };
            let checkpoint = Checkpoint {
                reason,
                ts: TS,
                torn_sha256: None,
                public_key: &public_key,
            };
            checkpoint_line(&head, checkpoint, |message| hex(key.sign(message).as_ref()))?
        } else {
            let record = Record {
                ts: TS,
                contract_id: "contract-0a1b2c3d",
                asset_id: "tb-asset-0a1b2c3d",
                method: "POST",
                path: "/v1/chat/completions",
                req_sha256: &digest,
                status: 200,
                latency_ms: 1234,
                resp_sha256: &digest,
                req_bytes: 2048,
                resp_bytes: 65_536,
                outcome: Outcome::Ok,
            };
            record_line(&head, &record)?
        };
        file.write_all(line.as_bytes())?;
        head = next;
    }
    file.flush()?;
    Ok(head)
}

fn verify(path: &Path, key: &Ed25519KeyPair, head: &Head) -> Result<u64, Box<dyn Error>> {
    let check = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .is_ok()
    };
    let keys = vec![hex(key.public_key().as_ref())];
    let mut verifier = Verifier::new(keys, Some(head.clone()), check);
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        verifier.line(line.strip_suffix(b"\n").ok_or("a whole line")?)?;
        line.clear();
    }
    Ok(verifier.finish(b"")?.head.seq)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("audit-bench-{}.jsonl", std::process::id()));
    let key = Ed25519KeyPair::generate()?;
    let head = write(&path, &key)?;
    let bytes = path.metadata()?.len();
    println!("{} lines, {bytes} bytes", head.seq);
    for _ in 0..5 {
        let begun = Instant::now();
        let lines = verify(&path, &key, &head)?;
        println!("{lines} lines verified in {:.2} s", begun.elapsed().as_secs_f64());
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
