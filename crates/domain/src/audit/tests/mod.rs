//! Logs as the sentinel writes them, whole and touched.

mod touched;
mod whole;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::{
    Checkpoint, Head, Outcome, Reason, Record, Refusal, Summary, Verifier, checkpoint_line, hex, record_line,
    torn_sha256,
};

const TS: &str = "2026-01-07T10:00:00.123Z";

/// A log with its files, as a sentinel with several starts leaves it.
#[derive(Clone, Default)]
struct Log {
    files: Vec<Vec<u8>>,
    head: Head,
    keys: Vec<String>,
}

struct Boot(Ed25519KeyPair);

impl Boot {
    fn key(&self) -> String {
        hex(self.0.public_key().as_ref())
    }
}

impl Log {
    /// A start: its key, a file where there is none yet, and the first checkpoint.
    fn boot(&mut self) -> Boot {
        let boot = Boot(Ed25519KeyPair::generate().unwrap());
        self.keys.push(boot.key());
        if self.files.is_empty() {
            self.files.push(Vec::new());
        }
        self.checkpoint(&boot, Reason::Start);
        boot
    }

    fn rotate(&mut self, boot: &Boot) {
        self.files.push(Vec::new());
        self.checkpoint(boot, Reason::File);
    }

    /// A crash that left a piece of a line, and the start after it.
    fn crash(&mut self, piece: &[u8]) -> Boot {
        let boot = Boot(Ed25519KeyPair::generate().unwrap());
        self.keys.push(boot.key());
        let torn = [piece, b"\n"].concat();
        self.files.last_mut().unwrap().extend(&torn);
        self.sign(&boot, Reason::Start, Some(torn_sha256(&torn)));
        boot
    }

    fn checkpoint(&mut self, boot: &Boot, reason: Reason) {
        self.sign(boot, reason, None);
    }

    fn sign(&mut self, boot: &Boot, reason: Reason, torn_sha256: Option<String>) {
        let checkpoint = Checkpoint {
            reason,
            ts: TS,
            torn_sha256,
            public_key: &boot.key(),
        };
        let sign = |message: &[u8]| hex(boot.0.sign(message).as_ref());
        let (line, head) = checkpoint_line(&self.head, checkpoint, sign).unwrap();
        self.put(&line, head);
    }

    fn record(&mut self, path: &str) {
        let digest = hex(&[7; 32]);
        let record = Record {
            ts: TS,
            contract_id: "contract-123",
            asset_id: "tb-asset-123",
            method: "POST",
            path,
            req_sha256: &digest,
            status: 200,
            latency_ms: 12,
            resp_sha256: &digest,
            req_bytes: 8,
            resp_bytes: 6,
            outcome: Outcome::Ok,
        };
        let (line, head) = record_line(&self.head, &record).unwrap();
        self.put(&line, head);
    }

    fn put(&mut self, line: &str, head: Head) {
        self.files.last_mut().unwrap().extend(line.as_bytes());
        self.head = head;
    }

    /// Judged with everything that somebody outside may know.
    fn judged(&self) -> Result<Summary, Refusal> {
        verify(&self.files, self.keys.clone(), Some(self.head.clone()))
    }

    /// The same, by one who takes no end that nobody signed.
    fn judged_strictly(&self) -> Result<Summary, Refusal> {
        let verifier = Verifier::new(self.keys.clone(), Some(self.head.clone()), is_signed);
        read(&self.files, verifier.strict())
    }

    /// Judged by one who knows nothing but the files.
    fn judged_alone(&self) -> Result<Summary, Refusal> {
        verify(&self.files, Vec::new(), None)
    }
}

fn is_signed(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(message, signature)
        .is_ok()
}

fn verify(files: &[Vec<u8>], keys: Vec<String>, expected: Option<Head>) -> Result<Summary, Refusal> {
    read(files, Verifier::new(keys, expected, is_signed))
}

fn read<C>(files: &[Vec<u8>], mut verifier: Verifier<C>) -> Result<Summary, Refusal>
where
    C: Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
{
    let mut rest: &[u8] = b"";
    for file in files {
        if !rest.is_empty() {
            verifier.line(rest)?;
        }
        verifier.begin_file();
        rest = b"";
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => verifier.line(line)?,
                None => rest = line,
            }
        }
    }
    verifier.finish(rest)
}
