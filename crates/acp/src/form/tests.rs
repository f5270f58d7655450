//! Each form with texts that have it and texts that almost have it.

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// Texts that have a form.
const ADMITTED: &[(Form, &[&str])] = &[
    (Form::Id, &["ord_tune_001", "q-1.a", "7"]),
    (Form::Uuid, &["7b0e3f52-6f0a-4c55-9d0c-0d2a5f6f9a01"]),
    (Form::Word, &["12.x", "p90<=24h"]),
    (Form::Prose, &["two\nlines"]),
    (Form::One(&["a", "b"]), &["b"]),
    (
        Form::AnyOf(&["vm", "bare_metal"]),
        &["vm", "vm|bare_metal", "bare_metal|vm"],
    ),
    (Form::Date, &["2026-02-28", "2024-02-29"]),
    (
        Form::Instant,
        &["2026-01-15T10:00:00Z", "2026-01-15T10:00:00.5+01:00"],
    ),
    (Form::DateOrInstant, &["2026-02-28", "2026-01-15T23:59:59Z"]),
    (Form::Uri, &["s3://buyer-bucket/finetune/", "sftp://host:22/in"]),
    (
        Form::Cidr,
        &[
            "203.0.113.0/24",
            "0.0.0.0/0",
            "2001:db8::/32",
            "203.0.113.7/32",
            "::/0",
        ],
    ),
    (Form::Source, &["buyer_ip_ranges", "10.0.0.0/8"]),
    (
        Form::Destination,
        &["huggingface.co:443", "huggingface.co", "*.example.com:443"],
    ),
    (Form::Email, &["ops@example.com"]),
    (Form::SshKey, &[KEY]),
];

/// Texts that almost have a form.
const REFUSED: &[(Form, &[&str])] = &[
    (Form::Id, &["", "-a", "a/b", "ä", "a b", "a|b"]),
    (
        Form::Uuid,
        &[
            "uuid",
            "7b0e3f526f0a4c559d0c0d2a5f6f9a01",
            "7b0e3f52-6f0a-4c55-9d0c-0d2a5f6f9a0g",
        ],
    ),
    (Form::Word, &["", "a\nb"]),
    (Form::Prose, &["", "a\u{0}b"]),
    (Form::One(&["a", "b"]), &["a|b", "", "A"]),
    (
        Form::AnyOf(&["vm", "bare_metal"]),
        &["", "vm|", "|vm", "vm | bare_metal", "pod"],
    ),
    (
        Form::Date,
        &["2026-02-29", "2026-1-1", "2026-01-15T10:00:00Z", "today"],
    ),
    (
        Form::Instant,
        &[
            "2026-02-29T00:00:00Z",
            "2026-01-15",
            "2026-01-15T10:00:00",
            "2026-01-15 10:00:00Z",
            "2026-01-15T25:00:00Z",
            "2026-01-15T10:00:00Z[UTC]",
            "2026-01-15t10:00:00z",
        ],
    ),
    (Form::DateOrInstant, &["2026-02-29", "2026-02-29T00:00:00Z"]),
    (
        Form::Uri,
        &[
            "bucket/path",
            "s3://",
            "https://user:pw@host/x",
            "https://host/x?sig=abc",
            "https://h/ x",
            "S3://b/",
        ],
    ),
    (
        Form::Cidr,
        &[
            "203.0.113.7/24",
            "203.0.113.0",
            "203.0.113.0/33",
            "203.0.113.0/024",
            "x/24",
            "::1/64",
        ],
    ),
    (Form::Source, &["everywhere", ""]),
    (
        Form::Destination,
        &[
            "https://huggingface.co",
            "host:0",
            "host:65536",
            "host:+1",
            "a b:443",
            "",
        ],
    ),
    (Form::Email, &["ops", "@example.com", "a b@example.com", "ops@"]),
    (
        Form::SshKey,
        &[
            "ssh-ed25519 AAAA...",
            "ssh-ed25519",
            "ssh-dss AAAAB3NzaC1kc3M=",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        ],
    ),
];

#[test]
fn forms_admit_what_they_say() {
    for (form, texts) in ADMITTED {
        for text in *texts {
            assert!(form.admits(text), "{form:?} {text}");
        }
    }
    assert!(Form::SshKey.admits(&format!("{KEY} buyer@laptop")));
}

#[test]
fn forms_refuse_what_almost_has_them() {
    for (form, texts) in REFUSED {
        for text in *texts {
            assert!(!form.admits(text), "{form:?} {text}");
        }
    }
    assert!(!Form::SshKey.admits(&format!("{KEY} a\nb")));
    assert!(!Form::Id.admits(&"a".repeat(129)));
}
